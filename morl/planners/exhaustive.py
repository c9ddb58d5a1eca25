"""Exact dynamic programming over all histories that make a difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from morl.errors import CapabilityError
from morl.fields import Count
from morl.planners.beam_search import distinct
from morl.planners.planner import Planner, Walks, walk


@dataclass(frozen=True, kw_only=True)
class Exhaustive(Planner):
    """The best of all policies that remember everything, for small worlds, also for those that slip.

    A history counts through the node and the summary of the visits, so the augmented world is a decision process on a table;
    its size can grow exponentially with the horizon.
    """

    limit: Count = 200_000
    """Most histories of one length that are told apart."""

    def _plan(self, walks: Walks) -> dict[str, Any]:
        number = walks.successors.shape[1]
        state, nodes = walks.begin(1), torch.tensor([walks.start])
        first = float(walks.scalar(state["value"]))
        layers = []
        for step in range(walks.horizon):
            before = nodes
            state = {name: tensor.repeat_interleave(number, 0) for name, tensor in state.items()}
            nodes = walks.successors[nodes].reshape(-1)
            gains = walks.scalar(walks.function.advance(state, nodes))
            kept, kind = distinct(nodes, walks.function.summary(state))
            if kept.numel() > self.limit:
                raise CapabilityError(
                    f"after {step + 1} of {walks.horizon} steps there are {kept.numel()} different histories, more than "
                    f"{self.limit}; raise limit, or use BeamSearch or MixedInteger"
                )
            state, nodes = {name: tensor[kept] for name, tensor in state.items()}, nodes[kept]
            layers.append((before, gains.reshape(-1, number), kind.reshape(-1, number)))
        values = torch.zeros(nodes.shape[0], dtype=torch.float64)
        choices = []
        for before, gains, kind in reversed(layers):
            expected = (walks.executed[before] * (gains + values[kind])[:, None]).sum(-1)
            choices.append(torch.from_numpy(expected.numpy().argmax(-1)))
            values = expected.amax(-1)
        value = first + float(values[0])
        found: dict[str, Any] = {"status": "optimal", "value": value, "bound": value}
        if walks.is_deterministic:
            history, actions = 0, []
            for (_, _, kind), choice in zip(layers, reversed(choices), strict=True):
                actions.append(int(choice[history]))
                history = int(kind[history, actions[-1]])
            found |= walk(walks, np.array(actions))
        return found
