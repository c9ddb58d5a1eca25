"""What the members of a population work on: a utility (what each maximises) and the dynamics it lives in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from morl.errors import ConfigurationError, ShapeError
from morl.scalarizations import Scalarization, WeightedSum


@dataclass(frozen=True, kw_only=True, eq=False)
class Utility:
    """A scalarization with its live tensors: what every member of a population maximises.

    The utility of a vector value is ``s(v / scale, weights, ideal_point / scale)``. Nothing in here changes by being
    evaluated; whoever owns the population replaces the object when it moves weights or the ideal point.
    """

    scalarization: Scalarization = field(default_factory=WeightedSum)
    """How a vector value becomes a number."""
    weights: Tensor
    """Preferences ``(n, m)``: nonnegative, each row sums to one."""
    ideal_point: Tensor | None = None
    """Best value per objective ``(m,)`` or ``(n, m)``, return units; needed by scalarizations that measure a distance."""
    scale: Tensor | None = None
    """Unit of each objective ``(m,)``, return units, positive; None means 1."""
    criterion: Literal["ser", "esr"] = "ser"
    """Utility of the expected return (SER) or expected utility of the return (ESR)."""

    def __post_init__(self) -> None:
        w = self.weights
        if w.dim() != 2:
            raise ShapeError(f"weights has shape {tuple(w.shape)}; expected (n, m), one row per member")
        # Shapes alone can be checked on the meta device, which holds no numbers.
        if w.device.type != "meta" and not bool((w >= -1e-6).all() & ((w.sum(-1) - 1).abs() < 1e-4).all()):
            raise ConfigurationError(
                "weights must lie on the simplex: nonnegative and each row summing to one; "
                f"found rows summing to {[round(s, 4) for s in w.sum(-1).tolist()[:5]]}, smallest entry {w.min().item():.4g}"
            )
        if w.device.type != "meta" and bool((w < 0).any()):
            # What is left of one by the others may come out a little below 0.
            object.__setattr__(self, "weights", w.clamp(min=0))
        m = w.shape[1]
        for name, value in (("ideal_point", self.ideal_point), ("scale", self.scale)):
            if value is not None and value.shape[-1] != m:
                raise ShapeError(f"{name} has shape {tuple(value.shape)} but there are {m} objectives")
            if value is not None and value.device.type != "meta" and not bool(torch.isfinite(value).all()):
                raise ConfigurationError(f"{name} must hold finite numbers, found {value.tolist()}")
        if self.scale is not None and self.scale.device.type != "meta" and not bool((self.scale > 0).all()):
            raise ConfigurationError(f"scale must be positive, found {self.scale.tolist()}")
        if self.scalarization.needs_ideal_point and self.ideal_point is None:
            raise ConfigurationError(
                f"{type(self.scalarization).__name__} measures a distance to an ideal point: give ideal_point, shape ({m},)"
            )

    def _prepared(self, extra_dims: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Weights, ideal point and scale, shaped to broadcast against ``(n, ..., m)`` with ``extra_dims`` middle axes."""
        n, m = self.weights.shape
        middle = (1,) * extra_dims
        ideal = self.ideal_point
        if ideal is not None:
            ideal = (ideal if self.scale is None else ideal / self.scale).expand(n, m).reshape(n, *middle, m)
        return self.weights.reshape(n, *middle, m), ideal, self.scale

    def __call__(self, values: Tensor) -> Tensor:
        """Scalarise vector values.

        Args:
            values: ``(n, ..., m)``, return units: leading axis by member.

        Returns:
            ``(n, ...)``; larger is better.
        """
        weights, ideal, scale = self._prepared(values.dim() - 2)
        scaled = values if scale is None else values / scale
        result: Tensor = self.scalarization(scaled, weights.to(values.dtype), ideal_point=ideal)
        return result

    def gradient(self, values: Tensor) -> Tensor:
        r"""How fast the utility grows with each objective, :math:`\nabla_v s(v)`.

        Args:
            values: Vector value of each member, ``(n, m)``, return units.

        Returns:
            ``(n, m)``, utility units per return unit. Of a weighted sum it does not depend on ``values``.
        """
        if self.scalarization.is_linear:
            return self.weights if self.scale is None else self.weights / self.scale
        with torch.enable_grad():
            point = values.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self(point).sum(), point)
        return gradient

    def linearised(self, values: Tensor) -> Tensor:
        r"""Weights of the linear sub-problem that improves the utility at ``values`` (SER).

        The gradient :math:`\nabla_v s(v)` of a monotone scalarization is nonnegative; normalised onto the simplex it is
        the preference under which a linear solver makes the utility grow fastest. For a weighted sum it does not depend
        on ``values``.

        Args:
            values: Current vector value of each member, ``(n, m)``, return units.

        Returns:
            ``(n, m)``, rows on the simplex.
        """
        gradient = self.gradient(values)
        if not self.scalarization.is_linear:
            gradient = gradient.clamp_min(0.0)
        total = gradient.sum(-1, keepdim=True)
        return torch.where(total > 1e-12, gradient / total.clamp_min(1e-12), self.weights)

    def select(self, members: Tensor) -> Utility:
        """The utility of some members only, ``members`` ``(n',)`` int64."""
        ideal = self.ideal_point
        if ideal is not None and ideal.dim() == 2:
            ideal = ideal[members]
        return replace(self, weights=self.weights[members], ideal_point=ideal)

    def to(self, device: torch.device) -> Utility:
        """The same utility with its tensors on ``device``."""
        ideal = None if self.ideal_point is None else self.ideal_point.to(device)
        scale = None if self.scale is None else self.scale.to(device)
        return replace(self, weights=self.weights.to(device), ideal_point=ideal, scale=scale)


def merged_ideal_point(old: Utility, new: Utility, members: Tensor) -> Tensor | None:
    """Ideal points after some members received theirs.

    Args:
        old: Utility of all members.
        new: Utility of some of them.
        members: Which, ``(n',)``.

    Returns:
        ``(m,)`` where all have the same, else ``(n, m)``; None if the new ones have none.
    """
    if new.ideal_point is None or old.ideal_point is None:
        return new.ideal_point
    if old.ideal_point.dim() == new.ideal_point.dim() == 1 and torch.equal(old.ideal_point, new.ideal_point):
        return new.ideal_point
    merged = old.ideal_point.expand_as(old.weights).clone()
    merged[members] = new.ideal_point
    return merged


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What the members of a population work on. MORL/D and IWOCS move it."""

    utility: Utility
    dynamics: Tensor | None = None
    """Transition model of each member, ``(n, k)``; None for the nominal one."""

    def __post_init__(self) -> None:
        n = self.utility.weights.shape[0]
        if self.dynamics is not None and (self.dynamics.dim() != 2 or self.dynamics.shape[0] != n):
            raise ShapeError(
                f"dynamics has shape {tuple(self.dynamics.shape)}; expected ({n}, k), one transition model per member"
            )

    @property
    def num_members(self) -> int:
        """``n``."""
        return int(self.utility.weights.shape[0])
