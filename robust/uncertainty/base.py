"""What every uncertainty set has: it becomes a region of an environment's parameter space, seen through the unit cube."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from envs.parameter_space import ParameterSpace
from morl.errors import CapabilityError, ConfigurationError, closest
from morl.fields import CheckedFields

Array = npt.NDArray[np.float64]

Nominal = Literal["require", "keep", "clip"]
"""What if the nominal model is outside the set: an error, use it as it is, or use the nearest model of the set."""


@dataclass(frozen=True, kw_only=True)
class Region(ABC):
    """An uncertainty set of a given environment: a part of its parameter space, which searches see as a cube ``[0, 1]^d``."""

    space: ParameterSpace
    """Names and nominal values of the ``k`` parameters."""
    low: Array
    """Smallest value of each parameter, ``(k,)``."""
    high: Array
    """Largest value of each parameter, ``(k,)``."""
    nominal: Array
    """The model that counts as nominal, ``(k,)``."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """``d``: degrees of freedom."""

    @property
    def candidates(self) -> Array | None:
        """All models ``(K, k)`` of a finite set; None for a continuous one."""
        return None

    @abstractmethod
    def models(self, cube: Array) -> Array:
        """Map the cube onto the set: ``(N, d)`` in ``[0, 1]`` to models ``(N, k)``."""

    @abstractmethod
    def contains(self, models: Array) -> npt.NDArray[np.bool_]:
        """Which models ``(N, k)`` belong to the set, ``(N,)``, up to rounding."""

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Models ``(count, k)``, uniform over the set."""
        return self.models(rng.random((count, self.dimension)))

    def distance(self, models: Array, others: Array) -> Array:
        """How far models are apart, in shares of each parameter's range.

        Args:
            models: ``(N, k)``.
            others: ``(M, k)``.

        Returns:
            Largest difference over the parameters that vary, ``(N, M)``.
        """
        width = self.high - self.low
        scaled = np.abs(models[:, None] - others[None]) / np.where(width > 0, width, 1.0)
        return np.asarray(scaled.max(-1))


class UncertaintySet(CheckedFields, ABC):
    """Configuration of an uncertainty set; independent of an environment until ``region`` is asked."""

    @abstractmethod
    def region(self, space: ParameterSpace) -> Region:
        """The set within an environment's parameters.

        Args:
            space: The environment's parameters.

        Raises:
            ConfigurationError: A parameter is unknown, bounds are reversed, a model cannot be simulated, or the nominal one is
                outside the set although it must not be.
        """


def require_space(space: ParameterSpace | None, env_id: str, solver: str) -> ParameterSpace:
    """The parameters of an environment.

    Raises:
        CapabilityError: Its dynamics cannot be set.
    """
    if space is None:
        raise CapabilityError(
            f"{solver} trains over transition models, but the dynamics of {env_id} cannot be set; use an environment with a "
            "parameter_space, such as those under 'parametric/' ('morl list env'), or add one to yours (envs.protocols)"
        )
    return space


def checked(space: ParameterSpace, models: Array) -> Array:
    """Models that can be simulated; a ValueError becomes a ConfigurationError."""
    try:
        return space.checked(models)
    except ValueError as error:
        raise ConfigurationError(f"uncertainty: {error}") from error


def index_of(space: ParameterSpace, name: str) -> int:
    """Position of a parameter.

    Raises:
        ConfigurationError: There is none of this name; says which one is meant.
    """
    if name not in space.names:
        raise ConfigurationError(
            f"uncertainty: unknown parameter {name!r}.{closest(name, space.names)} The environment has {', '.join(space.names)}"
        )
    return space.names.index(name)


def settled_nominal(space: ParameterSpace, region_contains: bool, nearest: Array, nominal: Nominal) -> Array:
    """The nominal model of a set, as asked for.

    Args:
        space: The parameters.
        region_contains: Whether the environment's nominal model belongs to the set.
        nearest: Nearest model of the set, ``(k,)``.
        nominal: What to do if it does not.

    Raises:
        ConfigurationError: It does not and has to.
    """
    if region_contains or nominal == "keep":
        return space.nominal
    if nominal == "clip":
        return nearest
    found = ", ".join(f"{name}={value:g}" for name, value in zip(space.names, space.nominal, strict=True))
    raise ConfigurationError(
        f"uncertainty: the nominal model ({found}) is outside the set; widen the set, or set nominal: keep (train nominal "
        "policies there all the same) or nominal: clip (at the nearest model of the set)"
    )
