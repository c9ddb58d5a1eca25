"""One step exactly, the rest by the relaxation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.arm_values import horizon_action_values
from morl.cormab.baselines.base import Contender, Decision
from morl.cormab.oracle import LevelOracle
from morl.cormab.relaxation import relax


@dataclass(frozen=True)
class LookAhead(Contender):
    r"""Maximises the expected reward of the step plus the values of the arms that it leads to, exactly.

    .. math:: \max_{a \in A} \sum_j \Big( r_j(s_j, l_j(a)) + \sum_{s'} P_{j, l_j(a)}(s' \mid s_j) V^\lambda_{j,t+1}(s') \Big)

    The values are those of single arms that pay the prices :math:`\lambda` of the relaxation over the steps that are left. One
    linear program per instance, then one linear maximisation per step.
    """

    tolerance: float = 1e-3
    """Precision of the relaxation, relative to its value."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        oracle = LevelOracle(instance)
        prices = relax(instance, horizon=horizon, oracle=oracle, tolerance=self.tolerance).prices
        gains = horizon_action_values(instance.transitions, instance.arm_rewards, prices)[1]
        arms = np.arange(instance.num_arms)
        return lambda states, step, _: oracle(gains[step][arms, :, states])
