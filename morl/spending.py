"""How a budget is spent: whole rounds, as many as fit; less than one round is spent in part.

Budgets count environment steps; of a learner that learns from data and has no environment, updates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from morl.errors import ConfigurationError


class TakesRounds(Protocol):
    """Something that works in indivisible rounds."""

    @property
    def is_finished(self) -> bool:
        """Whether it came to its own end."""
        ...

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round."""
        ...

    def round(self, budget: int, members: Sequence[int] | None = None) -> Mapping[str, int]:
        """Take the next round; one of more steps than ``budget`` in part, so that exactly these are spent."""
        ...


def spend(learner: TakesRounds, budget: int, members: Sequence[int] | None = None) -> dict[str, int]:
    """Spend a budget; see :meth:`morl.protocols.Learner.learn`.

    Args:
        learner: Who takes the rounds. Coming to its own end ends the spending.
        budget: Environment steps, ``>= 1``.
        members: Who takes part; None for everybody.

    Returns:
        Environment steps spent, by purpose.
    """
    was_finished, left = learner.is_finished, budget
    account: dict[str, int] = {}
    while left > 0:
        if left < budget and (learner.next_round(members) > left or learner.is_finished > was_finished):
            break
        spent = learner.round(left, members)
        for purpose, steps in spent.items():
            account[purpose] = account.get(purpose, 0) + steps
        used = spent.get("training", 0) + spent.get("search", 0)
        if not used:  # a round that takes nothing would be taken forever
            break
        left -= used
    return account


def checked_members(members: Sequence[int] | None, n: int) -> list[int] | None:
    """Members in increasing order, each once; None for all.

    Args:
        members: Indices; None for all.
        n: Number of members.

    Raises:
        ConfigurationError: There is no such member.
    """
    if members is None:
        return None
    chosen = sorted({int(i) for i in members})
    if not chosen or chosen[0] < 0 or chosen[-1] >= n:
        raise ConfigurationError(f"members must name some of the {n} members, 0 to {n - 1}; found {list(members)}")
    return chosen
