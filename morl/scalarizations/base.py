"""What every scalarization promises, and the shape checks and reductions they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.fields import CheckedFields


@runtime_checkable
class Scalarization(Protocol):
    """A pure function from a vector value and a preference to one number; larger is better.

    Implementations are frozen dataclasses. Numpy arrays give numpy arrays; as soon as one argument is a torch tensor the
    result is one, and gradients flow through it. Evaluating never changes anything: the ideal point is an argument.
    """

    is_linear: ClassVar[bool]
    """Whether the result is a weighted sum, so that scalarised rewards may be bootstrapped (SER equals ESR)."""
    needs_ideal_point: ClassVar[bool]
    """Whether ``ideal_point`` must be given."""

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        """Scalarise vector values.

        Args:
            values: Vector values, ``(..., m)``, return units; larger is better.
            weights: Preferences, nonnegative, summing to one, ``(..., m)``; broadcasts against ``values``.
            ideal_point: Best value per objective ``(..., m)``, return units; broadcasts against ``values``.

        Returns:
            ``(...)``; larger is better.

        Raises:
            ShapeError: The shapes disagree.
            ConfigurationError: The ideal point is needed and missing.
        """
        ...


@runtime_checkable
class ChecksUtility(Protocol):
    """A part, such as a weight adaptation or a selection, that does not go with every utility."""

    def check_utility(self, scalarization: Scalarization, normalisation: str) -> None:
        """Raise CapabilityError if it does not go with this one.

        Args:
            scalarization: Of the members.
            normalisation: Of MORL/D; with ``none`` utilities are in return units.

        Raises:
            CapabilityError: Says what to set.
        """
        ...


def require_weighted_sum(name: str, scalarization: Scalarization, normalisation: str) -> None:
    """Refuse what is no weighted sum in return units.

    Args:
        name: Of the part that asks for one.
        scalarization: See :class:`ChecksUtility`.
        normalisation: See there.

    Raises:
        CapabilityError: It is something else.
    """
    if not (scalarization.is_linear and normalisation == "none"):
        raise CapabilityError(
            f"{name} bounds what weighted sums may gain, in return units: set scalarization to weighted_sum and normalisation "
            f"to none, not {type(scalarization).__name__} and {normalisation}; or use something else than {name}"
        )


class FromIdealPoint(CheckedFields, ABC):
    """Base of the scalarizations that measure from an ideal point."""

    is_linear: ClassVar[bool] = False
    needs_ideal_point: ClassVar[bool] = True

    def __call__(self, values: Any, weights: Any, *, ideal_point: Any = None) -> Any:
        """Scalarise vector values; see :class:`Scalarization`."""
        return self._worth(*distance(type(self).__name__, values, weights, ideal_point))

    @abstractmethod
    def _worth(self, shortfall: Any, weights: Any) -> Any:
        """The result ``(...)`` for what is missing to the ideal point, ``(..., m)``."""


def aligned(values: Any, weights: Any) -> tuple[Any, Any]:
    """Return both arguments as arrays of one kind (torch if either is a tensor) after checking their shapes.

    Args:
        values: Array, tensor or nested list ``(..., m)``.
        weights: Array, tensor or nested list ``(..., m)``.

    Returns:
        ``values`` and ``weights``, both numpy or both torch.

    Raises:
        ShapeError: The last axes differ or the leading axes do not broadcast.
    """
    if isinstance(values, Tensor) or isinstance(weights, Tensor):
        like = values if isinstance(values, Tensor) else weights
        values, weights = _tensor(values, like), _tensor(weights, like)
    else:
        values, weights = np.asarray(values), np.asarray(weights)
    check_broadcast("weights", weights, values)
    return values, weights


def distance(name: str, values: Any, weights: Any, ideal_point: Any) -> tuple[Any, Any]:
    """Return what is missing to the ideal point, ``z - v``, and the weights, as arrays of one kind.

    Args:
        name: Name of the scalarization, for the error.
        values: ``(..., m)``.
        weights: ``(..., m)``.
        ideal_point: ``(..., m)``, must not be None.

    Returns:
        ``z - v`` and ``weights``; components of the first are negative where the value exceeds the ideal point.

    Raises:
        ShapeError: The shapes disagree.
        ConfigurationError: There is no ideal point.
    """
    if ideal_point is None:
        raise ConfigurationError(
            f"{name} measures a distance and got no ideal_point: pass ideal_point=z of shape (m,), or use WeightedSum"
        )
    values, weights = aligned(values, weights)
    if isinstance(ideal_point, Tensor) and not isinstance(values, Tensor):
        values, weights = _tensor(values, ideal_point), _tensor(weights, ideal_point)
    z = _tensor(ideal_point, values) if isinstance(values, Tensor) else np.asarray(ideal_point)
    check_broadcast("ideal_point", z, values)
    return z - values, weights


def check_broadcast(name: str, array: Any, values: Any) -> None:
    """Raise ShapeError unless ``array`` has the last axis of ``values`` and broadcasts against it."""
    found, against = tuple(array.shape), tuple(values.shape)
    if not found or not against or found[-1] != against[-1]:
        raise ShapeError(
            f"values has shape {against} but {name} has shape {found}: the last axis is the number of objectives and must agree"
        )
    try:
        np.broadcast_shapes(found, against)
    except ValueError as error:
        raise ShapeError(
            f"values has shape {against} and {name} has shape {found}: the leading axes do not broadcast"
        ) from error


def largest(array: Any) -> Any:
    """Maximum over the last axis; ties share the gradient equally."""
    return array.amax(-1) if isinstance(array, Tensor) else array.max(-1)


def norm(array: Any) -> Any:
    """Euclidean norm over the last axis; the gradient at zero is zero."""
    return torch.linalg.vector_norm(array, dim=-1) if isinstance(array, Tensor) else np.linalg.norm(array, axis=-1)


def log_sum_exp(array: Any) -> Any:
    """Logarithm of the summed exponentials over the last axis, without overflow."""
    return torch.logsumexp(array, -1) if isinstance(array, Tensor) else np.logaddexp.reduce(array, axis=-1)


def _tensor(array: Any, like: Tensor) -> Tensor:
    if isinstance(array, Tensor):
        return array
    dtype = like.dtype if like.is_floating_point() else torch.get_default_dtype()
    return torch.as_tensor(array, dtype=dtype, device=like.device)
