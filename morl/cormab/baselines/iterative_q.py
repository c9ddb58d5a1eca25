"""Greedy construction by a Q-function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.cormab import Instance
from morl.cormab.baselines.base import Actions, Contender, Decision, States
from morl.cormab.baselines.greedy import add_greedily


@dataclass(frozen=True)
class IterativeQ(Contender):
    """Builds actions as :class:`Greedy` does, with a learned Q-function in place of the expected reward.

    The published version for scheduling orders arms by their expected reward instead, and so does not use its network.
    """

    q: Callable[[States, Actions], npt.NDArray[np.float64]]
    """Values ``(B,)`` of actions ``(B, N)`` in states ``(B, J)``."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        return lambda states, *_: add_greedily(self.q, instance.constraint, states)
