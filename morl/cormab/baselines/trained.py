"""A solver, trained on each instance before it plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Contender, Decision
from morl.cormab.baselines.iterative_q import IterativeQ
from morl.cormab.baselines.learned import Learned


@dataclass(frozen=True, kw_only=True)
class Trained(Contender):
    """Trains on an instance, then plays it.

    Two contenders that differ in ``actions`` only share the training.
    """

    solver: Any
    """Such as :class:`morl.solvers.SEQUOIA`."""
    env_steps: int
    """Budget of the training."""
    actions: Literal["policy", "greedy"] = "policy"
    """Whether the policy acts as it was made to, or builds actions greedily by its values (:class:`IterativeQ`)."""
    expected_rewards: bool = True
    """Train on expected instead of realised rewards, as published: the same mean, less variance."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        policy = _trained(self.solver, self.env_steps, self.expected_rewards, instance, horizon, seed)
        contender = Learned(policy) if self.actions == "policy" else IterativeQ(action_values(policy))
        return contender.prepare(instance, horizon=horizon, seed=seed)


def action_values(policy: Any) -> Callable[[Any, Any], Any]:
    """The scalar values of a policy's Q-network as a function of states ``(B, J)`` and actions ``(B, N)``, ``(B,)``."""
    return lambda states, actions: np.asarray(policy.values(states, np.asarray(actions, np.float64))[0].sum(-1), np.float64)


@lru_cache(maxsize=16)
def _trained(solver: Any, env_steps: int, expected_rewards: bool, instance: Instance, horizon: int, seed: int) -> Any:
    from morl.evaluation import Evaluation

    # The id only says that a restless bandit is meant; the instance has its own constraint.
    env = {"id": "cormab/budget-v0", "instance": instance, "horizon": horizon, "expected_rewards": expected_rewards}
    result = solver.run(env, env_steps=env_steps, seed=seed, evaluation=Evaluation(episodes=1, period=env_steps))
    return result.policy()
