"""Domain randomisation: train in models drawn anew for every episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from morl.fields import GridPoints
from morl.protocols import EnvFactory, Learner
from morl.registry import component_field
from morl.solvers.base import RunnableSolver
from morl.solvers.mosac import MOSAC
from morl.task import Task
from robust.baselines.nominal import checked_task
from robust.evaluation import WorstCaseJudgement
from robust.randomisation import RandomisedProblem
from robust.uncertainty import Box, UncertaintySet


@dataclass(frozen=True, kw_only=True)
class DomainRandomisation(WorstCaseJudgement, RunnableSolver):
    """Any solver, in a model drawn uniformly from the uncertainty set at every reset: good on average, not in the worst case.

    Source:
        J. Tobin et al., Domain randomization for transferring deep neural networks from simulation to the real world, 2017.
    """

    solver: Any = component_field("solver", default_factory=MOSAC)
    """What trains."""
    uncertainty: UncertaintySet = component_field("uncertainty", default=Box())
    """Models that the environment may have."""
    grid_points: GridPoints = 5
    """Policies are judged on a closed grid with this many points per parameter."""

    @property
    def gamma(self) -> float:  # type: ignore[override]
        """Discount factor of the solver."""
        return float(self.solver.gamma)

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> Learner:
        """Build the solver's own learner on randomised rows; see :meth:`morl.protocols.Solver.make`."""
        task = checked_task(task, env, device)
        learner: Learner = self.solver.make(RandomisedProblem(env, self.region(env)), task, seed=seed, device=device)
        return learner
