"""A list of models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.parameter_space import ParameterSpace
from morl.errors import ConfigurationError
from morl.fields import Number
from robust.uncertainty.base import Array, Nominal, Region, UncertaintySet, checked, settled_nominal


@dataclass(frozen=True)
class Finite(UncertaintySet):
    """One of some models, each a value for every parameter, in the environment's order."""

    models: tuple[tuple[Number, ...], ...] = ()
    """``(K, k)``; none: the nominal model alone."""
    nominal: Nominal = "require"
    """What if the nominal model is not on the list; `clip` takes the first nearest one."""

    def region(self, space: ParameterSpace) -> FiniteRegion:
        lengths = {len(model) for model in self.models}
        if lengths - {len(space)}:
            raise ConfigurationError(
                f"Finite.models: every model needs {len(space)} numbers, for {', '.join(space.names)}; found {sorted(lengths)}"
            )
        models = np.array(self.models, dtype=np.float64) if self.models else space.nominal[None]
        return finite_region(space, models, self.nominal)


def finite_region(space: ParameterSpace, models: Array, nominal: Nominal) -> FiniteRegion:
    """The region of listed models ``(K, k)``."""
    models = checked(space, models)
    low, high = models.min(0), models.max(0)
    listed = bool((models == space.nominal).all(-1).any())
    apart = np.abs(models - space.nominal) / np.where(high > low, high - low, 1.0)
    settled = settled_nominal(space, listed, models[apart.max(-1).argmin()], nominal)
    return FiniteRegion(space=space, low=low, high=high, nominal=settled, listed=models)


@dataclass(frozen=True, kw_only=True)
class FiniteRegion(Region):
    """A list; the cube is an interval that is cut into ``K`` equal parts."""

    listed: Array
    """The models, ``(K, k)``."""

    @property
    def dimension(self) -> int:
        return 1

    @property
    def candidates(self) -> Array | None:
        return self.listed

    def models(self, cube: Array) -> Array:
        index = np.minimum((cube[:, 0] * len(self.listed)).astype(np.int64), len(self.listed) - 1)
        return np.asarray(self.listed[index])

    def contains(self, models: Array) -> npt.NDArray[np.bool_]:
        return np.asarray((models[:, None] == self.listed[None]).all(-1).any(-1))
