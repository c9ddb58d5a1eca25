"""MORL/D's exchanges: whose turn it is, what members pass on to each other, and what is known of them for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from morl.cooperation import Cooperation, Meeting, require_cooperation
from morl.cooperation.neighbourhood import Measured, Neighbourhood
from morl.errors import CapabilityError
from morl.evaluation import Evaluated
from morl.evaluation.record import own_utilities
from morl.protocols import Learner, Solver, State
from morl.selection import Selection, Standing, UsesGrowth
from morl.selection.growth import hypervolume_growth
from morl.task import Utility

Array = npt.NDArray[np.float64]

GROWTH_SMOOTHING = 0.5
"""Share of the latest turn in what is known of a member's growth."""


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
        seed: int,
    ) -> None:
        """Begin with a population that is new.

        Args:
            inner: The members.
            solver: What they were made of, for messages.
            selection: Whose turn it is.
            neighbourhood: Who cooperates with whom.
            cooperation: How.
            seed: Of the run.

        Raises:
            CapabilityError: The members cannot cooperate in this way.
            ConfigurationError: They are too few for the neighbourhood.
        """
        self.inner, self.selection, self.neighbourhood, self.cooperation = inner, selection, neighbourhood, cooperation
        self.seed = seed
        self.uses_growth = isinstance(selection, UsesGrowth) and selection.uses_growth
        # What cannot work is found now, not at the first exchange.
        for mechanism in cooperation:
            require_cooperation(mechanism, solver, inner)
        if cooperation and inner.n > 1:
            neighbourhood(self._positions(None))
        self._begin()
        self.turn: list[int] = []
        self.choose(0, None)

    def _begin(self) -> None:
        n = self.inner.n
        self.born, self.waiting = (np.zeros(n, dtype=np.int64) for _ in range(2))
        """Exchange at which each member became an individual of its own; turns since it had one, ``(n,)``."""
        self.utilities, self.gains = (np.full(n, np.nan) for _ in range(2))
        """Of each member at the latest evaluation, and their growth since the one before, ``(n,)``."""
        self.growth = np.full(n, np.nan)
        """What each member's training adds to the hypervolume; see :class:`morl.selection.Standing`."""
        self.passed = np.full((len(self.cooperation), n), np.nan)
        """Own utility of each member when it last passed something on by each mechanism, ``(M, n)``."""

    def choose(self, exchanges: int, found: Evaluated | None) -> None:
        """Pass the turn on.

        Args:
            exchanges: How many there were.
            found: What the latest evaluation found of the members; None before the first one.
        """
        weights = self._weights()
        self.turn = self.selection(
            Standing(
                turn=exchanges, weights=weights, values=np.full_like(weights, np.nan) if found is None else found.values,
                ages=exchanges - self.born, gains=self.gains, growth=self.growth, waiting=self.waiting, seed=self.seed,
            )
        )  # fmt: skip

    def note(self, utility: Utility, found: Evaluated, before: Evaluated | None, trained: Sequence[int] | None) -> None:
        """Take note of an evaluation of the members.

        Args:
            utility: What they maximise.
            found: What it found.
            before: What the evaluation before found of the same members; None if there was none.
            trained: Who was trained between the two; None for everybody.
        """
        earlier, self.utilities = self.utilities, own_utilities(utility, found).double().numpy()
        self.gains = self.utilities - earlier
        if not self.uses_growth or before is None:
            return
        members = np.arange(self.inner.n) if trained is None else np.asarray(trained)
        steps = (found.env_steps - before.env_steps) / len(members)
        if steps <= 0:
            return
        latest, known = hypervolume_growth(before.values, found.values)[members] / steps, self.growth[members]
        smoothed = GROWTH_SMOOTHING * latest + (1 - GROWTH_SMOOTHING) * known
        self.growth[members] = np.where(np.isnan(known), latest, smoothed)

    def conclude(self, exchanges: int, utility: Utility, found: Evaluated) -> None:
        """End a turn: those who had it pass on what the mechanisms pass on.

        Args:
            exchanges: How many exchanges there were before this one.
            utility: What the members maximise.
            found: What the latest evaluation found of them.
        """
        self.waiting += 1
        self.waiting[self.turn] = 0
        if not self.cooperation or self.inner.n < 2:
            return
        neighbours = self.neighbourhood(self._positions(found))
        # Anew, for the reference may have moved since.
        own = own_utilities(utility, found).double().numpy()
        for k, mechanism in enumerate(self.cooperation):
            for source in self.turn:
                offered = found.select([source] * self.inner.n)
                meeting = Meeting(
                    source=source, exchanges=exchanges, neighbours=neighbours, utilities=own,
                    offered=own_utilities(utility, offered).double().numpy(), passed=float(self.passed[k, source]),
                )  # fmt: skip
                if mechanism.exchange(self.inner, meeting):
                    self.passed[k, source] = own[source]

    def reindex(self, source: Sequence[int], fresh: Sequence[bool], exchanges: int) -> None:
        """Follow a change of the population: copies inherit what is known of a member, new individuals its utility only."""
        index, new = list(source), np.asarray(fresh)
        self.born = np.where(new, exchanges, self.born[index])
        self.waiting = np.where(new, 0, self.waiting[index])
        self.utilities = self.utilities[index]
        self.gains, self.growth = (np.where(new, np.nan, known[index]) for known in (self.gains, self.growth))
        self.passed = np.where(new, np.nan, self.passed[:, index])

    def _weights(self) -> Array:
        weights: Array = self.inner.task.utility.weights.cpu().numpy().astype(np.float64)
        return weights

    def _positions(self, found: Evaluated | None) -> Array:
        """Where the members are, for the neighbourhood, ``(n, d)``; values need an evaluation."""
        by = self.neighbourhood.by if isinstance(self.neighbourhood, Measured) else "weights"
        if by == "parameters":
            return self._parameters()
        if found is None:
            return self._weights()
        if by == "weights":
            return found.weights
        span = np.ptp(found.values, axis=0)
        scaled: Array = found.values / np.where(span > 0, span, 1.0)
        return scaled

    def _parameters(self) -> Array:
        policies = self.inner.policies()
        if len(policies) != self.inner.n:
            raise CapabilityError(
                f"the {self.inner.n} members have {len(policies)} network(s): nobody is nearer by parameters; set by: weights "
                f"of {type(self.neighbourhood).__name__}"
            )
        flat = [torch.cat([tensor.double().flatten() for tensor in policy.tensors().values()]) for policy in policies]
        parameters: Array = torch.stack(flat).cpu().numpy()
        return parameters

    def state(self) -> State:
        """Everything needed to go on exactly."""
        return {"turn": list(self.turn), **{name: torch.from_numpy(getattr(self, name).copy()) for name in _KNOWN}}

    def load_state(self, state: State, exchanges: int, found: Evaluated | None) -> None:
        """Restore :meth:`state`, for a population that is restored already; further arguments as in :meth:`choose`."""
        self._begin()
        for name in _KNOWN:
            if name in state:  # some are younger than the first runs
                setattr(self, name, state[name].numpy().copy())
        if "turn" in state:
            self.turn = list(state["turn"])
        else:
            self.choose(exchanges, found)


_KNOWN = ("born", "waiting", "utilities", "gains", "growth", "passed")
