"""Check an archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from morl.archives import Archive, ArchiveEntry, Status
from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import dominates
from morl.seeding import stream
from morl.testing.requirement import require, require_error


def check_archive(archive: Archive, *, num_objectives: int = 2, seed: int = 0) -> None:
    """Check that an archive keeps the contract of :class:`morl.archives.Archive`.

    Args:
        archive: What to check; it is left as it is, copies of its configuration are filled.
        num_objectives: ``m``.
        seed: Of the values it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.archives import ParetoArchive
        >>> check_archive(ParetoArchive())
    """
    before = archive.entries
    filled = archive.fresh()
    require(len(filled) == 0 and filled is not archive, "fresh() must return another, empty archive")
    values = stream(seed, "check_archive").normal(size=(30, num_objectives)).round(1)
    made: list[int] = []

    def entry(index: int, **changes: Any) -> ArchiveEntry:
        def snapshot() -> None:
            made.append(index)

        v = values[index]
        given = ArchiveEntry(
            values=v,
            standard_errors=np.zeros_like(v),
            undiscounted=v,
            weights=None,
            policy=snapshot,
            env_steps=index,
            member=index,
            episodes=1,
            gamma=0.99,
            deterministic=True,
        )
        return replace(given, **changes)

    offered = [entry(i) for i in range(len(values))]
    statuses = filled.add(offered[:20]) + filled.add(offered[20:])
    require(len(statuses) == len(values), "add() must say what became of every entry")
    require(
        made == [i for i, status in enumerate(statuses) if status is Status.ADDED],
        "policies are made for accepted entries only",
    )
    require({e.member for e in filled} <= set(made), "an entry is stored that was not accepted")
    front = filled.values
    require(not dominates(front[:, None], front[None]).any(), "a stored entry dominates another")
    require(len(np.unique(front, axis=0)) == len(front), "two stored entries have the same values")
    again = filled.add([replace(e, policy=None) for e in filled])
    require(all(status is Status.DUPLICATE for status in again), "what is stored already is a duplicate")
    require(
        bool(filled.best(lambda v: v[:, 0]).values[0] == front[:, 0].max()), "best() must return the entry of highest utility"
    )
    copy = filled.fresh()
    copy.load_state(filled.state())
    same = [(a.values == b.values).all() and a.member == b.member for a, b in zip(filled, copy, strict=True)]
    require(all(same), "load_state(state()) must restore the same entries in the same order")
    for change in ({"gamma": 0.5}, {"episodes": 2}, {"deterministic": False}):
        mixed = entry(0, **change)
        require_error(ConfigurationError, lambda offered=mixed: filled.add([offered]), f"another estimator ({change})")  # type: ignore[misc]
    longer = np.zeros(num_objectives + 1)
    wrong = entry(0, values=longer, standard_errors=longer, undiscounted=longer)
    require_error(ShapeError, lambda: filled.add([wrong]), "another number of objectives")
    require(archive.entries == before, "checking must not change the archive")
