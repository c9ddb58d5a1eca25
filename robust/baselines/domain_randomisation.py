"""Domain randomisation: train in models drawn anew for every episode."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from morl.protocols import EnvFactory, Learner
from morl.task import Task
from robust.randomisation import RandomisedProblem
from robust.solver import RobustSolver, checked_task


@dataclass(frozen=True, kw_only=True)
class DomainRandomisation(RobustSolver):
    """Any solver, in a model drawn uniformly from the uncertainty set at every reset: good on average, not in the worst case.

    Source:
        J. Tobin et al., Domain randomization for transferring deep neural networks from simulation to the real world, 2017.
    """

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> Learner:
        """Build the solver's own learner on randomised rows; see :meth:`morl.protocols.Solver.make`."""
        task = checked_task(task, env, device)
        return self.solver.make(RandomisedProblem(env, self.region(env)), task, seed=seed, device=device)
