"""What the solvers over transition models share: the set of models, and being judged by the worst of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from morl.errors import CapabilityError
from morl.evaluation import Evaluation
from morl.fields import GridPoints
from morl.protocols import EnvFactory, Solver
from morl.registry import component_field
from morl.solvers.base import RunnableSolver, default_task
from morl.solvers.mosac import MOSAC
from morl.task import Task
from robust.evaluation import RobustEvaluator
from robust.search.grid import GridSearch
from robust.uncertainty import Box, UncertaintySet
from robust.uncertainty.base import Region, require_space


@dataclass(frozen=True, kw_only=True)
class RobustSolver(RunnableSolver):
    """Base of the solvers that are judged over an uncertainty set, by the worst model on a closed grid."""

    solver: Solver = component_field("solver", default_factory=MOSAC)
    """What trains."""
    uncertainty: UncertaintySet = component_field("uncertainty", default=Box())
    """Models that the environment may have."""
    grid_points: GridPoints = 5
    """Policies are judged on a closed grid with this many points per parameter."""

    @property
    def gamma(self) -> float:
        """Discount factor of the solver."""
        return float(self.solver.gamma)

    def region(self, env: EnvFactory) -> Region:
        """The uncertainty set within the environment's parameters.

        Raises:
            CapabilityError: The environment's dynamics cannot be set.
        """
        spec = env.spec
        return self.uncertainty.region(require_space(spec.parameter_space, spec.env_id, type(self).__name__))

    def evaluator(self, env: EnvFactory, evaluation: Evaluation | None = None, *, device: torch.device) -> RobustEvaluator:
        """Judges this solver's policies; see :class:`morl.evaluation.HasEvaluator`."""
        models = GridSearch(points_per_dimension=self.grid_points).models(self.region(env))
        return RobustEvaluator(env, evaluation or Evaluation(), models=models, gamma=self.gamma, device=device)

    def actor_critic(self) -> MOSAC:
        """The solver of one that builds on soft actor-critic.

        Raises:
            CapabilityError: It is another one, or has networks beside that would be of no use.
        """
        name = type(self).__name__
        if not isinstance(self.solver, MOSAC):
            raise CapabilityError(f"{name} is an actor-critic: its solver must be MOSAC, found {type(self.solver).__name__}")
        if self.solver.extras:
            raise CapabilityError(f"{name} has no use for MOSAC.extras; leave them empty")
        return self.solver


def checked_task(task: Task | None, env: EnvFactory, device: torch.device) -> Task:
    """The task of a solver that chooses transition models itself.

    Raises:
        CapabilityError: It names some.
    """
    task = default_task(task, env.spec.num_objectives, device)
    if task.dynamics is not None:
        raise CapabilityError("this solver chooses the transition models itself; leave the task's dynamics open")
    return task
