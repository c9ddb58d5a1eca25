"""What a population has seen of its world: the outcomes of every state and action, how often, and the way to what is new."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from envs.tabular.tables import Tables
from morl.protocols import State

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_UNKNOWN = -1


class ObservedModel:
    """Counts of what followed every state and action; states are numbered in the order in which they were met."""

    def __init__(self, num_states: int, num_actions: int, num_objectives: int) -> None:
        """Begin without any knowledge.

        Args:
            num_states: Of the world.
            num_actions: ``A``.
            num_objectives: ``m``.
        """
        self.m = num_objectives
        self._number = np.full(num_states, _UNKNOWN, dtype=np.int64)
        self.states: Indices = np.zeros(0, np.int64)
        """States that were met, as the world numbers them, ``(k,)``."""
        self.tries: Indices = np.zeros((0, num_actions), np.int64)
        """How often every action was taken, ``(k, A)``."""
        self.begins: Indices = np.zeros(0, np.int64)
        """How often an episode began there, ``(k,)``."""
        self._counts: dict[bytes, int] = {}
        """How often each outcome was seen: state, action, next state, whether the episode ended, rewards."""
        self._outcomes: Array | None = None

    # ------------------------------------------------------------------ what happens in the world

    def meet(self, states: Indices) -> Indices:
        """Number states ``(r,)`` by the order in which they were met, ``(r,)``; new ones are added."""
        new = np.unique(states[self._number[states] == _UNKNOWN])
        if len(new):
            self._number[new] = len(self.states) + np.arange(len(new))
            self.states = np.concatenate([self.states, new])
            grown = np.zeros((len(new), self.tries.shape[1]), np.int64)
            self.tries, self.begins = np.concatenate([self.tries, grown]), np.concatenate([self.begins, grown[:, 0]])
        return self._number[states]

    def begin(self, states: Indices) -> None:
        """Note states ``(r,)`` in which episodes begin."""
        numbers = self.meet(states)
        np.add.at(self.begins, numbers, 1)

    def record(
        self, states: Indices, actions: Indices, rewards: Array, following: Indices, ends: npt.NDArray[np.bool_]
    ) -> None:
        """Note steps.

        Args:
            states: Where, ``(r,)``.
            actions: What was done, ``(r,)``.
            rewards: ``(r, m)``.
            following: Next states, ``(r,)``; means nothing where the episode ended.
            ends: Whose episode ended by itself, ``(r,)``.
        """
        here = self.meet(states)
        after = here.copy()
        after[~ends] = self.meet(following[~ends])
        np.add.at(self.tries, (here, actions), 1)
        # A look-up for each row costs less than to sort all outcomes again.
        for outcome in np.c_[here, actions, after, ends, rewards].astype(np.float64):
            key = outcome.tobytes()
            if key not in self._counts:
                self._counts[key], self._outcomes = 0, None
            self._counts[key] += 1

    # ------------------------------------------------------------------ what it says

    @property
    def outcomes(self) -> Array:
        """Every outcome that was seen, ``(o, 4 + m)``: state and next state by number, action, end, rewards."""
        if self._outcomes is None:
            self._outcomes = np.frombuffer(b"".join(self._counts), np.float64).reshape(-1, 4 + self.m)
        return self._outcomes

    @property
    def least_tries(self) -> int:
        """How often the action was taken that was taken least, in a state that was met."""
        return int(self.tries.min(initial=np.iinfo(np.int64).max)) if len(self.tries) else 0

    def costs(self, states: Indices) -> Array:
        """Steps from each action to the nearest one that was taken least, on the way that chance may be kind enough to go.

        Where an episode ends another one begins.

        Args:
            states: ``(r,)``, that were met.

        Returns:
            ``(r, A)``; 0 for the actions themselves, infinity where none is known to lead there.
        """
        source, action, target, ends = (self.outcomes[:, i].astype(np.int64) for i in range(4))
        is_least = self.tries <= self.least_tries
        away = np.where(is_least.any(1), 0.0, np.inf)
        begins = np.flatnonzero(self.begins)
        # Each pass goes one step further back, so there are no more of them than the way is long.
        while True:
            after = 1.0 + np.where(ends == 1, away[begins].min(initial=np.inf), away[target])
            costs = np.where(is_least, 0.0, np.inf)
            np.minimum.at(costs, (source, action), after)
            if np.array_equal(nearer := costs.min(1, initial=np.inf), away):
                break
            away = nearer
        found: Array = costs[self._number[states]]
        return found

    def tables(self) -> tuple[Tables, npt.NDArray[np.bool_]]:
        """The world as it was seen, and which actions of a state may be planned with, ``(k, A)``.

        An action that nobody took ends the episode and pays nothing; it may be planned with only where none was taken.
        """
        order = np.lexsort((self.outcomes[:, 1], self.outcomes[:, 0]))
        ordered = self.outcomes[order]
        counts = np.fromiter(self._counts.values(), np.float64, len(self._counts))[order]
        pair = (ordered[:, 0] * self.tries.shape[1] + ordered[:, 1]).astype(np.int64)
        first = np.searchsorted(pair, pair)
        branch = np.arange(len(pair)) - first
        shape = (*self.tries.shape, int(branch.max(initial=0)) + 1)
        place = (*np.unravel_index(pair, self.tries.shape), branch)
        successors, terminal = np.zeros(shape, np.int64), np.ones(shape, np.bool_)
        probabilities, rewards = np.zeros(shape), np.zeros((*shape, self.m))
        probabilities[..., 0] = self.tries == 0
        successors[place], terminal[place], rewards[place] = ordered[:, 2], ordered[:, 3] == 1, ordered[:, 4:]
        probabilities[place] = counts / self.tries.reshape(-1)[pair]
        starts = np.flatnonzero(self.begins)
        tables = Tables(
            successors=successors, probabilities=probabilities, rewards=rewards, terminal=terminal, observations=self.states,
            starts=starts, start_probabilities=self.begins[starts] / self.begins.sum(),
        )  # fmt: skip
        tried = self.tries > 0
        return tables, tried | ~tried.any(1, keepdims=True)

    # ------------------------------------------------------------------ saving

    def state(self) -> State:
        """Everything that was seen."""
        arrays = {
            "states": self.states, "begins": self.begins, "tries": self.tries, "outcomes": self.outcomes,
            "counts": np.fromiter(self._counts.values(), np.int64, len(self._counts)),
        }  # fmt: skip
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def load_state(self, state: State) -> None:
        """Restore :meth:`state`."""
        saved = {name: value.cpu().numpy().copy() for name, value in state.items()}
        self._number.fill(_UNKNOWN)
        self.states, self.begins, self.tries = saved["states"], saved["begins"], saved["tries"]
        self._number[self.states] = np.arange(len(self.states))
        rows = saved["outcomes"].astype(np.float64)
        self._counts = {row.tobytes(): int(count) for row, count in zip(rows, saved["counts"], strict=True)}
        self._outcomes = None
