r"""Box decomposition of a front with two objectives: find all of it, convex or not, by asking for points above referents.

References:
    Röpke, W. et al. (2025). Divide and conquer: provably unveiling the Pareto front with multi-objective reinforcement
    learning. AAMAS. The rule for two objectives, IPRO-2D.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import checked_values

ROUNDING = 1e-12
"""Share of a number below which differences are errors of summation."""

Oracle = Callable[[Floats], npt.ArrayLike]
"""From a referent ``(2,)`` to a return ``(2,)``, the best one by the smallest lead over the referent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Box:
    """A rectangle in which points of the front may still lie."""

    lower: Floats
    """The referent: its worst corner, ``(2,)``."""
    upper: Floats
    """Its best corner, ``(2,)``."""

    @property
    def area(self) -> float:
        """Product of the objectives' units."""
        return float(np.prod(self.upper - self.lower))


@dataclass(frozen=True, kw_only=True, eq=False)
class Decomposition:
    """A front, and what is known of the rest."""

    points: Floats
    """Found points of the front, ``(p, 2)``, by growing first objective."""
    closed: tuple[Box, ...]
    """Boxes above whose referent the oracle found nothing."""
    calls: int
    """Calls of the oracle."""
    error: float
    """Every point of the front exceeds some found one by at most this in each objective, if the oracle is exact."""


class BoxDecomposition:
    """Which referents are still to be asked, while answers come in; the oracle may be a learner, and asked for many at once.

    Between two neighbours of the front that was found there is one box, whose referent is their worst corner. An answer that
    beats its referent splits the box in two; any other closes it. A late answer that dominates earlier ones replaces them, and
    the boxes beside it are open again: so a learner's answers need not be optimal at once.

    Example:
        >>> search = BoxDecomposition([0.0, 0.0], [4.0, 4.0])
        >>> [box.lower.tolist() for box in search.boxes()]
        [[-1.0, -1.0]]
        >>> search.tell(search.boxes()[0], [1.0, 3.0])
        True
        >>> [box.lower.tolist() for box in search.boxes()]
        [[1.0, -1.0], [-1.0, 3.0]]
    """

    def __init__(self, lower: npt.ArrayLike, upper: npt.ArrayLike, *, offset: float = 1.0, tolerance: float = 1e-6) -> None:
        """Begin with one box.

        Args:
            lower: Worst value of each objective on the front, ``(2,)``, or anything below.
            upper: Best value of each objective, ``(2,)``.
            offset: By how much the box is larger on each side, return units, so that the extreme points lie inside.
            tolerance: An answer must beat its referent by more than this in each objective, and boxes of no larger area are
                left alone; return units, and their product.

        Raises:
            ShapeError: There are not two objectives.
            ConfigurationError: A number is not finite, ``lower`` is above ``upper``, or ``offset`` or ``tolerance`` is not
                positive.
        """
        corners = checked_values([lower, upper], "lower and upper")
        if corners.shape[1] != 2:
            raise ShapeError(f"the boxes have {corners.shape[1]} objectives; expected 2, for which the decomposition is made")
        if (corners[0] > corners[1]).any():
            raise ConfigurationError(f"lower is {corners[0].tolist()}, above upper {corners[1].tolist()}; swap them")
        if not (offset > 0 and tolerance > 0):
            raise ConfigurationError(f"offset is {offset:g} and tolerance {tolerance:g}; expected positive numbers")
        self._lower, self._upper = corners[0] - offset, corners[1] + offset
        self._tolerance = tolerance
        self.points: Floats = np.zeros((0, 2))
        """Found points of the front, ``(p, 2)``, by growing first objective."""
        self._closed: dict[tuple[float, ...], Box] = {}

    def boxes(self) -> list[Box]:
        """Open boxes worth asking about, the largest area first."""
        open_boxes = [box for box in self._gaps() if _key(box) not in self._closed and box.area > self._tolerance]
        return sorted(open_boxes, key=lambda box: -box.area)

    def closed(self) -> tuple[Box, ...]:
        """Boxes that hold nothing, as far as the oracle knows."""
        return tuple(self._closed.values())

    def tell(self, box: Box, value: npt.ArrayLike) -> bool:
        """Take in the oracle's answer for a box.

        Args:
            box: One of :meth:`boxes`, now or earlier.
            value: The answer, ``(2,)``.

        Returns:
            Whether it is a new point of the front.

        Raises:
            ShapeError: The value has another shape.
            ConfigurationError: It is NaN or infinite.
        """
        point = checked_values(np.asarray(value, np.float64)[None], "value")[0]
        if point.shape != (2,):
            raise ShapeError(f"value has shape {point.shape}; expected (2,)")
        if not (point > box.lower + self._tolerance).all():
            self._closed[_key(box)] = box
            return False
        if (self.points >= point).all(1).any():
            return False
        kept = self.points[~(self.points <= point).all(1)]
        self.points = np.concatenate([kept, point[None]])
        self.points = self.points[self.points[:, 0].argsort()]
        gaps = {_key(gap) for gap in self._gaps()}
        self._closed = {key: closed for key, closed in self._closed.items() if key in gaps}
        return True

    def error(self) -> float:
        """Largest shortfall of what was found, ``max_u min_v max_j (u_j - v_j)`` over the best corners of boxes not closed."""
        worst = 0.0
        for box in self._gaps():
            if _key(box) in self._closed:
                continue
            lead = (box.upper - self.points).max(1).min() if len(self.points) else (box.upper - box.lower).max()
            worst = max(worst, float(lead))
        return worst

    def _gaps(self) -> list[Box]:
        """The boxes between neighbours, open or closed, left to right."""
        first = np.concatenate([self._lower[:1], self.points[:, 0], self._upper[:1]])
        second = np.concatenate([self._upper[1:], self.points[:, 1], self._lower[1:]])
        return [
            Box(lower=np.array([first[i], second[i + 1]]), upper=np.array([first[i + 1], second[i]]))
            for i in range(len(first) - 1)
        ]


