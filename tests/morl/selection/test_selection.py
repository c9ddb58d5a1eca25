"""Selection rules."""

from __future__ import annotations

from morl.selection import RoundRobin


def test_round_robin_gives_everybody_equally_many_turns() -> None:
    turns = [RoundRobin()(turn, 4) for turn in range(12)]
    assert turns[:5] == [[0], [1], [2], [3], [0]]
    assert sorted(member for turn in turns for member in turn) == sorted(list(range(4)) * 3)
