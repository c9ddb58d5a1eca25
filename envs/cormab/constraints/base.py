"""What every family of action sets can do, and what the families that are closed under leaving out share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.cormab.constraints.rows import LinearModel, LinearRows

Actions = Flags
"""Binary actions, ``(B, N)``."""


class Constraint(ABC):
    """A set of feasible actions in ``{0, 1}^N``, written once and used in four forms.

    Membership, sampling, exact linear maximisation and enumeration, and the compact form for integer programs agree on every
    action; :func:`envs.checks.check_constraint` tests that. A family is a frozen dataclass whose fields are arrays and
    numbers, so that an instance can be stored.
    """

    def __getstate__(self) -> dict[str, Any]:
        # Lists and solver models are worked out again where they are needed.
        own = type(self)
        return {name: value for name, value in vars(self).items() if not isinstance(getattr(own, name, None), cached_property)}

    @property
    @abstractmethod
    def num_actions(self) -> int:
        """Number of action components, ``N``."""

    @abstractmethod
    def rows(self) -> LinearRows:
        """The compact form for integer programs."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, size: int) -> Actions:
        """Draw feasible actions; each feasible action has a positive probability.

        Args:
            rng: Where the randomness comes from.
            size: How many.

        Returns:
            ``(size, N)``.
        """

    def sample_large(self, rng: np.random.Generator, size: int) -> Actions:
        """Draw feasible actions to which little can be added, as far as the family knows how: not all need have a chance.

        Args:
            rng: Where the randomness comes from.
            size: How many.

        Returns:
            ``(size, N)``.
        """
        return self.sample(rng, size)

    @abstractmethod
    def enumerate(self, limit: int) -> Actions | None:
        """List the whole set.

        Args:
            limit: The largest size of interest.

        Returns:
            Every feasible action once, in lexicographic order, ``(size of the set, N)``; None if there are more than ``limit``.
        """

    def contains(self, actions: npt.ArrayLike) -> Flags:
        """Tell which actions are feasible.

        Args:
            actions: Zeros and ones, ``(B, N)``.

        Returns:
            ``(B,)``.

        Raises:
            ValueError: The shape is wrong, or an entry is neither 0 nor 1.
        """
        return self._contains(binary(actions, self.num_actions))

    @abstractmethod
    def _contains(self, actions: Actions) -> Flags:
        """The same for actions that have been looked at."""

    def maximize_linear(self, coefficients: npt.ArrayLike) -> Flags:
        """A feasible action that maximises ``coefficients @ action``, exactly.

        Args:
            coefficients: Finite, ``(N,)``, or ``(B, N)`` for several functions at once.

        Returns:
            ``(N,)`` or ``(B, N)``.

        Raises:
            ValueError: The shape is wrong, or an entry is not finite.
        """
        given = finite(coefficients, self.num_actions)
        found = self._maximize(given.reshape(-1, self.num_actions))
        return found.reshape(given.shape)

    def _maximize(self, coefficients: Floats) -> Actions:
        """The same for a batch that has been looked at: from the list of all actions if it is short, else by HiGHS."""
        if self._short_list is not None:
            block = max(1, _PRODUCT // len(self._short_list))
            best = [(coefficients[i : i + block] @ self._short_list.T).argmax(1) for i in range(0, len(coefficients), block)]
            return self._short_list.take(np.concatenate([np.zeros(0, np.int64), *best]), axis=0) > 0
        asked, place = np.unique(coefficients, axis=0, return_inverse=True)
        found = [self.rows().solve(objective, accepts=self._holds) for objective in asked]
        if any(action is None for action in found):
            raise RuntimeError(f"{type(self).__name__}: the solver finds no action in a set that has some; please report this")
        actions = np.array(found, np.bool_).reshape(-1, self.num_actions)
        return actions[place.reshape(-1)]

    def _holds(self, action: Flags) -> bool:
        """Whether one action ``(N,)`` is in the set."""
        return bool(self._contains(action[None])[0])

    @cached_property
    def _short_list(self) -> Floats | None:
        listed = self.enumerate(_SHORT)
        return None if listed is None else listed.astype(np.float64)

    def project(self, actions: npt.ArrayLike) -> Flags:
        """Feasible actions that differ from ``actions``, ``(N,)`` or ``(B, N)``, in the fewest components."""
        given = np.asarray(actions)
        asked = binary(np.atleast_2d(given), self.num_actions)
        return self._maximize(np.where(asked, 1.0, -1.0)).reshape(given.shape)

    def assignment(self, action: npt.ArrayLike) -> list[dict[str, int]]:
        """Say what an action means: who does what when, as far as the family knows.

        Args:
            action: A feasible one, ``(N,)``.

        Returns:
            One dictionary for each thing that is done; ``pandas.DataFrame`` of it is a table. There may be several ways to
            carry out an action; this is one of them, always the same.

        Raises:
            ValueError: The shape is wrong, an entry is neither 0 nor 1, or the action is not feasible.
        """
        given = binary(np.asarray(action)[None], self.num_actions)
        if not self._holds(given[0]):
            ones = np.flatnonzero(given[0]).tolist()
            raise ValueError(f"the action with ones at {ones} is not feasible; project() finds a nearest one that is")
        return self._assignment(given[0])

    def _assignment(self, action: Flags) -> list[dict[str, int]]:
        """The same for a feasible action ``(N,)``."""
        return [{"component": component} for component in np.flatnonzero(action).tolist()]

    def extends(self, actions: npt.ArrayLike) -> Flags:
        """Tell which actions are part of a feasible one: whether more ones could make them feasible, if they are not.

        Args:
            actions: Zeros and ones, ``(B, N)``.

        Returns:
            ``(B,)``.

        Raises:
            ValueError: The shape is wrong, or an entry is neither 0 nor 1.
        """
        return self._extends(binary(actions, self.num_actions))

    def _extends(self, actions: Actions) -> Flags:
        return np.asarray((self._maximize(actions.astype(np.float64)) >= actions).all(axis=1))

    def add_to(self, model: LinearModel, actions: Integers) -> Integers:
        """Write the compact form into a solver's model; see :meth:`envs.cormab.constraints.rows.LinearRows.add_to`."""
        return self.rows().add_to(model, actions)


class DownwardClosed(Constraint):
    """A set that with each action holds all actions with some of its ones left out, the null action included."""

    def _extends(self, actions: Actions) -> Flags:
        return self._contains(actions)

    def sample(self, rng: np.random.Generator, size: int) -> Actions:
        """Draw feasible actions, half of them as large as they can easily be made; see :meth:`Constraint.sample`.

        The other half has ones left out at random, so that every feasible action can come up.
        """
        actions = self.sample_large(rng, size)
        keep = rng.random((size, self.num_actions)) < rng.random((size, 1))
        return actions & (keep | (rng.random((size, 1)) < 0.5))

    def sample_large(self, rng: np.random.Generator, size: int) -> Actions:
        """Actions to which nothing can be added: components in random order, each set if that stays feasible."""
        actions = np.zeros((size, self.num_actions), np.bool_)
        each = np.arange(size)
        for component in np.argsort(rng.random((size, self.num_actions)), axis=1).T:
            actions[each, component] = True
            actions[each, component] = self._contains(actions)
        return actions

    def enumerate(self, limit: int) -> Actions | None:
        size = self.num_actions
        level = np.zeros((1, size), np.bool_)
        last = np.full(1, -1)
        found = [level]
        count = 1
        while level.size and count <= limit:
            grown, ends = [], []
            # Ones are added behind the last one only: every set is met once.
            for component in range(size):
                parents = level[last < component]
                for start in range(0, len(parents), _CHUNK):
                    block = parents[start : start + _CHUNK].copy()
                    block[:, component] = True
                    block = block[self._contains(block)]
                    grown.append(block)
                    ends.append(np.full(len(block), component))
                    count += len(block)
                    if count > limit:
                        return None
            level = np.concatenate([np.zeros((0, size), np.bool_), *grown])
            last = np.concatenate([np.zeros(0, np.int64), *ends])
            found.append(level)
        return None if count > limit else in_order(np.concatenate(found))


_CHUNK = 1 << 15
_SHORT = 1 << 15  # actions that are listed once, so that linear functions are maximised by a matrix product
_MOST = 2.0**62  # integers that can be added up
_PRODUCT = 1 << 24  # entries of such a product that are held at once


def in_order(actions: Actions) -> Actions:
    """Sort actions lexicographically."""
    return actions[np.lexsort(actions.T[::-1])]


def binary(actions: npt.ArrayLike, num_actions: int) -> Actions:
    """Check actions ``(B, N)`` and return them as booleans."""
    given = np.asarray(actions)
    if given.ndim != 2 or given.shape[1] != num_actions:
        raise ValueError(f"actions has shape {given.shape}; expected (B, {num_actions})")
    if given.dtype == np.bool_:
        return given
    converted = given.astype(np.bool_)
    if not np.array_equal(converted, given):
        raise ValueError("an entry of actions is neither 0 nor 1; round before asking")
    return converted


def finite(coefficients: npt.ArrayLike, num_actions: int) -> Floats:
    """Check the coefficients ``(N,)`` of a linear function, or ``(B, N)`` of several."""
    given = np.asarray(coefficients, np.float64)
    if given.ndim not in (1, 2) or given.shape[-1] != num_actions:
        raise ValueError(f"coefficients has shape {given.shape}; expected ({num_actions},) or (B, {num_actions})")
    if not np.isfinite(given).all():
        raise ValueError("an entry of coefficients is not finite")
    return given


def integers(name: str, values: Any, shape: tuple[int | None, ...], *, least: int) -> Integers:
    """Check an array of integers; None in ``shape`` stands for any length."""
    given = np.asarray(values)
    if given.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, given.shape, strict=True)):
        raise ValueError(f"{name} has shape {given.shape}; expected {tuple('any' if s is None else s for s in shape)}")
    if given.dtype.kind not in "iufb" or (given.size and not (np.abs(given.astype(np.float64)) < _MOST).all()):
        raise ValueError(f"{name} must be integers below 2**62; choose other units if they are not")
    converted = given.astype(np.int64)
    if not np.array_equal(converted, given):
        raise ValueError(f"{name} must be integers; choose smaller units if they are not")
    if converted.size and converted.min() < least:
        raise ValueError(f"{name} holds {converted.min()}; expected at least {least}")
    return converted
