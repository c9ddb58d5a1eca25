r"""Bounds over the actions that are worth more than one that is known, and components that all of them share.

Whoever looks for an action better than :math:`v` need not bound units over any other action. Back-substitution gives a linear
function above the objective, :math:`g(q(a)) \le \alpha^\top a + \beta`, so that every better action satisfies the *cut*
:math:`\alpha^\top a + \beta \ge v`; and a linear function :math:`d^\top a + k` above a pre-activation, whose bound is then

.. math:: \min_{\mu \ge 0}\; k + \mu (\beta - v) + \max_{a} (d + \mu \alpha)^\top a

with the maximum in closed form over the action polytope, for a few multipliers of all units at once. In the same way a
component is fixed if no better action can have the other value. Tighter bounds of units give a lower line above the objective,
a deeper cut, and so on: on trained networks a few rounds often leave no better action, which is a proof that there is none.
Where they do not, the region is split by the sign of a unit's pre-activation.

Source:
    The cut is optimality-based bound tightening (Gleixner, Berthold, Mueller, Weltge, Three enhancements for optimization-based
    bound tightening, J. Global Optimization 2017) with Lagrange multipliers as in Wang et al., Beta-CROWN, NeurIPS 2021.
    Deviations: multipliers from a grid instead of linear programs or gradients, and the action polytope in closed form.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from morl.mip.bounds.crown import crown, slopes_of, substituted
from morl.mip.bounds.interval import LayerBounds
from morl.mip.folded import Array, FoldedNetwork, Layer
from morl.mip.objective import Pieces
from morl.mip.polytope import ActionPolytope, Inequalities

_MULTIPLIERS = np.array([0.1, 0.25, 0.5, 1.0, 2.0, 4.0])
"""Tried for each cut, in units of the ratio of the coefficients' sizes."""
_SPLITS = 3  # units whose state is a cut; what earlier ones say is in the bounds
_ROOM = 1e-9  # relative; what rounding may cost


