"""Greedy: always the action of largest expected gain."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from morl.planners.closed_loop import ClosedLoop, Rule
from morl.planners.planner import Walks


@dataclass(frozen=True, kw_only=True)
class Greedy(ClosedLoop):
    """Always take the action of largest expected marginal gain, of several the first.

    On a graph no share of the optimum is guaranteed: the constant factor of the greedy algorithm is for picking elements
    freely (:func:`~morl.planners.lazy_greedy`), not for walking to them.
    """

    def _rule(self, walks: Walks) -> Rule:
        def rule(_: int, nodes: Tensor, state: dict[str, Tensor]) -> Tensor:
            following = walks.successors[nodes]
            gains = torch.stack([walks.scalar(walks.function.gain(state, column)) for column in following.T], -1)
            expected = (walks.executed[nodes] * gains[:, None]).sum(-1)
            # numpy says which of several it takes: the first.
            return torch.from_numpy(expected.numpy().argmax(-1))

        return rule
