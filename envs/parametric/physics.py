"""What a parameter does to a MuJoCo model: a body's mass, the friction of the ground, a force on a body.

Each reads its nominal value from the compiled model and writes a value into a copy of it. ``compat="rrls"`` writes what the
public suite RRLS writes, for comparison with published numbers; what is wrong with that is said at each effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from envs.parameter_space import Parameter

Compat: TypeAlias = Literal["rrls"] | None
"""None for consistent physics."""


class Effect(Protocol):
    """One parameter of a MuJoCo environment."""

    @property
    def name(self) -> str:
        """Name of the parameter."""

    def parameter(self, model: Any, compat: Compat) -> Parameter:
        """Return its nominal value in a compiled model, and its range."""

    def write(self, value: float, model: Any, nominal: Any, compat: Compat) -> None:
        """Put a value into ``model``, a copy of the unchanged model ``nominal``."""

    def start(self, value: float, model: Any, data: Any) -> None:
        """Do what has to be done after the simulation was reset."""


@dataclass(frozen=True, kw_only=True)
class BodyMass:
    """Mass of a body.

    Its inertia is scaled by the same factor: the shape stays, the density changes. RRLS changes the mass alone and leaves
    inertia and everything that MuJoCo derives from both as they were.
    """

    name: str
    """Of the parameter."""
    body: str
    """Of the model."""
    low: float
    """Lower end of the range, kg."""
    high: float
    """Upper end of the range, kg."""
    rrls_nominal: float | None = None
    """Nominal value in RRLS where it is another than the model's, kg."""

    def parameter(self, model: Any, compat: Compat) -> Parameter:
        """Return the body's mass and its range."""
        own = float(model.body(self.body).mass[0])
        nominal = self.rrls_nominal if compat == "rrls" and self.rrls_nominal is not None else own
        return Parameter(name=self.name, nominal=nominal, low=self.low, high=self.high, unit="kg")

    def write(self, value: float, model: Any, nominal: Any, compat: Compat) -> None:
        """Set mass and inertia, always from the unchanged model's."""
        body = nominal.body(self.body).id
        model.body_mass[body] = value
        if compat is None:
            model.body_inertia[body] = nominal.body_inertia[body] * (value / nominal.body_mass[body])

    def start(self, value: float, model: Any, data: Any) -> None:
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class GroundFriction:
    """Sliding friction between the ground and what usually touches it.

    MuJoCo gives a contact the larger friction of its two shapes. So the friction of all shapes is scaled together, and the
    parameter is what a contact between ground and feet has. RRLS writes the floor alone: below the feet's own friction
    (2.0 of the hopper, 1.9 of the walker) that changes nothing.
    """

    low: float
    """Lower end of the range."""
    high: float
    """Upper end of the range."""
    feet: tuple[str, ...]
    """Shapes that usually touch the ground."""
    every_shape: bool = False
    """RRLS writes all shapes of this robot."""
    rrls_nominal: float
    """Nominal value in RRLS."""
    name: str = "friction"
    """Of the parameter."""

    def parameter(self, model: Any, compat: Compat) -> Parameter:
        """Return the friction under the feet and its range."""
        nominal = self.rrls_nominal if compat == "rrls" else self._under_feet(model)
        return Parameter(name=self.name, nominal=nominal, low=self.low, high=self.high)

    def write(self, value: float, model: Any, nominal: Any, compat: Compat) -> None:
        """Scale the sliding friction of all shapes."""
        if compat is None:
            model.geom_friction[:, 0] = nominal.geom_friction[:, 0] * (value / self._under_feet(nominal))
        elif self.every_shape:
            model.geom_friction[:, 0] = value
        else:
            model.geom_friction[nominal.geom("floor").id, 0] = value

    def start(self, value: float, model: Any, data: Any) -> None:
        """Nothing."""

    def _under_feet(self, model: Any) -> float:
        return float(max(model.geom(name).friction[0] for name in ("floor", *self.feet)))


@dataclass(frozen=True, kw_only=True)
class BodyForce:
    """A constant force on a body's centre of mass, in world coordinates.

    RRLS sets forces before the simulation is reset, which erases them, and pushes planar robots sideways, where nothing
    moves. Here they act from the first step on, zero is zero, and planar robots are pushed along and up.
    """

    name: str
    """Of the parameter."""
    body: str
    """Of the model."""
    axis: Literal["x", "y", "z"]
    """Direction."""
    low: float = -3.0
    """Lower end of the range, N."""
    high: float = 3.0
    """Upper end of the range, N."""

    def parameter(self, model: Any, compat: Compat) -> Parameter:
        """Return no force, and the range."""
        return Parameter(name=self.name, nominal=0.0, low=self.low, high=self.high, unit="N", smallest=-np.inf)

    def write(self, value: float, model: Any, nominal: Any, compat: Compat) -> None:
        """Nothing: forces are no part of the model."""

    def start(self, value: float, model: Any, data: Any) -> None:
        """Apply the force."""
        data.xfrc_applied[model.body(self.body).id, "xyz".index(self.axis)] = value


def growing(*effects: Effect) -> dict[int | str, tuple[Effect, ...]]:
    """The sets of the first one, two, ... effects, by their number."""
    return {number: effects[:number] for number in range(1, len(effects) + 1)}


def forces(axes: str, **bodies: str) -> tuple[BodyForce, ...]:
    """Forces on bodies along some axes.

    Args:
        axes: Such as ``"xz"``.
        bodies: Body in the model for each name to be used in the parameters.

    Returns:
        One effect for each body and axis.
    """
    return tuple(
        BodyForce(name=f"{name}_force_{axis}", body=body, axis=axis)  # type: ignore[arg-type]
        for name, body in bodies.items()
        for axis in axes
    )
