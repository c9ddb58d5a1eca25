"""A Markov decision process written out as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_STOCHASTIC = 1e-8


class TabularMDP:
    """A finite Markov decision process, dense or with successor lists.

    Letters: `S` states, `A` actions, `b` outcomes of a state-action pair, `m` objectives. Dense, every state is an outcome
    of every pair (``b = S``) and outcome ``j`` leads to state ``j``. With ``successors``, outcome ``j`` of pair ``(s, a)``
    leads to state ``successors[s, a, j]``; states may repeat, and each outcome has a reward of its own.

    Args:
        transitions: Probabilities, ``(S, A, S)``, or ``(S, A, b)`` with ``successors``.
        rewards: What is maximised: ``(S, A)``, or per outcome ``(S, A, b)``.
        gamma: Discount, in ``[0, 1)``.
        successors: Where each outcome leads, integers ``(S, A, b)``.
        vector_rewards: Rewards of several objectives, ``(S, A, m)`` or per outcome ``(S, A, b, m)``. They are evaluated,
            not maximised; :meth:`scalarized` makes a process that maximises a combination of them.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: A row is not a distribution, an index is no state, something is NaN or infinite, or ``gamma``
            is out of range.

    Example:
        >>> mdp = TabularMDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[0.0], [1.0]], 0.9)
        >>> mdp.num_states, mdp.num_actions
        (2, 1)
    """

    def __init__(
        self,
        transitions: npt.ArrayLike,
        rewards: npt.ArrayLike,
        gamma: float,
        *,
        successors: npt.ArrayLike | None = None,
        vector_rewards: npt.ArrayLike | None = None,
    ) -> None:
        array = np.array(transitions, dtype=np.float64)
        if array.ndim != 3 or not array.size:
            raise ShapeError(f"transitions has shape {array.shape}: expected (S, A, S), or (S, A, b) with successors")
        if successors is None and array.shape[2] != array.shape[0]:
            raise ShapeError(
                f"transitions has shape {array.shape}: expected (S, A, S); give successors=(S, A, b) for successor lists"
            )
        self.transitions: Array = checked_distributions("transitions", array)
        self.successors: IntArray | None = None if successors is None else _checked_successors(successors, array.shape)
        self.rewards: Array = _checked_rewards("rewards", rewards, (array.shape[:2], array.shape))
        self.gamma: float = checked_gamma(gamma)
        self.vector_rewards: Array | None = None
        if vector_rewards is not None:
            vectors = np.array(vector_rewards, dtype=np.float64)
            m = vectors.shape[-1:] if vectors.ndim > 2 else ()
            shapes = ((*array.shape[:2], *m), (*array.shape, *m)) if m else ()
            self.vector_rewards = _checked_rewards("vector_rewards", vectors, shapes)

    @property
    def num_states(self) -> int:
        """Number of states `S`."""
        return int(self.transitions.shape[0])

    @property
    def num_actions(self) -> int:
        """Number of actions `A`."""
        return int(self.transitions.shape[1])

    def scalarized(self, weights: npt.ArrayLike) -> TabularMDP:
        """Return the process that maximises a weighted sum of the vector rewards.

        Args:
            weights: ``(m,)``.

        Returns:
            A process with the same transitions and vector rewards.

        Raises:
            ConfigurationError: There are no vector rewards, or a weight is NaN or infinite.
            ShapeError: ``weights`` has the wrong length.
        """
        vectors = self.require_vector_rewards()
        array = np.asarray(weights, dtype=np.float64)
        if array.shape != vectors.shape[-1:]:
            raise ShapeError(f"weights has shape {array.shape}: expected {vectors.shape[-1:]}, one per objective")
        return self.with_rewards(vectors @ array)

    def require_vector_rewards(self) -> Array:
        """Return the vector rewards; a :class:`morl.errors.ConfigurationError` says what to do where there are none."""
        if self.vector_rewards is None:
            raise ConfigurationError("this TabularMDP has no vector rewards; build it with vector_rewards=(S, A, S, m)")
        return self.vector_rewards

    def with_rewards(self, rewards: npt.ArrayLike) -> TabularMDP:
        """Return the same process with other rewards ``(S, A)`` or ``(S, A, b)``."""
        return self._replaced(
            rewards=_checked_rewards("rewards", rewards, (self.transitions.shape[:2], self.transitions.shape))
        )

    def with_transitions(self, transitions: npt.ArrayLike) -> TabularMDP:
        """Return the same process with other probabilities ``(S, A, b)`` of the same outcomes."""
        array = np.array(transitions, dtype=np.float64)
        if array.shape != self.transitions.shape:
            raise ShapeError(f"transitions has shape {array.shape}: expected {self.transitions.shape}")
        return self._replaced(transitions=checked_distributions("transitions", array))

    def _replaced(self, **changes: Array) -> TabularMDP:
        """Return a copy that shares every array that does not change."""
        copy = object.__new__(TabularMDP)
        copy.__dict__.update(self.__dict__ | changes)
        return copy


def checked_gamma(gamma: Any) -> float:
    """Return the discount as a float; refuse what is outside ``[0, 1)``."""
    if not (isinstance(gamma, int | float | np.floating) and 0 <= gamma < 1):
        raise ConfigurationError(f"gamma={gamma!r}: expected a number in [0, 1); without discount the values are not defined")
    return float(gamma)


def checked_distributions(name: str, array: Array) -> Array:
    """Return an array of distributions along its last axis; refuse rows that are none."""
    if not np.isfinite(array).all():
        raise ConfigurationError(f"{name} contains NaN or infinity; expected probabilities")
    if (array < 0).any():
        where = ", ".join(map(str, np.argwhere(array < 0)[0]))
        raise ConfigurationError(f"{name}[{where}] is {array[array < 0][0]:.6g}; expected a probability, not a negative number")
    totals = array.sum(axis=-1)
    wrong = np.abs(totals - 1) > _STOCHASTIC
    if wrong.any():
        where = ", ".join(map(str, np.argwhere(wrong)[0]))
        raise ConfigurationError(
            f"{name}[{where}] sums to {totals[wrong][0]:.10g} instead of 1; add the missing outcome or normalise the row"
        )
    return array


def _checked_successors(successors: npt.ArrayLike, shape: tuple[int, ...]) -> IntArray:
    """Return successor lists as integers."""
    array = np.array(successors)
    if array.shape != shape:
        raise ShapeError(f"successors has shape {array.shape} but transitions {shape}: they must agree")
    if not np.issubdtype(array.dtype, np.integer):
        raise ConfigurationError(f"successors has type {array.dtype}; expected integers, the indices of states")
    if array.min() < 0 or array.max() >= shape[0]:
        raise ConfigurationError(f"successors lie in [{array.min()}, {array.max()}]; expected states in [0, {shape[0] - 1}]")
    return array.astype(np.int64)


def _checked_rewards(name: str, rewards: npt.ArrayLike, shapes: tuple[tuple[int, ...], ...]) -> Array:
    """Return rewards of one of some shapes."""
    array = np.array(rewards, dtype=np.float64)
    if array.shape not in shapes:
        expected = " or ".join(map(str, shapes)) or "(S, A, m) or (S, A, S, m)"
        raise ShapeError(f"{name} has shape {array.shape}: expected {expected}")
    if not np.isfinite(array).all():
        raise ConfigurationError(f"{name} contains NaN or infinity; expected finite rewards")
    return array
