"""The best step, regardless of what follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Contender, Decision
from morl.cormab.oracle import LevelOracle


@dataclass(frozen=True)
class Myopic(Contender):
    """Maximises the expected reward of the step, exactly [Xu2025]_."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        oracle = LevelOracle(instance)
        arms = np.arange(instance.num_arms)
        return lambda states, *_: oracle(instance.arm_rewards[arms, :, states])
