"""Observation and action spaces: encoders into network inputs or table indices, and a JSON form of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError, CheckpointError

ONE_HOT_LIMIT = 64
"""Widest integral component that is one-hot encoded; a wider one is passed on as a number."""
TABLE_LIMIT = 4_000_000
"""Most states a tabular solver accepts."""


def space_to_json(space: gym.Space[Any]) -> dict[str, Any]:
    """Describe a space by what JSON can hold.

    Args:
        space: Box, Discrete, MultiDiscrete or MultiBinary.

    Returns:
        A dictionary that :func:`space_from_json` turns back into an equal space.

    Raises:
        CapabilityError: The space is of another kind.
    """
    if isinstance(space, spaces.Box):
        return {
            "type": "Box",
            "low": [_number_to_json(x) for x in space.low.reshape(-1)],
            "high": [_number_to_json(x) for x in space.high.reshape(-1)],
            "shape": list(space.shape),
            "dtype": str(space.dtype),
        }
    # Said only where it is not the usual one.
    dtype = {} if space.dtype == np.int64 else {"dtype": str(space.dtype)}
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start), **dtype}
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist(), **dtype}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "MultiBinary", "n": int(space.shape[0]) if len(space.shape) == 1 else list(space.shape)}
    raise CapabilityError(
        f"{type(space).__name__} spaces are not supported; use Box, Discrete, MultiDiscrete or MultiBinary "
        "(gymnasium.wrappers.FlattenObservation turns a Dict or Tuple into a Box)"
    )


def space_from_json(data: dict[str, Any]) -> gym.Space[Any]:
    """Rebuild a space from :func:`space_to_json`.

    Args:
        data: The dictionary.

    Returns:
        The space.

    Raises:
        CheckpointError: The dictionary does not describe a space.
    """
    try:
        kind = data["type"]
        given = {"dtype": data["dtype"]} if "dtype" in data else {}
        if kind == "Box":
            dtype = np.dtype(data["dtype"])
            low, high = (np.array([float(x) for x in data[key]]).reshape(data["shape"]) for key in ("low", "high"))
            return spaces.Box(low.astype(dtype), high.astype(dtype), dtype=dtype.type)
        if kind == "Discrete":
            return spaces.Discrete(data["n"], start=data["start"], **given)
        if kind == "MultiDiscrete":
            return spaces.MultiDiscrete(data["nvec"], start=data["start"], **given)
        if kind == "MultiBinary":
            return spaces.MultiBinary(data["n"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"cannot read the description of a space ({error}); the file is damaged") from error
    raise CheckpointError(f"unknown kind of space {kind!r}; the file is damaged or of a newer version")


def _number_to_json(x: Any) -> float | str:
    value = float(x)
    return value if math.isfinite(value) else str(value)


def integral_bounds(space: gym.Space[Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """Lowest value and number of values of every component of an integral space, each ``(components,)``; else None."""
    if isinstance(space, spaces.Discrete):
        return np.array([int(space.start)]), np.array([int(space.n)])
    if isinstance(space, spaces.MultiDiscrete):
        return space.start.reshape(-1).astype(np.int64), space.nvec.reshape(-1).astype(np.int64)
    if isinstance(space, spaces.MultiBinary):
        count = int(np.prod(space.shape))
        return np.zeros(count, dtype=np.int64), np.full(count, 2)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer):
        low, high = space.low.reshape(-1).astype(np.int64), space.high.reshape(-1).astype(np.int64)
        return low, high - low + 1
    return None


def _refuse_unsupported(space: gym.Space[Any]) -> None:
    space_to_json(space)
    if isinstance(space, spaces.Box) and (len(space.shape) >= 3 or (len(space.shape) == 2 and space.dtype == np.uint8)):
        raise CapabilityError(
            f"observations of shape {space.shape} look like images, which no solver here takes; "
            "wrap the environment so that it returns a feature vector (Box of shape (d,))"
        )


@dataclass(frozen=True)
class ObservationEncoder:
    """Turns raw observations into network inputs.

    Real-valued boxes are flattened; integral components with at most 64 values become one-hot vectors, wider ones stay
    numbers; binary components stay 0 or 1.
    """

    space: gym.Space[Any]

    def __post_init__(self) -> None:
        _refuse_unsupported(self.space)

    @property
    def is_one_hot(self) -> bool:
        """Whether components are one-hot encoded."""
        bounds = integral_bounds(self.space)
        return bounds is not None and not isinstance(self.space, spaces.MultiBinary) and int(bounds[1].max()) <= ONE_HOT_LIMIT

    @property
    def width(self) -> int:
        """Size ``d`` of an encoded observation."""
        bounds = integral_bounds(self.space)
        if self.is_one_hot and bounds is not None:
            return int(bounds[1].sum())
        return int(np.prod(self.space.shape)) if self.space.shape else 1

    def __call__(self, observations: Tensor) -> Tensor:
        """Encode raw observations.

        Args:
            observations: ``(..., *space.shape)``; any number of batch axes.

        Returns:
            ``(..., d)`` float32 on the same device.
        """
        components = len(self.space.shape or ())
        batch = observations.shape[: observations.dim() - components]
        flat = observations.flatten(len(batch)) if components else observations.unsqueeze(-1)
        if not self.is_one_hot:
            return flat.to(torch.float32)
        low, index = _one_hot_layout(self.space, flat.device)
        encoded = torch.zeros(*batch, self.width, dtype=torch.float32, device=flat.device)
        return encoded.scatter_(-1, flat.long() - low + index, 1.0)


@dataclass(frozen=True)
class ComponentEncoder:
    """Turns raw observations into what a network with learned input tables takes.

    Real-valued boxes are flattened; the components of integral spaces stay integers, counted from 0, and :attr:`sizes` says how
    many values each of them has.
    """

    space: gym.Space[Any]

    def __post_init__(self) -> None:
        _refuse_unsupported(self.space)

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """Number of values of every component; None where they are taken as real numbers.

        Those are real-valued and binary components, and integral ones that are too many or too large for tables.
        """
        bounds = integral_bounds(self.space)
        if bounds is None or isinstance(self.space, spaces.MultiBinary):
            return None
        if len(bounds[1]) > ONE_HOT_LIMIT or int(bounds[1].sum()) > TABLE_LIMIT:
            return None
        return tuple(int(x) for x in bounds[1])

    @property
    def width(self) -> int:
        """Number of components ``d``."""
        return int(np.prod(self.space.shape)) if self.space.shape else 1

    def __call__(self, observations: Tensor) -> Tensor:
        """Encode raw observations.

        Args:
            observations: ``(..., *space.shape)``; any number of batch axes.

        Returns:
            ``(..., d)``: float32, or int64 where there are :attr:`sizes`.
        """
        components = len(self.space.shape or ())
        batch = observations.shape[: observations.dim() - components]
        flat = observations.flatten(len(batch)) if components else observations.unsqueeze(-1)
        if self.sizes is None:
            return flat.to(torch.float32)
        low, _ = _one_hot_layout(self.space, flat.device)
        return flat.long() - low


_LAYOUTS: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}


def _one_hot_layout(space: gym.Space[Any], device: torch.device) -> tuple[Tensor, Tensor]:
    """Lowest values and first one-hot positions of the components, on ``device`` (made once per space and device)."""
    key = (repr(space_to_json(space)), str(device))
    if key not in _LAYOUTS:
        bounds = integral_bounds(space)
        assert bounds is not None
        low, count = bounds
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        _LAYOUTS[key] = (torch.as_tensor(low, device=device), torch.as_tensor(first, device=device))
    return _LAYOUTS[key]


@dataclass(frozen=True)
class StateIndexer:
    """Turns raw observations of an integral space into table indices (mixed radix)."""

    space: gym.Space[Any]

    def __post_init__(self) -> None:
        bounds = integral_bounds(self.space)
        if bounds is None:
            raise CapabilityError(
                f"a table needs integral observations, but the observation space is {self.space}; use MODQN, MOSAC or MOPPO"
            )
        if math.prod(int(x) for x in bounds[1]) > TABLE_LIMIT:
            raise CapabilityError(
                f"the observation space {self.space} has more than {TABLE_LIMIT:,} states; use MODQN, MOSAC or MOPPO"
            )

    @property
    def num_states(self) -> int:
        """Number of table rows."""
        bounds = integral_bounds(self.space)
        assert bounds is not None
        return math.prod(int(x) for x in bounds[1])

    def __call__(self, observations: Tensor) -> Tensor:
        """Index raw observations ``(..., *space.shape)`` -> ``(...)`` int64."""
        bounds = integral_bounds(self.space)
        assert bounds is not None
        low, count = bounds
        components = len(self.space.shape or ())
        batch = observations.shape[: observations.dim() - components]
        flat = observations.flatten(len(batch)) if components else observations.unsqueeze(-1)
        radix = np.concatenate([np.cumprod(count[::-1])[-2::-1], [1]]).astype(np.int64)
        offset = torch.as_tensor(low, device=flat.device)
        return ((flat.long() - offset) * torch.as_tensor(radix, device=flat.device)).sum(-1)


def raw_observations(space: gym.Space[Any], observations: Any, device: torch.device) -> Tensor:
    """Bring observations into the form that rows return: float32 for real-valued boxes, int64 otherwise.

    Args:
        space: The observation space of one environment.
        observations: numpy array, tensor or number(s) of shape ``(..., *space.shape)``.
        device: Where the tensor shall live.

    Returns:
        The tensor.
    """
    real = isinstance(space, spaces.Box) and not np.issubdtype(space.dtype, np.integer)
    return torch.as_tensor(observations, dtype=torch.float32 if real else torch.int64, device=device)
