"""Sharing the members of a population among computing threads.

Members have nothing in common during an update, so each thread takes some of them and computes them alone, from the first
product to the last: threads meet once per update instead of once per tensor operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import torch

Work = Callable[[int, slice], None]
"""Does the work of some members, a slice of those that were handed over; the first argument numbers the part."""


class MemberThreads:
    """As many threads as torch may use when this is made; every one of them computes its operations by itself."""

    def __init__(self) -> None:
        """Note the number of threads; they start when they are first needed."""
        self.count = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, work: Work, members: int) -> None:
        """Do the work of all members, in parts of nearly equal size; with one thread or member, right here.

        Args:
            work: Must touch nothing that belongs to members outside its slice.
            members: How many there are.

        Raises:
            BaseException: What any part of the work raised.
        """
        parts = min(self.count, members)
        if parts <= 1:
            work(0, slice(0, members))
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.count - 1, "members", initializer=torch.set_num_threads, initargs=(1,))
        bounds = [members * part // parts for part in range(parts + 1)]
        slices = [slice(a, b) for a, b in pairwise(bounds)]
        with self.alone(members):
            others: list[Future[None]] = [self._pool.submit(work, part, slices[part]) for part in range(1, parts)]
            try:
                work(0, slices[0])
            finally:
                # Nobody goes on while a part is still writing.
                failures = [other.exception() for other in others]
        for failure in failures:
            if failure is not None:
                raise failure

    @contextmanager
    def alone(self, members: int) -> Iterator[None]:
        """Let this thread compute alone inside, if the work of ``members`` is going to be shared.

        The library of matrix products knows one number of threads for the whole process; and threads that wait for their
        share of an operation keep a processor busy.
        """
        before = torch.get_num_threads()
        if min(self.count, members) > 1:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
