"""A policy that was learned, among those that know the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Contender, Decision


@dataclass(frozen=True, eq=False)
class Learned(Contender):
    """Acts by a policy, whatever the instance: the one that it was trained on is the sensible choice."""

    policy: Any
    """Of :class:`morl.protocols.Policy`, without memory: ``result.policy()``."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        return lambda states, *_: np.asarray(self.policy.act(states), np.bool_)
