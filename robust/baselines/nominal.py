"""No robustness: train in the nominal model, and see what happens elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces

from morl.action_spaces import finite_actions, is_bounded_box, is_real_box, other_solvers, shown
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
from robust.uncertainty.base import Region


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


def alternative(env: EnvFactory, region: Region | None = None) -> str:
    """Which baselines work on a problem that a more demanding one cannot work on.

    Args:
        env: The problem.
        region: The models that its environment may have, if that is known.

    Returns:
        The end of a message, without a full stop.
    """
    space, seen = env.spec.action_space, env.spec.observation_space
    if is_bounded_box(space):
        is_vector = isinstance(seen, spaces.Box) and len(seen.shape) == 1
        return f"use {'M2TD3 or ' if is_vector and region is not None and region.candidates is None else ''}DomainRandomisation"
    if is_real_box(space):
        return "use DomainRandomisation(solver=MOPPO())"
    if finite_actions(space) is not None:
        return "use DomainRandomisation(solver=MODQN())"
    return other_solvers(space)


def require_continuous(env: EnvFactory, region: Region, solver: str) -> None:
    """Check that actions are a bounded box of real numbers.

    Args:
        env: The problem.
        region: The models that its environment may have.
        solver: Name for the message.

    Raises:
        CapabilityError: They are not.
    """
    if not is_bounded_box(env.spec.action_space):
        raise CapabilityError(
            f"{solver} needs a bounded Box of real numbers as action space, found {shown(env.spec.action_space)}; "
            f"{alternative(env, region)}"
        )


def checked_task(task: Task | None, env: EnvFactory, device: torch.device) -> Task:
    """The task of a solver that chooses transition models itself.

    Raises:
        CapabilityError: It names some.
    """
    task = default_task(task, env.spec.num_objectives, device)
    if task.dynamics is not None:
        raise CapabilityError("this solver chooses the transition models itself; leave the task's dynamics open")
    return task
