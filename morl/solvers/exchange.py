"""MORL/D's exchanges: whose turn it is, what members pass on to each other, and what is known of them for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from morl.cooperation import Cooperation, require_cooperation
from morl.cooperation.neighbourhood import Neighbourhood
from morl.evaluation import Evaluated
from morl.evaluation.record import own_utilities
from morl.protocols import Learner, Solver, State
from morl.selection import Selection, Standing
from morl.task import Utility

Array = npt.NDArray[np.float64]


class Exchange:
    """The members as individuals with turns, ages and successes, and how they cooperate."""

    def __init__(
        self,
        inner: Learner,
        *,
        solver: Solver,
        selection: Selection,
        neighbourhood: Neighbourhood,
        cooperation: Sequence[Cooperation],
    ) -> None:
        """Begin with a population that is new.

        Args:
            inner: The members.
            solver: What they were made of, for messages.
            selection: Whose turn it is.
            neighbourhood: Who cooperates with whom.
            cooperation: How.

        Raises:
            CapabilityError: The members cannot cooperate in this way.
            ConfigurationError: They are too few for the neighbourhood.
        """
        self.inner, self.selection, self.neighbourhood, self.cooperation = inner, selection, neighbourhood, cooperation
        # What cannot work is found now, not at the first exchange.
        for mechanism in cooperation:
            require_cooperation(mechanism, solver, inner)
        if cooperation and inner.n > 1:
            neighbourhood(inner.task.utility.weights.cpu().numpy())
        self._begin()
        self.turn: list[int] = []
        self.choose(0, None)

    def _begin(self) -> None:
        n = self.inner.n
        self.born = np.zeros(n, dtype=np.int64)
        """Exchange at which each member became an individual of its own, ``(n,)``."""
        self.utilities, self.gains = (np.full(n, np.nan) for _ in range(2))
        """Of each member at the latest evaluation, and their growth since the one before, ``(n,)``."""

    def choose(self, exchanges: int, found: Evaluated | None) -> None:
        """Pass the turn on.

        Args:
            exchanges: How many there were.
            found: What the latest evaluation found of the members; None before the first one.
        """
        weights = self.inner.task.utility.weights.cpu().numpy().astype(np.float64)
        values = np.full_like(weights, np.nan) if found is None else found.values
        self.turn = self.selection(
            Standing(turn=exchanges, weights=weights, values=values, ages=exchanges - self.born, gains=self.gains)
        )

    def note(self, utility: Utility, found: Evaluated) -> None:
        """Take note of an evaluation of the members, by what they maximise."""
        before, self.utilities = self.utilities, own_utilities(utility, found).double().numpy()
        self.gains = self.utilities - before

    def cooperate(self, exchanges: int, found: Evaluated) -> None:
        """Let those whose turn it is pass on what the mechanisms pass on; arguments of :meth:`choose`."""
        if not self.cooperation or self.inner.n < 2:
            return
        neighbours = self.neighbourhood(found.weights)
        for mechanism in self.cooperation:
            for source in self.turn:
                mechanism.exchange(self.inner, source=source, exchanges=exchanges, neighbours=neighbours)

    def reindex(self, source: Sequence[int], fresh: Sequence[bool], exchanges: int) -> None:
        """Follow a change of the population: copies inherit what is known of a member."""
        index, new = list(source), np.asarray(fresh)
        self.born = np.where(new, exchanges, self.born[index])
        self.utilities, self.gains = self.utilities[index], np.where(new, np.nan, self.gains[index])

    def state(self) -> State:
        """Everything needed to go on exactly."""
        return {
            "turn": list(self.turn),
            **{name: torch.from_numpy(getattr(self, name).copy()) for name in ("born", "utilities", "gains")},
        }

    def load_state(self, state: State, exchanges: int, found: Evaluated | None) -> None:
        """Restore :meth:`state`, for a population that is restored already; further arguments as in :meth:`choose`."""
        self._begin()
        if "turn" in state:
            self.turn = list(state["turn"])
            self.born, self.utilities, self.gains = (state[name].numpy().copy() for name in ("born", "utilities", "gains"))
        else:  # written before members had ages
            self.choose(exchanges, found)
