"""Selection rules."""

from __future__ import annotations

import numpy as np

from morl.selection import RoundRobin, Standing


def test_round_robin_gives_everybody_equally_many_turns() -> None:
    def standing(turn: int) -> Standing:
        weights, numbers = np.full((4, 2), 0.5), np.zeros(4)
        return Standing(turn=turn, weights=weights, values=weights, ages=numbers.astype(np.int64), gains=numbers)

    turns = [RoundRobin()(standing(turn)) for turn in range(12)]
    assert turns[:5] == [[0], [1], [2], [3], [0]]
    assert sorted(member for turn in turns for member in turn) == sorted(list(range(4)) * 3)