def box_decomposition(
    oracle: Oracle,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    *,
    offset: float = 1.0,
    tolerance: float = 1e-6,
    max_calls: int = 100_000,
) -> Decomposition:
    r"""Find a front of two objectives by asking an oracle about referents, largest box first.

    With an exact oracle every point is found that beats its neighbours by more than ``tolerance``, also in concave parts, with
    one call for each of the ``n`` points and one for each of the ``n + 1`` boxes that are left.

    Args:
        oracle: From a referent to the return that maximises the smallest lead over it, such as :class:`MaxMinOracle`.
        lower: See :class:`BoxDecomposition`; at most as large as the front anywhere.
        upper: See :class:`BoxDecomposition`.
        offset: See :class:`BoxDecomposition`.
        tolerance: See :class:`BoxDecomposition`.
        max_calls: Calls after which to stop; ``error`` says what may be missing.

    Returns:
        The points, the closed boxes, the calls and the error.

    Raises:
        ShapeError: A value has another shape.
        ConfigurationError: See :class:`BoxDecomposition`.

    Source:
        Röpke et al. 2025, IPRO-2D. Deviations: boxes are the gaps between neighbours of the points that were found, which is
        what splitting gives, and stays right when an answer was not optimal.
    """
    search = BoxDecomposition(lower, upper, offset=offset, tolerance=tolerance)
    calls = 0
    while calls < max_calls and (boxes := search.boxes()):
        search.tell(boxes[0], oracle(boxes[0].lower))
        calls += 1
    return Decomposition(points=search.points, closed=search.closed(), calls=calls, error=search.error())


class MaxMinOracle:
    """The exact oracle over a list of values: the largest smallest lead over a referent, ties settled by the mean lead.

    Example:
        >>> MaxMinOracle([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]])([0.0, 0.0]).tolist()
        [1.0, 2.0]
    """

    def __init__(self, values: npt.ArrayLike) -> None:
        """Keep the values.

        Args:
            values: ``(p, m)``, such as the front of :func:`morl.oracles.pareto_value_iteration`.

        Raises:
            ShapeError: ``values`` has not two axes.
            ConfigurationError: There are none, or one is NaN or infinite.
        """
        self._values = checked_values(values)
        if not len(self._values):
            raise ConfigurationError("values is empty; expected at least one")
        self._span = ranges(self._values)

    def __call__(self, referent: npt.ArrayLike) -> Floats:
        """The best value for a referent ``(m,)``."""
        lead = (self._values - np.asarray(referent, np.float64)) / self._span
        smallest = lead.min(1)
        tied = smallest >= smallest.max() - 1e-12
        best: Floats = self._values[np.where(tied, lead.mean(1), -np.inf).argmax()]
        return best


def ranges(values: Floats) -> Floats:
    """Range of each objective over values ``(p, m)``, 1 where there is none but rounding; ``(m,)``."""
    span = np.ptp(values, axis=0)
    found: Floats = np.where(span > ROUNDING * np.abs(values).max(0), span, 1.0)
    return found


def _key(box: Box) -> tuple[float, ...]:
    return (*box.lower.tolist(), *box.upper.tolist())
