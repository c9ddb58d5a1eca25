"""The parameters of a transition model: names, units, nominal values, and the range they are uncertain in."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats

Params: TypeAlias = "Mapping[str, float] | npt.ArrayLike | str | None"
"""How a model is named: by name and value (the others stay), all values in order, ``"nominal"``, or None (no change)."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a transition model."""

    name: str
    """Such as ``mass``."""
    nominal: float
    """Value of the unchanged environment; it need not lie between ``low`` and ``high``."""
    low: float
    """Lower end of the environment's own uncertainty set."""
    high: float
    """Upper end of the environment's own uncertainty set."""
    unit: str = ""
    """Such as ``kg``; empty for a pure number."""
    smallest: float = np.finfo(np.float64).tiny
    """Smallest value that can be simulated; by default anything positive."""
    largest: float = np.inf
    """Largest value that can be simulated."""

    def __post_init__(self) -> None:
        if not self.smallest <= self.low <= self.high <= self.largest:
            raise ValueError(
                f"parameter {self.name!r}: expected smallest <= low <= high <= largest, found {self.smallest:g}, {self.low:g}, "
                f"{self.high:g}, {self.largest:g}; are the bounds reversed?"
            )
        if not self.smallest <= self.nominal <= self.largest:
            raise ValueError(f"parameter {self.name!r}: the nominal value {self.nominal:g} cannot be simulated")


@dataclass(frozen=True)
class ParameterSpace:
    """The ``k`` parameters of an environment, in a fixed order.

    ``low`` and ``high`` are a default uncertainty set; values outside them can be set as long as they can be simulated.

    Example:
        >>> space = ParameterSpace((Parameter(name="mass", nominal=1.0, low=0.5, high=2.0, unit="kg"),))
        >>> space.names, space.vector({"mass": 1.5}, current=space.nominal)
        (('mass',), array([1.5]))
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        if not self.parameters or len(set(self.names)) < len(self.names):
            raise ValueError(f"a parameter space needs at least one parameter and names that differ; found {self.names}")

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """Names, ``k``."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def units(self) -> tuple[str, ...]:
        """Units, ``k``; empty text for pure numbers."""
        return tuple(parameter.unit for parameter in self.parameters)

    @property
    def nominal(self) -> Floats:
        """Nominal model, ``(k,)``."""
        return self._column("nominal")

    @property
    def low(self) -> Floats:
        """Lower ends of the default uncertainty set, ``(k,)``."""
        return self._column("low")

    @property
    def high(self) -> Floats:
        """Upper ends of the default uncertainty set, ``(k,)``."""
        return self._column("high")

    def _column(self, field: str) -> Floats:
        return np.array([getattr(parameter, field) for parameter in self.parameters], dtype=np.float64)

    def checked(self, models: npt.ArrayLike) -> Floats:
        """Check models.

        Args:
            models: ``(..., k)``.

        Returns:
            The same as float64.

        Raises:
            ValueError: Not ``k`` values, or one that is not finite or cannot be simulated; names it.
        """
        values = np.asarray(models, dtype=np.float64)
        if values.ndim < 1 or values.shape[-1] != len(self):
            raise ValueError(
                f"params has shape {values.shape}; expected (..., {len(self)}) in the order {', '.join(self.names)}"
            )
        fits = np.isfinite(values) & (values >= self._column("smallest")) & (values <= self._column("largest"))
        if not fits.all():
            place = tuple(np.argwhere(~fits)[0])
            bad = self.parameters[place[-1]]
            raise ValueError(
                f"parameter {bad.name!r} is {values[place]:g}; expected a finite number in [{bad.smallest:g}, {bad.largest:g}]"
                + (f" {bad.unit}" if bad.unit else "")
            )
        return values

    def vector(self, params: Params, *, current: Floats) -> Floats:
        """Turn what a user names into a model.

        Args:
            params: See :data:`Params`; an array may also be ``(..., k)``, and a mapping may hold arrays.
            current: The model in force, ``(..., k)``: what is not named stays.

        Returns:
            ``(..., k)``, checked; a new array.

        Raises:
            ValueError: An unknown name, or see :meth:`checked`.
        """
        if params is None:
            return current.copy()
        if isinstance(params, str):
            if params != "nominal":
                raise ValueError(f"params is {params!r}; expected a mapping, {len(self)} numbers, 'nominal' or None")
            return np.broadcast_to(self.nominal, current.shape).copy()
        if not isinstance(params, Mapping):
            return np.broadcast_to(self.checked(params), current.shape).copy()
        model = current.copy()
        for name, value in params.items():
            if name not in self.names:
                near = difflib.get_close_matches(str(name), self.names, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"unknown parameter {name!r}.{hint} This environment has {', '.join(self.names)}")
            model[..., self.names.index(name)] = value
        return self.checked(model)

    def mapping(self, model: Floats) -> dict[str, Any]:
        """A model by name: numbers for ``(k,)``, arrays ``(...)`` for ``(..., k)``."""
        columns = np.moveaxis(np.asarray(model), -1, 0)
        return {name: column.copy() if column.ndim else float(column) for name, column in zip(self.names, columns, strict=True)}
