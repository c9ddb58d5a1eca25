"""Beam search over walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.fields import NonNegative, Repeats
from morl.planners.modular_policy import backward_induction
from morl.planners.planner import Planner, Walks, walk


@dataclass(frozen=True, kw_only=True)
class BeamSearch(Planner):
    """Keep the best ``width`` partial walks of each length; of walks that are the same for all that follows, one."""

    width: Repeats = 300
    """Partial walks that are kept."""
    lookahead: NonNegative = 0.0
    """Weight of what is to come, in the judgement of partial walks: the largest sum of gains of which each remembers only the
    node before, an optimistic guess that leads to worth far away. 0 judges by what was gained."""

    def _plan(self, walks: Walks) -> dict[str, Any]:
        walks.require_deterministic("beam search")
        state, nodes = walks.begin(1), torch.tensor([walks.start])
        number_of_actions = walks.successors.shape[1]
        parents, actions = [], []
        hope = self.lookahead * backward_induction(walks, walks.move_gains())[0]
        for step in range(1, walks.horizon + 1):
            state = {name: tensor.repeat_interleave(number_of_actions, 0) for name, tensor in state.items()}
            nodes = walks.successors[nodes].reshape(-1)
            walks.function.advance(state, nodes)
            # The best first, so that it is the one that is kept of its kind.
            order = (walks.scalar(state["value"]) + hope[step, nodes]).argsort(descending=True, stable=True)
            first, _ = distinct(nodes[order], walks.function.summary(state, order))
            kept = order[first[: self.width]]
            state, nodes = {name: tensor[kept] for name, tensor in state.items()}, nodes[kept]
            parents.append(kept // number_of_actions)
            actions.append(kept % number_of_actions)
        best, chosen = int(walks.scalar(state["value"]).argmax()), []
        for parent, action in zip(reversed(parents), reversed(actions), strict=True):
            chosen.append(int(action[best]))
            best = int(parent[best])
        return {"status": "heuristic", **walk(walks, np.array(chosen[::-1]))}


def distinct(nodes: Tensor, summaries: Tensor) -> tuple[Tensor, Tensor]:
    """Sort out walks that no future can tell apart.

    Args:
        nodes: Where they are, ``(N,)``.
        summaries: Of what they visited, ``(N, d)``.

    Returns:
        One walk of each kind, ``(number of kinds,)``, and the kind of each walk, ``(N,)``.
    """
    # Two random projections stand for a summary: equal ones for equal rows, different ones almost surely for others. Features
    # count relative to their largest, so that small ones tell walks apart as well.
    rng = torch.Generator().manual_seed(0)
    scale = summaries.abs().amax(0) if summaries.numel() else summaries.new_ones(summaries.shape[1])
    summaries = summaries / torch.where(scale > 0, scale, 1.0)
    keys = [nodes.to(torch.float64)]
    for _ in range(2):
        direction = torch.rand(summaries.shape[1], dtype=torch.float64, generator=rng)
        keys.append((summaries * direction).sum(-1).round(decimals=9))
    _, first, kind = np.unique(torch.stack(keys, 1).numpy(), axis=0, return_index=True, return_inverse=True)
    # In the order in which they appear, so that of equal values the first wins.
    order = first.argsort()
    return torch.from_numpy(first[order]), torch.from_numpy(order.argsort()[kind.reshape(-1)])
