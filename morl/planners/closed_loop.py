"""Playing rules that look where they are before every step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from morl.fields import Repeats, Seed
from morl.planners.planner import Planner, Walks, walk

Rule = Callable[[int, Tensor, dict[str, Tensor]], Tensor]
"""Actions ``(E,)`` for the step number, the nodes ``(E,)`` and the sets of visits so far."""


@dataclass(frozen=True, kw_only=True)
class ClosedLoop(Planner):
    """Base of the planners that play a rule: once in a deterministic world, some times in one that slips."""

    episodes: Repeats = 1000
    """Episodes that estimate the value in a world that slips."""
    seed: Seed = 0
    """Of the slips."""

    @abstractmethod
    def _rule(self, walks: Walks) -> Rule:
        """What chooses the actions."""

    def _plan(self, walks: Walks) -> dict[str, Any]:
        rule = self._rule(walks)
        deterministic = walks.is_deterministic
        number = 1 if deterministic else self.episodes
        rng = torch.Generator().manual_seed(self.seed)
        state, nodes = walks.begin(number), torch.full((number,), walks.start)
        chosen = []
        for step in range(walks.horizon):
            actions = rule(step, nodes, state)
            chosen.append(actions)
            if not deterministic:
                actions = torch.multinomial(walks.executed[nodes, actions], 1, generator=rng)[:, 0]
            nodes = walks.successors[nodes, actions]
            walks.function.advance(state, nodes)
        if deterministic:
            return {"status": "heuristic", **walk(walks, torch.cat(chosen).numpy())}
        values = walks.scalar(state["value"])
        return {"status": "heuristic", "value": float(values.mean()), "standard_error": float(values.std()) / number**0.5}
