"""The floor: nobody goes without a turn for too long, whatever a rule prefers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from morl.selection.standing import Standing

FLOOR = 3
"""A member has at least one turn in this many times ``n`` turns."""


def with_floor(chosen: Sequence[int], standing: Standing) -> list[int]:
    r"""Give a place to the member that has waited longest, if nobody else's waiting can be afforded any more.

    A member must have its turn before it has waited :math:`3n` turns. With one place per turn, these deadlines can all be met
    as long as the ``j``-th most urgent one (from 0) is more than ``j`` turns away; when one is not, the most urgent member goes
    first, as *earliest deadline first* schedules. A rule without a floor forgets members for good: who never learns never
    grows, and who does not grow is not chosen.

    Args:
        chosen: What the rule prefers, best first.
        standing: Of the members.

    Returns:
        As many members; the last one may have had to give way.

    Example:
        >>> from dataclasses import replace
        >>> weights, none = np.full((2, 2), 0.5), np.full(2, np.nan)
        >>> standing = Standing(
        ...     turn=5,
        ...     weights=weights,
        ...     values=weights,
        ...     ages=np.full(2, 5),
        ...     gains=none,
        ...     growth=none,
        ...     waiting=np.array([0, 5]),
        ...     seed=0,
        ... )
        >>> with_floor([0], standing), with_floor([0], replace(standing, waiting=np.array([0, 4])))
        ([1], [0])
    """
    n = standing.num_members
    left = FLOOR * n - 1 - standing.waiting
    order = np.argsort(left, kind="stable")
    urgent = int(order[0])
    if (left[order] > np.arange(n)).all() or urgent in chosen:
        return list(chosen)
    return [*chosen[:-1], urgent]
