"""Playing rules that look where they are before every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from morl.planners.planner import Walks, walk

Rule = Callable[[int, Tensor, dict[str, Tensor]], Tensor]
"""Actions ``(E,)`` for the step number, the nodes ``(E,)`` and the sets of visits so far."""


def play(walks: Walks, rule: Rule, *, episodes: int, seed: int) -> dict[str, Any]:
    """Play a rule: once in a deterministic world, ``episodes`` times in one that slips.

    Args:
        walks: The world.
        rule: Chooses the actions.
        episodes: ``E``, at least 2.
        seed: Of the slips.

    Returns:
        Fields of the plan.
    """
    deterministic = walks.is_deterministic
    number = 1 if deterministic else episodes
    rng = torch.Generator().manual_seed(seed)
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
