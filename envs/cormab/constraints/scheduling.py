"""Arms that need two visits, by workers who meet them in time slots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arguments import whole
from envs.arrays import Flags, Integers
from envs.cormab.constraints.base import Actions, DownwardClosed
from envs.cormab.constraints.counts import CountMemo, Counts, indicator
from envs.cormab.constraints.rows import LinearRows, RowBuilder

_VISITS = 2


@dataclass(frozen=True, eq=False)
class Scheduling(DownwardClosed):
    """Each arm that is pulled is visited twice; a worker makes one visit per slot, in which both are free.

    With ``distinct_workers`` the two visits are made by different workers, perhaps in different slots. At most ``budget``
    arms are pulled.

    Feasibility depends only on how many arms with the same free slots are pulled, and workers with the same free slots need
    not be told apart: if a group of ``q`` equal workers makes, in total, at most ``q`` visits per slot, and at most ``q n``
    to ``n`` equal arms, the visits can be shared out among them, because the matrix of one worker's visits is totally
    unimodular; and ``2 n`` visits to ``n`` equal arms, at most ``n`` by each worker, can be paired so that each arm meets two
    workers. What remains is a flow through few nodes.
    """

    arm_slots: Flags
    """In which slots each arm is free, ``(J, Z)``."""
    worker_slots: Flags
    """In which slots each worker is free, ``(W, Z)``."""
    budget: int
    """Most arms that may be pulled."""
    distinct_workers: bool = True
    """Whether the two visits to an arm are made by two workers."""

    def __post_init__(self) -> None:
        for name in ("arm_slots", "worker_slots"):
            given = np.asarray(getattr(self, name))
            if given.ndim != 2 or not np.isin(given, (0, 1)).all():
                raise ValueError(f"{name} has shape {given.shape}; expected a matrix of zeros and ones, one row each")
            object.__setattr__(self, name, given.astype(np.bool_))
        if self.arm_slots.shape[1] != self.worker_slots.shape[1] or not self.arm_slots.size:
            raise ValueError(
                f"arm_slots has shape {self.arm_slots.shape} and worker_slots {self.worker_slots.shape}; "
                "expected the same number of slots, and at least one arm and slot"
            )
        object.__setattr__(self, "budget", whole("budget", self.budget, least=0))

    @property
    def num_actions(self) -> int:
        """Number of arms, ``J``."""
        return int(self.arm_slots.shape[0])

    @cached_property
    def _groups(self) -> tuple[Flags, Integers, Flags, Integers]:
        """Kinds of arms ``(t, Z)``, the kind of each arm, kinds of workers ``(f, Z)``, and how many workers of each."""
        arms, types = np.unique(self.arm_slots, axis=0, return_inverse=True)
        workers, numbers = np.unique(self.worker_slots, axis=0, return_counts=True)
        return arms, types.reshape(-1), workers, numbers

    @cached_property
    def _indicator(self) -> npt.NDArray[np.float32]:
        arms, types, _, _ = self._groups
        return indicator(types, len(arms))

    def rows(self) -> LinearRows:
        """Visits by each kind of worker to each kind of arm in each slot; whole numbers come out by themselves."""
        return self._rows

    @cached_property
    def _rows(self) -> LinearRows:
        arms, types, workers, numbers = self._groups
        builder = RowBuilder(self.num_actions)
        builder.entries(builder.rows(-np.inf, self.budget, 1), np.arange(self.num_actions), 1.0)
        arm, worker, slot = np.nonzero(arms[:, None] & workers)
        visits = builder.variables(numbers[worker], integer=False)
        enough = builder.rows(0.0, 0.0, len(arms))
        builder.entries(enough[arm], visits, 1.0)
        builder.entries(enough[types], np.arange(self.num_actions), -float(_VISITS))
        free, place = np.unique(np.stack([worker, slot]), axis=1, return_inverse=True)
        builder.entries(builder.rows(-np.inf, numbers[free[0]], free.shape[1])[place.reshape(-1)], visits, 1.0)
        if self.distinct_workers:
            pairs, place = np.unique(np.stack([arm, worker]), axis=1, return_inverse=True)
            several = builder.rows(-np.inf, 0.0, pairs.shape[1])
            builder.entries(several[place.reshape(-1)], visits, 1.0)
            pair, member = np.nonzero(pairs[0][:, None] == types)
            builder.entries(several[pair], member, -numbers[pairs[1][pair]])
        return builder.build()

    @cached_property
    def _network(self) -> tuple[Any, Integers, Integers]:
        """The flow: capacities as a sparse matrix, the kind of arm whose count scales each entry (-1: none), the entries."""
        from scipy.sparse import csr_array

        arms, _, workers, numbers = self._groups
        t, f, slots = len(arms), len(workers), self.arm_slots.shape[1]
        # Nodes: source, kinds of arms, pairs of kinds, kinds of workers in slots, sink.
        pair = 1 + t + np.arange(t * f).reshape(t, f)
        visit = 1 + t + t * f + np.arange(f * slots).reshape(f, slots)
        sink = 1 + t + t * f + f * slots
        arm, worker, slot = np.nonzero(arms[:, None] & workers)
        tau, phi = (index.ravel() for index in np.indices((t, f)))
        w, z = np.nonzero(workers)
        plenty = _VISITS * self.num_actions + int(numbers.sum()) * slots
        alike = np.full(t * f, plenty) if not self.distinct_workers else numbers[phi]
        start = np.concatenate([np.zeros(t, np.int64), 1 + tau, pair[arm, worker], visit[w, z]])
        end = np.concatenate([1 + np.arange(t), pair[tau, phi], visit[worker, slot], np.full(w.size, sink)])
        size = np.concatenate([np.full(t, _VISITS), alike, np.full(arm.size, plenty), numbers[w]])
        scaled = np.concatenate(
            [np.arange(t), tau if self.distinct_workers else np.full(t * f, -1), np.full(arm.size + w.size, -1)]
        )
        order = np.lexsort((end, start))
        matrix = csr_array((size[order].astype(np.int32), (start[order], end[order])), shape=(sink + 1, sink + 1))
        return matrix, scaled[order], size[order]

    def _decide(self, counts: Counts) -> bool:
        from scipy.sparse.csgraph import maximum_flow

        matrix, scaled, size = self._network
        matrix = matrix.copy()
        matrix.data = (size * np.where(scaled < 0, 1, counts[scaled])).astype(np.int32)
        return bool(maximum_flow(matrix, 0, matrix.shape[0] - 1).flow_value == _VISITS * counts.sum())

    def _assignment(self, action: Flags) -> list[dict[str, int]]:
        """Every visit: the arm, the worker and the slot."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import maximum_flow

        pulled = np.flatnonzero(action)
        count, (workers, slots) = pulled.size, self.worker_slots.shape
        # A flow through all arms and workers one by one: source, arms, pairs of arm and worker, workers in slots, sink.
        pair = 1 + count + np.arange(count * workers).reshape(count, workers)
        busy = 1 + count + count * workers + np.arange(workers * slots).reshape(workers, slots)
        sink = 1 + count + count * workers + workers * slots
        arm, worker, slot = np.nonzero(self.arm_slots[pulled][:, None] & self.worker_slots)
        start = [np.zeros(count, np.int64), np.repeat(1 + np.arange(count), workers), pair[arm, worker], busy.ravel()]
        end = [1 + np.arange(count), pair.ravel(), busy[worker, slot], np.full(busy.size, sink)]
        most = [_VISITS, 1 if self.distinct_workers else _VISITS, 1, 1]
        size = np.concatenate([np.full(part.size, number, np.int32) for part, number in zip(start, most, strict=True)])
        graph = csr_array((size, (np.concatenate(start), np.concatenate(end))), shape=(sink + 1, sink + 1))
        flow = maximum_flow(graph, 0, sink).flow.tocoo()
        made = (flow.data > 0) & (flow.row > count) & (flow.row <= count + pair.size)
        arms, (who, when) = (
            pulled[(flow.row[made] - 1 - count) // workers],
            divmod(flow.col[made] - 1 - count - pair.size, slots),
        )
        visits = sorted(zip(arms.tolist(), when.tolist(), who.tolist(), strict=True))
        return [{"arm": arm, "worker": worker, "slot": slot} for arm, slot, worker in visits]

    @cached_property
    def _memo(self) -> CountMemo:
        return CountMemo(self._decide)

    def _contains(self, actions: Actions) -> Flags:
        counts = (actions.astype(np.float32) @ self._indicator).astype(np.int64)
        within: Flags = counts.sum(axis=1) <= self.budget
        within[within] = self._memo(counts[within])
        return within
