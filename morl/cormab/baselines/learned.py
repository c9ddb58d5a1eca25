"""A policy that was learned, among those that know the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Actions, Decision, States


@dataclass(frozen=True, eq=False)
class Learned:
    """Acts by a policy, whatever the instance: the one that it was trained on is the sensible choice."""

    policy: Any
    """Of :class:`morl.protocols.Policy`, without memory: ``result.policy()``."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        """See :meth:`~morl.cormab.baselines.base.Contender.prepare`."""

        def decide(states: States, *_: object) -> Actions:
            return np.asarray(self.policy.act(states), np.bool_)

        return decide
