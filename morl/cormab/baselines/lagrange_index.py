"""Indices from the prices of the stationary relaxation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.arm_values import discounted_values
from morl.cormab.baselines.base import Contender, Decision
from morl.cormab.oracle import LevelOracle
from morl.cormab.relaxation import relax


@dataclass(frozen=True)
class LagrangeIndex(Contender):
    """Maximises what treating each arm adds if all arms pay the relaxation's prices from the next step on, without end.

    The prices are those of discounted rewards, and the same in every step. For actions that reach several arms, indices depend
    on the level and the best action is found exactly.
    """

    gamma: float = 0.99
    """Discount."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        oracle = LevelOracle(instance)
        prices = relax(instance, horizon=None, gamma=self.gamma, oracle=oracle).prices[0]
        values = discounted_values(instance.transitions, instance.arm_rewards - prices[..., None], self.gamma)
        gains = instance.arm_rewards + self.gamma * np.einsum("jlst,jt->jls", instance.transitions, values)
        arms = np.arange(instance.num_arms)
        return lambda states, *_: oracle(gains[arms, :, states])
