"""Independent ranges of some parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.parameter_space import ParameterSpace
from morl.errors import ConfigurationError
from morl.fields import Number
from robust.uncertainty.base import Array, Nominal, Region, UncertaintySet, checked, index_of, settled_nominal


@dataclass(frozen=True)
class Box(UncertaintySet):
    """Every parameter varies in a range of its own; those that are not named stay nominal.

    Example:
        >>> from envs.parametric.pendulum import Pendulum
        >>> Box({"mass": (0.5, 2.0)}).region(Pendulum(1).parameter_space).models(np.array([[0.0], [1.0]]))
        array([[0.5, 1. ],
               [2. , 1. ]])
    """

    bounds: Mapping[str, tuple[Number, Number]] | None = None
    """Lowest and highest value by parameter; None for the environment's own set."""
    nominal: Nominal = "require"
    """What if the nominal model is outside."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, (low, high) in (self.bounds or {}).items():
            if not low <= high:
                raise ConfigurationError(f"Box.bounds[{name!r}] is [{low:g}, {high:g}]; expected the lower bound first")

    def region(self, space: ParameterSpace) -> BoxRegion:
        low, high = space.low, space.high
        if self.bounds is not None:
            low, high = space.nominal, space.nominal
            for name, pair in self.bounds.items():
                i = index_of(space, name)
                low[i], high[i] = pair
        checked(space, np.stack([low, high]))
        inside = bool(((space.nominal >= low) & (space.nominal <= high)).all())
        nominal = settled_nominal(space, inside, np.clip(space.nominal, low, high), self.nominal)
        return BoxRegion(space=space, low=low, high=high, nominal=nominal)


@dataclass(frozen=True, kw_only=True)
class BoxRegion(Region):
    """A box; the cube's axes are the parameters whose range is not a single point."""

    @property
    def _free(self) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self.high > self.low)

    @property
    def dimension(self) -> int:
        return len(self._free)

    def models(self, cube: Array) -> Array:
        free = self._free
        models = np.tile(self.low, (len(cube), 1))
        models[:, free] += cube * (self.high - self.low)[free]
        # The upper end itself, whatever the rounding.
        return np.minimum(models, self.high)

    def contains(self, models: Array) -> npt.NDArray[np.bool_]:
        slack = 1e-9 * (1.0 + np.abs(self.high))
        return np.asarray(((models >= self.low - slack) & (models <= self.high + slack)).all(-1))
