"""Box: each probability lies in an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.errors import ConfigurationError, ShapeError
from robust.tabular.ambiguity.base import Array, Index, PairByPair, Support, checked_radius, checked_support, poured
from robust.tabular.mdp import read_numbers

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Box(PairByPair):
    r"""Interval probabilities, :math:`l \le p \le u`: either a ball in the maximum norm or bounds of one's own.

    The worst distribution starts at the lower bounds and gives the remaining mass to the outcomes in ascending order of
    their worth, each up to its upper bound.

    Source:
        Nilim and El Ghaoui 2005, interval model. Deviations: none.

    Example:
        >>> box = Box(lower=np.array([[[0.2, 0.1, 0.0, 0.1]]]), upper=np.array([[[0.6, 0.5, 0.3, 0.4]]]))
        >>> box.worst_distribution(np.array([1.0, 2.0, 5.0, 4.0]), np.array([[[0.4, 0.3, 0.1, 0.2]]])).round(9)
        array([[[0.6, 0.3, 0. , 0.1]]])
    """

    radius: float | None = None
    """Maximum-norm distance to the nominal distribution, ``>= 0``. Leave it out where the bounds are given."""
    lower: Array | None = None
    """Lower bounds ``(S, A, b)``, or anything that broadcasts to it."""
    upper: Array | None = None
    """Upper bounds ``(S, A, b)``, or anything that broadcasts to it."""
    support: Support = "simplex"
    """With ``radius``: `nominal` keeps outcomes impossible that nominally are. Bounds of one's own say it themselves."""

    def __post_init__(self) -> None:
        checked_support("Box", self.support)
        if (self.radius is None) == (self.lower is None) or (self.lower is None) != (self.upper is None):
            raise ConfigurationError("Box: expected either a radius, or both lower and upper")
        if self.radius is not None:
            object.__setattr__(self, "radius", checked_radius("Box", self.radius))
            return
        if self.support != "simplex":
            raise ConfigurationError("Box(support='nominal') needs a radius: with bounds, set upper to 0 where it applies")
        lower, upper = (
            read_numbers(f"Box: {name}", bound, "(S, A, b)").astype(np.float64)
            for name, bound in (("lower", self.lower), ("upper", self.upper))
        )
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            raise ConfigurationError("Box: the bounds contain NaN or infinity; expected probabilities")
        if (lower > upper).any():
            raise ConfigurationError("Box: a lower bound exceeds its upper bound; swap them")
        object.__setattr__(self, "lower", np.maximum(lower, 0.0))
        object.__setattr__(self, "upper", np.minimum(upper, 1.0))

    def check(self, transitions: Array) -> None:
        """Refuse bounds that do not fit the MDP or do not hold its nominal model."""
        if self.lower is None or self.upper is None:
            return
        for name, bound in (("lower", self.lower), ("upper", self.upper)):
            try:
                np.broadcast_to(bound, transitions.shape)
            except ValueError:
                raise ShapeError(f"Box: {name} has shape {bound.shape}, the MDP's transitions {transitions.shape}") from None
        outside = (transitions < self.lower - _ROUNDING) | (transitions > self.upper + _ROUNDING)
        if outside.any():
            s, a, b = map(int, np.argwhere(outside)[0])
            raise ConfigurationError(
                f"Box: the nominal probability {transitions[s, a, b]:.6g} of transitions[{s}, {a}, {b}] is outside its bounds; "
                "widen the bounds or correct the nominal model"
            )

    def at(self, index: Index) -> Box:
        if self.lower is None or self.upper is None or index is Ellipsis:
            return self
        # Bounds that broadcast over states or actions have length one there.
        parts = []
        for bound in (self.lower, self.upper):
            full = bound.reshape((1,) * (3 - bound.ndim) + bound.shape)
            states, actions = (x if n > 1 else np.zeros_like(x) for x, n in zip(index, full.shape[:2], strict=True))
            parts.append(full[states, actions])
        return Box(lower=parts[0], upper=parts[1])

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        if self.radius is None:
            assert self.lower is not None
            assert self.upper is not None
            # The nominal model is inside, up to rounding: the remaining mass is never negative.
            lower, upper = np.minimum(self.lower, nominal), np.maximum(self.upper, nominal)
        else:
            lower, upper = np.maximum(nominal - self.radius, 0.0), np.minimum(nominal + self.radius, 1.0)
            if self.support == "nominal":
                upper = np.where(nominal > 0, upper, 0.0)
        free = 1.0 - lower.sum(axis=-1, keepdims=True)
        return poured(outcomes, upper - lower, free) + lower
