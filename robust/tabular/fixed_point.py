"""Fixed points of Bellman operators: sweeps, sped up by following the choices of the last sweep to their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Choice = TypeVar("Choice")

_DIRECT_STATES = 1_000
"""Up to this many states linear systems are solved directly."""


class Chain(NamedTuple):
    """A Markov chain with rewards: what remains of a process once the policy and nature's choice are fixed."""

    probabilities: Array
    """``(S, S)``, or ``(S, w)`` with successors."""
    rewards: Array
    """Expected reward of each state, ``(S,)`` or ``(S, m)``."""
    successors: IntArray | None
    """Where each outcome leads, ``(S, w)``; None if dense."""

    def values(self, gamma: float, *, start: Array | None = None, precision: float = 1e-12) -> Array:
        """Expected discounted returns of all states.

        Args:
            gamma: Discount.
            start: First guess ``(S,)`` or ``(S, m)`` where the system is too large to be solved directly.
            precision: Where it is solved by sweeps: stop when their change has fallen to this fraction of the first one.

        Returns:
            Values, shaped as the rewards.
        """
        size = len(self.probabilities)
        if size <= _DIRECT_STATES:
            return np.asarray(np.linalg.solve(np.eye(size) - gamma * self.dense(), self.rewards))
        matrix = self.probabilities if self.successors is None else self._sparse()
        values = np.zeros_like(self.rewards) if start is None else start
        enough, previous = 0.0, np.inf
        while True:
            following = self.rewards + gamma * (matrix @ values)
            change = float(np.abs(following - values).max())
            values = following
            # A sweep contracts; where it does not any more, rounding is all that is left.
            if change <= enough or change >= previous:
                return values
            enough = enough or precision * change
            previous = change

    def dense(self) -> Array:
        """Transition matrix, ``(S, S)``."""
        return self.probabilities if self.successors is None else np.asarray(self._sparse().toarray())

    def _sparse(self) -> csr_matrix:
        """Transition matrix; outcomes that lead to the same state add up."""
        assert self.successors is not None
        size, width = self.probabilities.shape
        pointers = np.arange(0, size * width + 1, width)
        return csr_matrix((self.probabilities.ravel(), self.successors.ravel(), pointers), shape=(size, size))


def fixed_point(
    sweep: Callable[[Array], tuple[Array, Choice]],
    chain: Callable[[Array, Choice], Chain],
    *,
    start: Array,
    gamma: float,
    tolerance: float,
) -> tuple[Array, Choice]:
    r"""Fixed point of a Bellman operator that is a contraction with modulus ``gamma``.

    After each sweep the policy and nature's distributions are frozen and their chain is solved. That is Newton's method on the
    Bellman equation and usually needs a handful of sweeps. Between a maximising and a minimising player it need not
    converge; so its result is taken only if the residual :math:`\lVert TV - V\rVert_\infty` has shrunk as much as a plain
    sweep guarantees, else the plain sweep counts. The residual therefore always shrinks by ``gamma`` per step.

    Args:
        sweep: Applies the operator to values ``(S,)``; also returns the choices it made.
        chain: Turns values and choices into the chain they lead to.
        start: First values, ``(S,)``.
        gamma: Modulus of contraction, the discount.
        tolerance: Largest error of the values in the maximum norm.

    Returns:
        Values ``(S,)`` and the choices of the last sweep.

    Source:
        Puterman and Shin 1978 (modified policy iteration); Kaufman and Schaefer 2013 (its robust form). Deviations: nature's
        choices are frozen too, with the safeguard above; the stop rule is :math:`\lVert TV - V\rVert \le
        \epsilon (1 - \gamma) / (2 \gamma)`, or the rounding error of a sweep.
    """
    threshold = tolerance * (1 - gamma) / (2 * gamma) if gamma > 0 else np.inf
    values = start
    swept, choice = sweep(values)
    residual = float(np.abs(swept - values).max())
    while residual > threshold:
        values = chain(values, choice).values(gamma, start=swept, precision=1e-3)
        following, following_choice = sweep(values)
        following_residual = float(np.abs(following - values).max())
        if not following_residual <= gamma * residual:
            values = swept
            following, following_choice = sweep(values)
            following_residual = float(np.abs(following - values).max())
            if following_residual >= residual:
                break  # a sweep contracts: only rounding is left
        swept, choice, residual = following, following_choice, following_residual
    return swept, choice
