"""A table of sets of vector values, and the deterministic world that they are values of."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt
import torch

from morl.errors import CapabilityError, CheckpointError, TrainingDiverged
from morl.functional.bounded_front import bounded_front, shortfall
from morl.protocols import State

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

UNTRIED = -1
"""Instead of a next state: nobody took the action there."""

_PATIENCE = 50
"""Changes of a full set after which it takes twice as much to change it."""
_SAME_REWARD = 1e-6
"""Rewards this close, relative to their size, are one reward in single precision."""


class ValueSets:
    r"""For every state the non-dominated returns that known actions lead to: :math:`ND(s)`.

    .. math:: ND(s) = \text{nondominated} \Bigl( \bigcup_{a \text{ tried}} Q(s, a) \Bigr), \quad
        Q(s, a) = R(s, a) + \gamma\, ND(s'), \quad ND(\text{end}) = \{0\}

    What nobody tried is left out, and so is what is not known to come to an end, so every vector of a set is the return of a
    known sequence of actions. A state whose successors' sets changed waits for its backup, first come, first served.
    """

    def __init__(
        self, num_states: int, num_actions: int, num_objectives: int, *, gamma: float, resolution: float, most: int
    ) -> None:
        """Begin with empty sets.

        Args:
            num_states: ``S``.
            num_actions: ``A``.
            num_objectives: ``m``.
            gamma: Discount factor.
            resolution: Differences of vectors that do not count, in shares of the range of all vectors seen.
            most: Vectors per set.
        """
        self.gamma, self.resolution, self.most = gamma, resolution, most
        self.rewards = np.zeros((num_states, num_actions, num_objectives))
        """``(S, A, m)``; of what was tried."""
        self.next_states = np.full((num_states, num_actions), UNTRIED)
        """``(S, A)``."""
        self.ends = np.zeros((num_states, num_actions), dtype=np.bool_)
        """Where an action ends the episode, ``(S, A)``."""
        self.reached = np.zeros(num_states, dtype=np.bool_)
        """States in which somebody stood and had to act, ``(S,)``."""
        self.lost = np.zeros((num_states, num_objectives))
        """Most that the latest backup of a state lost, ``(S, m)``, return units: by what it left out, and promised too much."""
        self.low, self.high = (np.full(num_objectives, sign * np.inf) for sign in (1, -1))
        """Range of all vectors seen, ``(m,)``, return units."""
        self.changes = np.zeros(num_states, dtype=np.int64)
        """How often the set of each state changed though it was as large as it may be, ``(S,)``."""
        self.away = np.zeros(num_states, dtype=np.int64)
        """At least so many steps, as far as is known, lead to the nearest action that nobody took, ``(S,)``."""
        self.waiting = np.zeros(num_states, dtype=np.int64)
        """Place of each state in the queue for a backup, from 1, ``(S,)``; 0 for those that are up to date."""
        nothing = np.zeros((0, num_objectives))
        self.vectors: list[Array] = [nothing] * num_states
        """Sets of all states, ``(q, m)`` each, return units."""
        self.actions: list[Indices] = [np.zeros(0, dtype=np.int64)] * num_states
        """Action that each vector begins with, ``(q,)`` each."""
        self._derive()

    def _derive(self) -> None:
        """What follows from the rest: who leads to a state, the queue, what is left to try."""
        states, actions = np.nonzero((self.next_states != UNTRIED) & ~self.ends)
        self._before: dict[int, set[int]] = {}
        for state, following in zip(states.tolist(), self.next_states[states, actions].tolist(), strict=True):
            self._before.setdefault(following, set()).add(state)
        queued = np.flatnonzero(self.waiting)
        self._queue = deque(queued[self.waiting[queued].argsort()].tolist())
        self._last = int(self.waiting.max(initial=0))
        self._untried = int((self.next_states[self.reached] == UNTRIED).sum())
        self._count = int(self.reached.sum())
        self._pays = np.abs(self.rewards).max((0, 1))
        self.derived: dict[int, Array] = {}
        """What others made of the candidates of a state; dropped when these change."""

    # ------------------------------------------------------------------ what happens in the world

    def reach(self, states: Indices) -> None:
        """Note states ``(r,)`` in which episodes stand and go on."""
        new = np.unique(states)
        new = new[~self.reached[new]]
        self.reached[new] = True
        self._count += len(new)
        self._untried += int((self.next_states[new] == UNTRIED).sum())

    def record(
        self, states: Indices, actions: Indices, rewards: Array, following: Indices, ends: npt.NDArray[np.bool_]
    ) -> None:
        """Note steps.

        Args:
            states: Where, ``(r,)``.
            actions: What was done, ``(r,)``.
            rewards: ``(r, m)``.
            following: Next states, ``(r,)``.
            ends: Whose episode ended by itself, ``(r,)``.

        Raises:
            CapabilityError: The same action in the same state had led elsewhere, or paid something else.
        """
        for i in np.flatnonzero(self.next_states[states, actions] == UNTRIED).tolist():
            state, action = int(states[i]), int(actions[i])
            if self.next_states[state, action] == UNTRIED:
                self._learn(state, action, rewards[i], int(following[i]), bool(ends[i]))
        then, ended, paid = (table[states, actions] for table in (self.next_states, self.ends, self.rewards))
        elsewhere = (ended != ends) | (~ends & (then != following))
        otherwise = (np.abs(rewards - paid) > _SAME_REWARD * np.maximum(np.abs(paid), 1.0)).any(1)
        if not (wrong := np.flatnonzero(elsewhere | otherwise)).size:
            return
        i = int(wrong[0])
        if elsewhere[i]:
            before, now = ("an end" if end else f"state {s}" for s, end in ((then[i], ended[i]), (following[i], ends[i])))
            found = f"led to {before}, then to {now}"
        else:
            found = f"paid {paid[i].tolist()}, then {rewards[i].tolist()}"
        raise CapabilityError(refusal(f"action {actions[i]} in state {states[i]} {found}"))

    def _learn(self, state: int, action: int, reward: Array, following: int, ends: bool) -> None:
        """Note the first step of its kind."""
        self.next_states[state, action], self.ends[state, action] = following, ends
        self.rewards[state, action] = reward
        self._pays = np.maximum(self._pays, np.abs(reward))
        self._untried -= int(self.reached[state])
        if not ends:
            self._before.setdefault(following, set()).add(state)
        self._wait(state)

    def towards_untried(self, states: Indices, start: int) -> Indices:
        """Steps from each action to the nearest action that nobody took, and note the least.

        Args:
            states: Where, ``(r,)``.
            start: State in which the next episode begins, where one ends.

        Returns:
            At least so many, ``(r, A)``; 0 for those that nobody took.

        Source:
            Korf 1990, learning real-time A* (LRTA*).
        """
        following = np.where(self.ends[states], start, self.next_states[states])
        steps = np.where(following == UNTRIED, 0, 1 + self.away[following])
        self.away[states] = steps.min(1)
        return steps

    # ------------------------------------------------------------------ backups

    def _wait(self, state: int) -> None:
        self.derived.pop(state, None)
        if not self.waiting[state]:
            # The numbers begin anew whenever nobody waits, so that they follow from who waits now.
            self._last = self._last + 1 if self._queue else 1
            self.waiting[state] = self._last
            self._queue.append(state)

    def sweep(self, backups: int) -> None:
        """Back up states that wait, the longest first.

        Args:
            backups: At most so many.
        """
        for _ in range(backups):
            if not self._queue:
                return
            state = self._queue.popleft()
            self.waiting[state] = 0
            if self._backup(state):
                for before in sorted(self._before.get(state, ())):
                    self._wait(before)

    def candidates(self, state: int) -> tuple[Array, Indices]:
        """All vectors of all actions tried in a state, ``(q, m)``, and their actions, ``(q,)``."""
        tried = np.flatnonzero(self.next_states[state] != UNTRIED)
        ends, following = self.ends[state, tried].tolist(), self.next_states[state, tried].tolist()
        end = np.zeros((1, self.rewards.shape[-1]))
        after = [end if over else self.vectors[s] for s, over in zip(following, ends, strict=True)]
        if not after:
            return np.zeros((0, end.shape[1])), tried
        actions = tried.repeat([len(part) for part in after])
        return self.rewards[state, actions] + self.gamma * np.concatenate(after), actions

    def _backup(self, state: int) -> bool:
        """Make the set of a state from those of its successors; whether it changed."""
        values, actions = self.candidates(state)
        if not len(values):
            return False
        self._follow_range(values)
        unit = self.unit
        index, lost = bounded_front(values, unit=unit, resolution=self.resolution, most=self.most)
        new, old = values[index], self.vectors[state]
        if np.array_equal(new, old):
            self.lost[state], self.actions[state] = lost, actions[index]
            return False
        if len(old) and self._keeps(state, values, actions, new):
            return False
        self._require_finite(new, state)
        self.changes[state] += len(new) == self.most
        self.vectors[state], self.actions[state], self.lost[state] = new, actions[index], lost
        return True

    def _keeps(self, state: int, values: Array, actions: Indices, new: Array) -> bool:
        """Keep the set of a state that is as good as a new one; whether it is.

        Args:
            state: Which.
            values: Vectors of all its actions, ``(p, m)``.
            actions: Of these, ``(p,)``.
            new: What would be kept of them, ``(q, m)``.
        """
        unit, old = self.unit, self.vectors[state]
        # What a bounded set misses anyway is no reason to change another one. In circles sets that are too large would still go
        # round for ever, so it takes the more to change one, the more often that happened.
        own = float(shortfall(new, values, unit=unit)[0].max())
        tolerance = max(self.resolution, own * (1.0 + int(self.changes[state]) / _PATIENCE))
        missed, _ = shortfall(old, values, unit=unit)
        broken, nearest = shortfall(values, old, unit=unit)
        if max(missed.max(), broken.max()) > tolerance:
            return False
        # Its vectors are promises, kept by the actions that come closest.
        self.actions[state] = actions[nearest]
        self.lost[state] = (max(missed.max(), 0.0) + max(broken.max(), 0.0)) * unit
        return True

    @property
    def unit(self) -> Array:
        """Range of all vectors seen, 1 where there is none, ``(m,)``, return units."""
        span = self.high - self.low
        return np.where((span > 0) & np.isfinite(span), span, 1.0)

    def _follow_range(self, values: Array) -> None:
        low, high = np.minimum(self.low, values.min(0)), np.maximum(self.high, values.max(0))
        if (low < self.low).any() or (high > self.high).any():
            self.low, self.high = low, high
            self.derived.clear()

    def _require_finite(self, vectors: Array, state: int) -> None:
        """Refuse a set that can only grow.

        Raises:
            TrainingDiverged: There is no discount, and a sequence that comes to a state twice is among the best.
        """
        # One that does not has at most as many steps as there are states.
        if self.gamma == 1.0 and (np.abs(vectors) > (1.0 + _SAME_REWARD) * self._count * self._pays).any():
            raise TrainingDiverged(
                f"returns of sequences from state {state} grow without end: going round in the world pays in some objective; "
                "set gamma below 1"
            )

    # ------------------------------------------------------------------ what is known

    @property
    def untried(self) -> int:
        """Actions that nobody took in a state that was reached."""
        return self._untried

    @property
    def is_complete(self) -> bool:
        """Whether every action of every state that was reached was tried, and no set waits for a backup."""
        return not self._untried and not self._queue and bool(self.reached.any())

    def error_bound(self, horizon: int | None) -> Array:
        """Most that following the vectors of a set returns less than the best of what was tried, ``(S, m)``, return units.

        What is lost in a state adds to what its successors have lost.

        Args:
            horizon: Steps of an episode; None if there is no limit.

        Returns:
            For each state; infinity where going round in circles without a discount adds up without end.
        """
        known = np.flatnonzero(self.reached)
        lost = self.lost[known]
        whole = np.zeros_like(self.lost)
        if not lost.any():
            return whole
        inside = (self.next_states[known] != UNTRIED) & ~self.ends[known]
        following = np.searchsorted(known, np.where(inside, self.next_states[known], known[0]))
        bound = lost
        # Without circles the bound stands after as many steps as there are states.
        for _ in range(len(known) + 1 if horizon is None else horizon):
            before, bound = bound, lost + self.gamma * np.where(inside[..., None], bound[following], 0.0).max(1)
            if np.array_equal(before, bound):
                break
        else:
            if horizon is None:
                bound = np.where(lost.max(0) > 0, lost.max(0) / (1.0 - self.gamma) if self.gamma < 1.0 else np.inf, 0.0)
        whole[known] = bound
        return whole

    # ------------------------------------------------------------------ state

    _ARRAYS = ("rewards", "next_states", "ends", "reached", "lost", "low", "high", "changes", "away", "waiting")

    def state(self) -> State:
        """Everything that was learned; sets one after the other, with the number of vectors of each."""
        counts = np.array([len(vectors) for vectors in self.vectors])
        arrays = {
            **{name: getattr(self, name).copy() for name in self._ARRAYS},
            "counts": counts,
            "vectors": np.concatenate(self.vectors),
            "actions": np.concatenate(self.actions),
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def load_state(self, state: State) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: It is of another world, or its parts do not belong together.
        """
        arrays = {name: state[name].cpu().numpy().copy() for name in (*self._ARRAYS, "counts", "vectors", "actions")}
        for name in self._ARRAYS:
            if arrays[name].shape != getattr(self, name).shape or arrays[name].dtype != getattr(self, name).dtype:
                raise CheckpointError(f"the saved {name} have shape {arrays[name].shape}, expected {getattr(self, name).shape}")
        counts = arrays["counts"]
        if len(counts) != len(self.vectors) or not counts.sum() == len(arrays["vectors"]) == len(arrays["actions"]):
            raise CheckpointError("the saved sets and their sizes do not belong together; the checkpoint was changed")
        for name in self._ARRAYS:
            setattr(self, name, arrays[name])
        cuts = counts.cumsum()[:-1]
        self.vectors, self.actions = np.split(arrays["vectors"], cuts), np.split(arrays["actions"], cuts)
        self._derive()


def refusal(found: str) -> str:
    """Say that a world is not for this solver, and what is."""
    return (
        f"ParetoQLearning needs a deterministic world whose observations tell all, but {found}; use MORLD with MOQLearning or "
        "another solver inside"
    )
