"""What learners share that take one step on a batch of whole episodes: rows wait for each other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.members import Change, Owns, PerRow, Store
from morl.population import PopulationLearner
from morl.protocols import Payload, Rows
from morl.stores import Rollout
from morl.transfer import Transfers


class WholeEpisodes(Transfers, PopulationLearner):
    """A population each of whose members plays a batch of whole episodes with one policy, one per row, and then takes a step.

    A row that finished its episode waits until those of everybody who takes part have. A batch that is not complete is given up
    when the policy that made it is gone.
    """

    owns: Owns = (PerRow("waiting"), Store("rollout"))

    solver: Any
    rollout: Rollout
    """Steps of the present batch."""
    waiting: npt.NDArray[np.bool_]
    """Whose episode of the batch has ended, ``(R,)``."""

    @abstractmethod
    def _update(self, members: list[int]) -> None:
        """One step of some members on their complete batches."""

    def _forget(self, rows: Rows, members: list[int]) -> None:
        """Start the next batch of some members."""
        del members
        self.rollout.clear(rows)
        self.waiting[rows] = False

    def _ready(self, rows: Rows) -> Rows:
        # If nobody is left, the batch is complete: it is learnt from before the round, in which all rows then take part.
        running = rows[~self.waiting[rows]]
        return running if len(running) else rows

    def _round(self, rows: Rows) -> None:
        # Members may have waited for somebody who does not take part any more.
        self._learn_from_complete_batch()
        super()._round(rows)

    def _improve(self, members: Rows, steps: Rows) -> None:
        del members, steps
        self._learn_from_complete_batch()

    def _learn_from_complete_batch(self) -> None:
        """One step of everybody who takes part, once all their episodes have ended."""
        rows = self._participants
        if not self.waiting[rows].all():
            return
        members = np.unique(self.row_member[rows]).tolist()
        self._update(members)
        self._forget(rows, members)

    def _before_first_update(self) -> str:
        return (
            f"{type(self.solver).__name__} learns when the episodes of all its {len(self.waiting)} rows have ended; "
            f"{int(self.waiting.sum())} have, and the longest is at step {int(self.rollout.lengths.max()):,}; give the "
            "environment a time limit (max_episode_steps), lower rows_per_member, or raise env_steps"
        )

    def move(self, source: int, target: int, *, tau: float, payload: Payload = "actor") -> None:
        """See :meth:`morl.transfer.Transfers.move`; the unfinished batch is given up."""
        super().move(source, target, tau=tau, payload=payload)
        if tau > 0:
            self._give_up([target])

    def _reindexed(self, change: Change) -> None:
        self._give_up(range(self.n))

    def _give_up(self, members: Sequence[int]) -> None:
        rows = self.rows_of(members)
        self._forget(rows, list(members))
        self.ended[rows] = True
