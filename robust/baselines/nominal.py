"""No robustness: train in the nominal model, and see what happens elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from gymnasium import spaces

from morl.action_spaces import finite_actions, is_bounded_box, is_real_box, other_solvers, shown
from morl.errors import CapabilityError
from morl.protocols import EnvFactory, Learner
from morl.task import Task
from robust.solver import RobustSolver, checked_task
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class Nominal(RobustSolver):
    """Any solver in the nominal model; only the judgement is over the uncertainty set."""

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> Learner:
        """Build the solver's own learner; see :meth:`morl.protocols.Solver.make`."""
        region = self.region(env)
        task = checked_task(task, env, device)
        if bool((region.nominal != region.space.nominal).any()):
            models = torch.from_numpy(region.nominal).expand(task.num_members, -1)
            task = Task(utility=task.utility, dynamics=models)
        return self.solver.make(env, task, seed=seed, device=device)


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
