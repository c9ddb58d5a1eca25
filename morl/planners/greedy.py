"""Greedy: always the action of largest expected gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from morl.fields import Repeats, Seed
from morl.planners.closed_loop import play
from morl.planners.planner import Planner, Walks


@dataclass(frozen=True, kw_only=True)
class Greedy(Planner):
    """Always take the action of largest expected marginal gain, of several the first.

    On a graph no share of the optimum is guaranteed: the constant factor of the greedy algorithm is for picking elements
    freely (:func:`~morl.planners.lazy_greedy`), not for walking to them.
    """

    episodes: Repeats = 1000
    """Episodes that estimate the value in a world that slips."""
    seed: Seed = 0
    """Of the slips."""

    def _plan(self, walks: Walks) -> dict[str, Any]:
        def rule(_: int, nodes: Tensor, state: dict[str, Tensor]) -> Tensor:
            following = walks.successors[nodes]
            gains = torch.stack([walks.scalar(walks.function.gain(state, column)) for column in following.T], -1)
            expected = (walks.executed[nodes] * gains[:, None]).sum(-1)
            # numpy says which of several it takes: the first.
            return torch.from_numpy(expected.numpy().argmax(-1))

        return play(walks, rule, episodes=self.episodes, seed=self.seed)
