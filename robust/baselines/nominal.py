"""No robustness: train in the nominal model, and see what happens elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from morl.errors import CapabilityError
from morl.fields import GridPoints
from morl.population import default_task
from morl.protocols import EnvFactory, Learner
from morl.registry import component_field
from morl.solvers.base import RunnableSolver
from morl.solvers.mosac import MOSAC
from morl.task import Task
from robust.evaluation import WorstCaseJudgement
from robust.uncertainty import Box, UncertaintySet


@dataclass(frozen=True, kw_only=True)
class Nominal(WorstCaseJudgement, RunnableSolver):
    """Any solver in the nominal model; only the judgement is over the uncertainty set."""

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
        """Build the solver's own learner; see :meth:`morl.protocols.Solver.make`."""
        region = self.region(env)
        task = checked_task(task, env, device)
        if bool((region.nominal != region.space.nominal).any()):
            models = torch.from_numpy(region.nominal).expand(task.num_members, -1)
            task = Task(utility=task.utility, dynamics=models)
        learner: Learner = self.solver.make(env, task, seed=seed, device=device)
        return learner


def checked_task(task: Task | None, env: EnvFactory, device: torch.device) -> Task:
    """The task of a solver that chooses transition models itself.

    Raises:
        CapabilityError: It names some.
    """
    task = default_task(task, env.spec.num_objectives, device)
    if task.dynamics is not None:
        raise CapabilityError("this solver chooses the transition models itself; leave the task's dynamics open")
    return task
