"""A Markov decision process written out as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arrays import is_sparse, read_array, read_floats
from envs.probabilities import read_distributions
from morl.errors import ConfigurationError, ShapeError
from robust.tabular.sparse import SparseRows, sparse_rows

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

PAIRS = ("state", "action", "outcome")
"""What the axes of transitions are called in error messages."""


class TabularMDP:
    """A finite Markov decision process, dense or with successor lists.

    Letters: `S` states, `A` actions, `b` outcomes of a state-action pair, `m` objectives. Dense, every state is an outcome
    of every pair (``b = S``) and outcome ``j`` leads to state ``j``. With ``successors``, outcome ``j`` of pair ``(s, a)``
    leads to state ``successors[s, a, j]``; states may repeat, and each outcome has a reward of its own.

    Sparse matrices become successor lists, without ever being dense: ``b`` is the largest number of states that a pair leads to
    (where all are reached, the process is dense). Pairs with fewer repeat their first one, with probability 0. Such a process
    lists only where it can go, so ambiguity sets need ``support="nominal"``.

    Rows may miss one by rounding, to the precision of the numbers' format; they are normalised then
    (``envs.probabilities.read_distributions``).

    Args:
        transitions: Probabilities, ``(S, A, S)``, or ``(S, A, b)`` with ``successors``; or scipy sparse matrices: one for each
            action, ``(S, S)``, or a single one ``(S * A, S)`` whose row ``s * A + a`` is that of state ``s`` and action ``a``.
        rewards: What is maximised: ``(S, A)``, or per outcome ``(S, A, b)``. With sparse transitions, ``(S, A)`` or
            ``(S, A, S)``. Sparse rewards have one of the two forms of sparse transitions.
        gamma: Discount, in ``[0, 1)``.
        successors: Where each outcome leads, integers ``(S, A, b)``.
        vector_rewards: Rewards of several objectives, ``(S, A, m)`` or per outcome ``(S, A, b, m)``. They are evaluated,
            not maximised; :meth:`scalarized` makes a process that maximises a combination of them. With sparse transitions,
            ``(S, A, m)`` or ``(S, A, S, m)``.

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
        rows = sparse_rows("transitions", transitions)
        self.is_sparse = rows is not None
        """Whether it was built from sparse matrices: its outcomes are the states with a probability, not all."""
        if rows is not None:
            if successors is not None:
                raise ShapeError("successors was given with sparse transitions, which name the next states; leave it out")
            transitions, successors = rows.values, rows.successors
            rewards = _gathered("rewards", rewards, rows)
            vector_rewards = None if vector_rewards is None else _gathered("vector_rewards", vector_rewards, rows)
        given = read_numbers("transitions", transitions, "(S, A, S), or (S, A, b) with successors")
        if given.ndim != 3 or not given.size:
            raise ShapeError(f"transitions has shape {given.shape}: expected (S, A, S), or (S, A, b) with successors")
        shape = given.shape
        if successors is None and shape[2] != shape[0]:
            if shape[1] == shape[2]:
                raise ShapeError(
                    f"transitions has shape {shape}, one matrix for each action; expected (S, A, S): "
                    "np.moveaxis(transitions, 0, 1)"
                )
            raise ShapeError(
                f"transitions has shape {shape}: expected (S, A, S); give successors=(S, A, b) for successor lists"
            )
        self.transitions: Array = checked_distributions("transitions", given, PAIRS)
        self.successors: IntArray | None = None if successors is None else _checked_successors(successors, shape)
        self.rewards: Array = _checked_rewards("rewards", _dense(rewards, shape), (shape[:2], shape))
        self.gamma: float = checked_gamma(gamma)
        self.vector_rewards: Array | None = None
        if vector_rewards is not None:
            vectors = read_numbers("vector_rewards", vector_rewards, "(S, A, m) or (S, A, b, m)")
            m = vectors.shape[-1:] if vectors.ndim > 2 else ()
            shapes = ((*shape[:2], *m), (*shape, *m)) if m else ()
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
        array = read_numbers("weights", weights, "one number per objective").astype(np.float64)
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
        given = read_numbers("transitions", transitions, f"{self.transitions.shape}")
        if given.shape != self.transitions.shape:
            raise ShapeError(f"transitions has shape {given.shape}: expected {self.transitions.shape}")
        return self._replaced(transitions=checked_distributions("transitions", given, PAIRS))

    def _replaced(self, **changes: Array) -> TabularMDP:
        """Return a copy that shares every array that does not change."""
        copy = object.__new__(TabularMDP)
        copy.__dict__.update(self.__dict__ | changes)
        return copy


