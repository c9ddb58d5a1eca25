"""One question to a :class:`morl.mip.Maximizer`: the best action known so far, and the answer."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from morl.mip.folded import Array, FoldedNetwork
from morl.mip.objective import Pieces
from morl.mip.scaling import rescaled

Status = Literal["optimal", "gap", "time_limit", "node_limit", "infeasible"]

OPTIMAL_GAP = 1e-6
"""Relative gap up to which an answer is called optimal."""
RESOLUTION = 1e-6
"""What solvers cannot tell from nothing, relative to the largest value met and to the largest effect of one unit: where the
best value is that close to zero, its relative gap says little."""
_SMALLEST = 1e-10  # value below which gaps are absolute


@dataclass(frozen=True, eq=False)
class MIPResult:
    """An action, what it is worth, and how much better another one could be."""

    action: npt.NDArray[np.int8] | None
    """Best action found, ``(N,)`` of zeros and ones, feasible; None if the set is empty."""
    value: float
    """Its scalarised value, by the network itself in float64; ``-inf`` without an action."""
    bound: float
    """No feasible action is worth more than this, up to the solver's tolerances."""
    gap: float
    """``(bound - value) / max(|value|, 1e-10)``, at least 0; infinite without an action."""
    status: Status
    """``optimal``: the gap is at most 1e-6, or ``bound`` and ``value`` differ by less than solvers can tell; ``gap``: it is at
    most what was asked for; ``time_limit`` or ``node_limit``: stopped earlier, with the best action so far; ``infeasible``:
    there is no feasible action."""
    seconds: float
    """Wall time, writing the program included."""
    nodes: int = 0
    """Of the search tree."""


@dataclass(frozen=True)
class Outcome:
    """How a search ended: its status, a bound of what is better than the best known action, and its nodes."""

    status: str
    bound: float
    nodes: int = 0


class Query:
    """One question, and the best action known so far."""

    def __init__(
        self, networks: Sequence[FoldedNetwork], objective: Pieces, gap: float, begin: float, deadline: float, *, rescale: bool
    ) -> None:
        """Ask at one observation; times are those of :func:`time.perf_counter`.

        ``rescale`` puts networks, objective and all values of the query into units that suit a solver.
        """
        self._given = networks, objective
        self.networks, self.objective, self._unit = rescaled(networks, objective) if rescale else (networks, objective, 1.0)
        self.gap, self._begin, self._deadline = gap, begin, deadline
        self._largest = 0.0  # size of the values that were met
        self.action = np.zeros(0, np.bool_)
        self.value = -math.inf

    def values(self, actions: npt.NDArray[Any]) -> Array:
        """Scalarised values of actions ``(B, N)``, by the networks themselves: ``(B,)``."""
        found = _values(self.networks, self.objective, actions)
        self._largest = max(self._largest, float(np.abs(found).max()))
        return found

    def offer(self, actions: npt.NDArray[np.bool_]) -> None:
        """Take the best of feasible actions, ``(N,)`` or ``(B, N)``, if it is better."""
        given = np.atleast_2d(actions)
        values = self.values(given)
        best = int(values.argmax())
        if float(values[best]) > self.value:
            self.action, self.value = given[best], float(values[best])

    @property
    def size(self) -> float:
        """What gaps are relative to."""
        return max(abs(self.value), _SMALLEST / self._unit)

    @property
    def floor(self) -> float:
        """What another action must be worth to matter; a little less than the gap allows, for rounding."""
        return self.value + max(0.999 * self.gap, 1e-9) * self.size

    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.perf_counter() >= self._deadline

    def time_left(self) -> float | None:
        """Seconds until it is; None without a limit."""
        return None if self._deadline == math.inf else max(self._deadline - time.perf_counter(), 0.0)

    def answer(self, end: Outcome) -> MIPResult:
        """The best known action, its value asked of the networks as they were given."""
        value = float(_values(*self._given, self.action[None])[0])
        bound = max(self._unit * end.bound, value)
        remaining = (bound - value) / max(abs(value), _SMALLEST)
        status: Any = end.status
        if status == "optimal":
            nothing = min(RESOLUTION * self._unit * min(self._largest, 1.0), OPTIMAL_GAP)
            status = "optimal" if remaining <= OPTIMAL_GAP or bound - value <= nothing else "gap"
        seconds = time.perf_counter() - self._begin
        return MIPResult(self.action.astype(np.int8), value, bound, remaining, status, seconds, end.nodes)


def _values(networks: Sequence[FoldedNetwork], objective: Pieces, actions: npt.NDArray[Any]) -> Array:
    return objective(np.concatenate([network(actions) for network in networks], axis=-1))
