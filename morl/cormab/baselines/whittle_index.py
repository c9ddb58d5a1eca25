"""Whittle's index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.arm_values import whittle_indices
from morl.cormab.baselines.base import Contender, Decision, one_action_per_arm


@dataclass(frozen=True)
class WhittleIndex(Contender):
    """The feasible action with the largest sum of Whittle indices.

    With a budget this is Whittle's policy. With other constraints the index of an arm says what it is worth but not what
    other arms must be left out for it, which only the linear function over feasible actions takes into account.
    """

    gamma: float = 0.99
    """Discount of the indices."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        one_action_per_arm(instance, "Whittle's index")
        index = whittle_indices(instance.transitions, instance.arm_rewards, self.gamma)
        arms = np.arange(instance.num_arms)
        return lambda states, *_: instance.constraint.maximize_linear(index[arms, states])
