"""Check a rule that says when members pass something on."""

from __future__ import annotations

import numpy as np

from morl.cooperation import Meeting
from morl.cooperation.trigger import Trigger
from morl.seeding import stream
from morl.testing.requirement import require


def check_trigger(trigger: Trigger, *, num_members: int = 5, seed: int = 0) -> None:
    """Check that a rule keeps the contract of :class:`morl.cooperation.trigger.Trigger`.

    Args:
        trigger: What to check.
        num_members: Size of the population that it is tried on.
        seed: Of what is known of it.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.cooperation.trigger import Periodic
        >>> check_trigger(Periodic(every=3))
    """
    n, fired = num_members, 0
    neighbours = np.array([[j for j in range(n) if j != i] for i in range(n)])
    for exchange in range(10 * n):
        rng = stream(seed, "check_trigger", 0, exchange)
        meeting = Meeting(
            source=exchange % n, exchanges=exchange, neighbours=neighbours, utilities=rng.normal(size=n),
            offered=rng.normal(size=n), passed=float("nan") if exchange < n else float(rng.normal()),
        )  # fmt: skip
        for target in neighbours[meeting.source].tolist():
            said = trigger(meeting, target)
            require(type(said) is bool, f"exchange {exchange}: expected True or False, got {said!r}")
            require(
                trigger(meeting, target) is said, f"exchange {exchange}: the same meeting gave another answer; keep no state"
            )
            fired += said
    require(fired > 0, f"it never fired in {10 * n} exchanges of {n} members")