class Region:
    """All actions that may be worth more than a floor: bounds of units, fixed components, and a bound of the objective."""

    def __init__(self, networks: Sequence[FoldedNetwork], objective: Pieces, polytope: ActionPolytope) -> None:
        """Begin with every feasible action.

        Args:
            networks: At one observation.
            objective: ``g``, a function of all their outputs.
            polytope: What is known of the feasible actions; not empty.
        """
        size = polytope.num_actions
        self.networks, self.objective, self.polytope = networks, objective, polytope
        self.bounds: list[list[LayerBounds]] = [crown(network, polytope) for network in networks]
        """Of the pre-activations, by network and layer."""
        self.ones = np.zeros(size, np.bool_)
        """Components that are one in all of these actions, ``(N,)``."""
        self.zeros = np.zeros(size, np.bool_)
        """Components that are zero in all of these actions, ``(N,)``."""
        self.slopes, self._constants = self._lines()
        """Coefficients of linear functions above the pieces of the objective, ``(P, N)``."""
        self._splits = np.zeros((0, size)), np.zeros(0)
        self.upper = float((self._constants + polytope.support(self.slopes)).min())
        """No feasible action is worth more than the larger one of this and the largest floor so far."""
        self.is_empty = False
        """Whether it is proven that no action is worth more than the floor."""

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """Components that may still be zero or one, ``(N,)``."""
        return ~(self.ones | self.zeros)

    def shrink(self, floor: float) -> None:
        """One round: leave out actions that are worth at most ``floor``."""
        self.is_empty = self.is_empty or not (
            self._fix_components(floor)
            and all(self._bound_units(which, network, floor) for which, network in enumerate(self.networks))
            and self._bound_objective(floor)
        )
        if self.is_empty:
            self.upper = -np.inf

    def favoured(self) -> Array:
        """A linear function ``(N,)`` whose maximiser is that of the line above the objective within the region."""
        total = self.slopes.mean(0)
        large = 4.0 * np.abs(total).sum() + 1.0
        return np.asarray(np.where(self.ones, large, np.where(self.zeros, -large, total)))

    def split(self, action: npt.NDArray[np.bool_]) -> tuple[Region, Region] | None:
        """The actions at which one unit is off, and those at which it is on; None if no relaxed unit matters.

        Args:
            action: The unit is that whose relaxation adds most to the lines above the objective here, ``(N,)``.
        """
        largest, place = 0.0, None
        given = action[None].astype(np.float64)
        for which, network in enumerate(self.networks):
            factors = self.objective.of(which, network.num_outputs) @ network.output.recurrent
            hidden = network.activations(given)
            for number in reversed(range(len(network.hidden))):
                lower, upper = self.bounds[which][number]
                open_, above, below = slopes_of(lower, upper)
                into = network.hidden[number](hidden[number], given)[0]
                high = np.where(open_, above * (into - lower) - hidden[number + 1][0], 0.0)
                low = np.where(open_, hidden[number + 1][0] - below * into, 0.0)
                scores = (np.maximum(factors, 0.0) * high + np.maximum(-factors, 0.0) * low).max(0)
                if scores.size and scores.max() > largest:
                    largest, place = float(scores.max()), (which, number, int(scores.argmax()))
                factors = np.where(factors > 0, factors * above, factors * below) @ network.hidden[number].recurrent
        return None if place is None else (self._half(*place, on=False), self._half(*place, on=True))

    def _half(self, which: int, number: int, unit: int, *, on: bool) -> Region:
        half = copy.copy(self)
        half.ones, half.zeros = self.ones.copy(), self.zeros.copy()
        half.bounds = [list(layers) for layers in self.bounds]
        lower, upper = (side.copy() for side in self.bounds[which][number])
        (lower if on else upper)[unit] = 0.0
        half.bounds[which][number] = (lower, upper)
        half.slopes, half._constants = half._lines()
        # That the unit is on, or off, is one more cut: a line above its pre-activation, or above minus that, is not negative.
        layer, sign = self.networks[which].hidden[number], 1.0 if on else -1.0
        one = Layer(*(sign * part[[unit]] for part in (layer.recurrent, layer.direct, layer.constant)))
        row, constant = substituted(self.networks[which].hidden[:number], self.bounds[which], one)
        rows, constants = self._splits
        half._splits = np.concatenate([rows, row])[-_SPLITS:], np.concatenate([constants, constant])[-_SPLITS:]
        return half

    def _cuts(self, floor: float) -> tuple[Array, Array]:
        """Linear functions of the free components that are not negative."""
        rows, constants = self._splits
        return self._seen(np.concatenate([self.slopes, rows]), np.concatenate([self._constants - floor, constants]))

    def _lines(self) -> tuple[Array, Array]:
        """Linear functions above the pieces of the objective: ``(P, N)`` and ``(P,)``."""
        count = len(self.objective.offsets)
        slopes, constants = np.zeros((count, self.polytope.num_actions)), self.objective.offsets.copy()
        for which, (network, bounds) in enumerate(zip(self.networks, self.bounds, strict=True)):
            weights, out = self.objective.of(which, network.num_outputs), network.output
            one = Layer(weights @ out.recurrent, weights @ out.direct, weights @ out.constant)
            direct, constant = substituted(network.hidden, bounds, one)
            slopes += direct
            constants += constant
        return slopes, constants

    def _face(self) -> Inequalities | None:
        return self.polytope.face(self.free, self.ones)

    def _seen(self, rows: Array, constants: Array) -> tuple[Array, Array]:
        """Linear functions of the free components alone."""
        return rows[:, self.free], constants + rows[:, self.ones].sum(1)

    def _fix_components(self, floor: float) -> bool:
        """False if no action is left; so do the next two."""
        face, places = self._face(), np.flatnonzero(self.free)
        if face is None or not places.size:
            return face is not None
        possible = True
        for slope, constant in zip(*self._seen(self.slopes, self._constants), strict=True):
            size = np.abs(slope).sum()
            # A gain so large that the maximum takes the component whenever it can, and a loss so large that it never does.
            large = 4.0 * size + 1.0
            forced = np.tile(slope, (2 * len(places), 1))
            one, zero = np.split(forced, 2)
            np.fill_diagonal(one, large)
            np.fill_diagonal(zero, -large)
            best_one, best_zero = np.split(face.support(forced) + constant, 2)
            low = floor - _ROOM * (large + abs(constant))
            never, always = best_one - large + slope < low, best_zero < low
            self.zeros[places[never]] = True
            self.ones[places[always]] = True
            possible &= not bool((never & always).any())
        return possible

    def _bound_units(self, which: int, network: FoldedNetwork, floor: float) -> bool:
        if (face := self._face()) is None:
            return False
        cuts, offsets = self._cuts(floor)
        new: list[LayerBounds] = []
        for number, layer in enumerate(network.hidden):
            lower, upper = (side.copy() for side in self.bounds[which][number])
            units = np.flatnonzero((lower < 0) & (upper > 0))
            if units.size:
                up = Layer(layer.recurrent[units], layer.direct[units], layer.constant[units])
                both = Layer(*(np.concatenate([part, -part]) for part in (up.recurrent, up.direct, up.constant)))
                rows, constants = self._seen(*substituted(network.hidden[:number], new, both))
                high, low = np.split(_capped(face, rows, constants, cuts, offsets), 2)
                upper[units] = np.minimum(upper[units], high)
                lower[units] = np.maximum(lower[units], -low)
                room = _ROOM * (1.0 + np.abs(lower) + np.abs(upper))
                if (lower > upper + room).any():
                    return False
                lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
            new.append((lower, upper))
        self.bounds[which] = new
        return True

    def _bound_objective(self, floor: float) -> bool:
        self.slopes, self._constants = self._lines()
        if (face := self._face()) is None:
            return False
        rows, constants = self._seen(self.slopes, self._constants)
        self.upper = min(self.upper, float(_capped(face, rows, constants, *self._cuts(floor)).min()))
        return self.upper >= floor


def _capped(face: Inequalities, rows: Array, constants: Array, cuts: Array, offsets: Array) -> Array:
    """Upper bounds of ``rows @ a + constants`` over the actions with ``cuts @ a + offsets >= 0``: ``(U,)``.

    The multiplier of one cut after the other is chosen from a grid.
    """
    best = face.support(rows) + constants
    every = np.arange(len(rows))
    sizes = np.abs(rows).sum(1)
    for cut, offset in zip(cuts, offsets, strict=True):
        size = np.abs(cut).sum()
        if size <= 0:
            continue
        multipliers = (sizes / size)[:, None] * _MULTIPLIERS
        tried = rows[:, None] + multipliers[:, :, None] * cut
        levels = constants[:, None] + multipliers * offset
        found = face.support(tried.reshape(-1, rows.shape[1])).reshape(levels.shape) + levels
        place = found.argmin(1)
        better = found[every, place] < best
        rows = np.where(better[:, None], tried[every, place], rows)
        constants = np.where(better, levels[every, place], constants)
        best = np.where(better, found[every, place], best)
    return best
