"""Doing nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Contender, Decision
from morl.errors import CapabilityError


@dataclass(frozen=True)
class Null(Contender):
    """Never acts."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        if not instance.constraint.contains(np.zeros((1, instance.num_actions)))[0]:
            raise CapabilityError(f"doing nothing is not feasible for {type(instance.constraint).__name__}; use Random")
        return lambda states, *_: np.zeros((len(states), instance.num_actions), np.bool_)
