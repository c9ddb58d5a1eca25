"""The best step, regardless of what follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Actions, Decision, States
from morl.cormab.oracle import LevelOracle


@dataclass(frozen=True)
class Myopic:
    """Maximises the expected reward of the step, exactly [Xu2025]_."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        """See :meth:`~morl.cormab.baselines.base.Contender.prepare`."""
        oracle = LevelOracle(instance)
        arms = np.arange(instance.num_arms)

        def decide(states: States, *_: object) -> Actions:
            return oracle(instance.arm_rewards[arms, :, states])

        return decide
