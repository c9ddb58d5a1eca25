"""Parameters that cannot all be far from nominal at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.parameter_space import ParameterSpace
from morl.errors import ConfigurationError
from morl.fields import Positive
from robust.uncertainty.base import Array, Region, UncertaintySet, checked, index_of


@dataclass(frozen=True)
class Ball(UncertaintySet):
    r"""An ellipsoid around the nominal model: :math:`\sum_i ((x_i - x^0_i) / r_i)^2 \le 1`.

    Parameters without radius stay nominal.
    """

    radii: Mapping[str, Positive] | None = None
    """Half-axis by parameter, in its unit, positive; None: from nominal to the nearer end of the environment's own range."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.radii is not None and not self.radii:
            raise ConfigurationError("Ball.radii is empty; name at least one parameter")

    def region(self, space: ParameterSpace) -> BallRegion:
        half = np.zeros(len(space))
        if self.radii is None:
            half = np.maximum(np.minimum(space.nominal - space.low, space.high - space.nominal), 0.0)
        for name, radius in (self.radii or {}).items():
            half[index_of(space, name)] = radius
        low, high = space.nominal - half, space.nominal + half
        checked(space, np.stack([low, high]))
        return BallRegion(space=space, low=low, high=high, nominal=space.nominal)


@dataclass(frozen=True, kw_only=True)
class BallRegion(Region):
    """An ellipsoid; the cube is squeezed onto it along rays from the centre, so that its faces become the surface."""

    @property
    def _half(self) -> Array:
        return (self.high - self.low) / 2.0

    @property
    def dimension(self) -> int:
        return int(np.count_nonzero(self._half))

    def _at(self, offsets: Array) -> Array:
        """Models at offsets ``(N, d)`` in the unit ball."""
        half = self._half
        free = np.flatnonzero(half)
        models = np.tile(self.nominal, (len(offsets), 1))
        models[:, free] += offsets * half[free]
        return models

    def models(self, cube: Array) -> Array:
        ray = 2.0 * cube - 1.0
        length = np.sqrt((ray**2).sum(-1, keepdims=True))
        reach = np.abs(ray).max(-1, keepdims=True)
        return self._at(ray * np.divide(reach, length, out=np.zeros_like(length), where=length > 0))

    def contains(self, models: Array) -> npt.NDArray[np.bool_]:
        half = self._half
        scaled = (models - self.nominal) / np.where(half > 0, half, 1e-12)
        return np.asarray((scaled**2).sum(-1) <= 1.0 + 1e-9)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        direction = rng.normal(size=(count, self.dimension))
        direction /= np.sqrt((direction**2).sum(-1, keepdims=True))
        return self._at(direction * rng.random((count, 1)) ** (1.0 / self.dimension))
