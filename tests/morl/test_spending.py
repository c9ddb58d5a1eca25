"""The one loop that spends budgets."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from morl.spending import spend


class _Rounds:
    """Rounds of given lengths, in turn; finished after some of them."""

    def __init__(self, lengths: list[int], last: int | None = None) -> None:
        self.lengths, self.last, self.taken = lengths, last, []
        self.done = 0

    @property
    def is_finished(self) -> bool:
        return self.last is not None and len(self.taken) >= self.last

    def next_round(self, members: Sequence[int] | None = None) -> int:
        return self.lengths[len(self.taken) % len(self.lengths)]

    def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
        steps = min(budget, self.next_round())
        self.taken.append(steps)
        return {"search" if steps % 2 else "training": steps, "evaluation": 7}


lengths = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(lengths, st.integers(1, 60))
def test_whole_rounds_as_many_as_fit_and_a_part_only_of_the_first(lengths: list[int], budget: int) -> None:
    rounds = _Rounds(lengths)
    account = spend(rounds, budget)
    assert account["evaluation"] == 7 * len(rounds.taken)
    total = account.get("training", 0) + account.get("search", 0)
    assert total == sum(rounds.taken) <= budget
    if budget < lengths[0]:
        assert rounds.taken == [budget]
    else:
        assert rounds.taken == [lengths[k % len(lengths)] for k in range(len(rounds.taken))]
        assert rounds.next_round() > budget - total


@given(lengths, st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_pieces_of_whole_rounds_make_the_whole(lengths: list[int], pieces: list[int]) -> None:
    whole, parts = _Rounds(lengths), _Rounds(lengths)
    left = total = sum(lengths) * 3
    for extra in pieces:
        if left >= parts.next_round():
            account = spend(parts, min(left, parts.next_round() + extra))
            left -= account.get("training", 0) + account.get("search", 0)
    if left >= parts.next_round():
        spend(parts, left)
    spend(whole, total)
    assert parts.taken == whole.taken


def test_who_comes_to_an_end_spends_no_more_and_nothing_is_no_round() -> None:
    ending = _Rounds([3], last=2)
    assert sum(spend(ending, 100).values()) - 14 == 6
    assert len(ending.taken) == 2
    spend(ending, 7)  # once at the end, it goes on if it is asked to
    assert len(ending.taken) == 4

    class Nothing(_Rounds):
        def round(self, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
            return {"training": 0}

    assert spend(Nothing([1]), 5) == {"training": 0}