def read_numbers(name: str, values: Any, expected: str) -> npt.NDArray[Any]:
    """Return numbers in their own format; refuse what is no array."""
    try:
        return read_array(name, values, expected)
    except ValueError as error:
        raise ShapeError(str(error)) from None


def checked_gamma(gamma: Any) -> float:
    """Return the discount as a float; refuse what is outside ``[0, 1)``."""
    if not (isinstance(gamma, int | float | np.floating) and 0 <= gamma < 1):
        raise ConfigurationError(f"gamma={gamma!r}: expected a number in [0, 1); without discount the values are not defined")
    return float(gamma)


def checked_distributions(name: str, values: npt.ArrayLike, axes: Sequence[str]) -> Array:
    """Return distributions along the last axis as float64; refuse rows that are none.

    Args:
        name: What they are called in error messages.
        values: ``(..., n)``.
        axes: What the axes are called in error messages.
    """
    try:
        return read_distributions(name, values, axes)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def checked_policy(mdp: TabularMDP, policy: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a policy as integers ``(S,)`` or probabilities ``(S, A)``; refuse what is none."""
    array = read_numbers("policy", policy, "actions (S,) or probabilities (S, A)")
    states, actions = mdp.num_states, mdp.num_actions
    if array.shape == (states, actions):
        return checked_distributions("policy", array, ("state", "action"))
    if array.shape != (states,):
        raise ShapeError(f"policy has shape {array.shape}: expected actions ({states},) or probabilities ({states}, {actions})")
    if not np.issubdtype(array.dtype, np.integer):
        raise ConfigurationError(f"policy has type {array.dtype}; expected integers, one action per state")
    if array.min() < 0 or array.max() >= actions:
        raise ConfigurationError(f"policy holds actions in [{array.min()}, {array.max()}]; expected [0, {actions - 1}]")
    return array.astype(np.int64)


def checked_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that is not positive."""
    if not tolerance > 0:
        raise ConfigurationError(f"tolerance={tolerance!r}: expected a positive number, the largest error of the values")


def _checked_successors(successors: npt.ArrayLike, shape: tuple[int, ...]) -> IntArray:
    """Return successor lists as integers."""
    array = read_numbers("successors", successors, f"states, {shape}")
    if array.shape != shape:
        raise ShapeError(f"successors has shape {array.shape} but transitions {shape}: they must agree")
    if not np.issubdtype(array.dtype, np.integer):
        raise ConfigurationError(f"successors has type {array.dtype}; expected integers, the indices of states")
    if array.min() < 0 or array.max() >= shape[0]:
        raise ConfigurationError(f"successors lie in [{array.min()}, {array.max()}]; expected states in [0, {shape[0] - 1}]")
    return array.astype(np.int64)


def _checked_rewards(name: str, rewards: npt.ArrayLike, shapes: tuple[tuple[int, ...], ...]) -> Array:
    """Return rewards of one of some shapes."""
    try:
        array = read_floats(name, rewards)
    except ValueError as error:
        raise ShapeError(str(error)) from None
    if array.shape not in shapes:
        expected = " or ".join(map(str, shapes)) or "(S, A, m) or (S, A, S, m)"
        swapped = (array.shape[1], array.shape[0], *array.shape[2:]) if array.ndim > 1 else ()
        way_out = f"; states come first: np.moveaxis({name}, 0, 1)" if swapped in shapes else ""
        raise ShapeError(f"{name} has shape {array.shape}: expected {expected}{way_out}")
    if not np.isfinite(array).all():
        raise ConfigurationError(f"{name} contains NaN or infinity; expected finite rewards")
    return array


def _gathered(name: str, rewards: Any, rows: SparseRows) -> Any:
    """Rewards of the outcomes that sparse transitions list; what holds for whole pairs stays as it is."""
    if is_sparse(rewards) and rewards.shape == rows.values.shape[:2]:
        return rewards.toarray()
    own = sparse_rows(name, rewards)
    if own is not None:
        return own.at(rows)
    array = read_numbers(name, rewards, "(S, A) or (S, A, S)")
    states = rows.values.shape[0]
    if rows.successors is None or array.ndim < 3 or array.shape[:3] != (*rows.values.shape[:2], states):
        return array
    return array[(*np.ogrid[:states, : array.shape[1], :0][:2], rows.successors)]


def _dense(rewards: Any, shape: tuple[int, ...]) -> Any:
    """Sparse rewards beside dense transitions, as an array."""
    if is_sparse(rewards) and rewards.shape == shape[:2]:
        return rewards.toarray()
    own = sparse_rows("rewards", rewards)
    return rewards if own is None else own.dense
