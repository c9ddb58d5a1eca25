"""Observation and action spaces: encoders into network inputs or table indices, and a JSON form of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError, CheckpointError, ShapeError
from morl.observations import Layout, Misfit, brief

ONE_HOT_LIMIT = 64
"""Widest integral component that is one-hot encoded; a wider one is passed on as a number."""
TABLE_LIMIT = 4_000_000
"""Most states a tabular solver accepts."""


def space_to_json(space: gym.Space[Any]) -> dict[str, Any]:
    """Describe a space by what JSON can hold.

    Args:
        space: Box, Discrete, MultiDiscrete, MultiBinary, or Dict and Tuple of them.

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
    if isinstance(space, spaces.Dict):
        # Pairs: the order of the entries is that of the components.
        return {"type": "Dict", "spaces": [[key, space_to_json(part)] for key, part in space.spaces.items()]}
    if isinstance(space, spaces.Tuple):
        return {"type": "Tuple", "spaces": [space_to_json(part) for part in space.spaces]}
    raise CapabilityError(
        f"{type(space).__name__} spaces are not supported; use Box, Discrete, MultiDiscrete, MultiBinary, or Dict and Tuple of "
        "them"
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
            number = int if np.issubdtype(dtype, np.integer) else float
            low, high = (np.array([number(x) for x in data[key]], dtype).reshape(data["shape"]) for key in ("low", "high"))
            return spaces.Box(low, high, dtype=dtype.type)
        if kind == "Discrete":
            return spaces.Discrete(data["n"], start=data["start"], **given)
        if kind == "MultiDiscrete":
            return spaces.MultiDiscrete(data["nvec"], start=data["start"], **given)
        if kind == "MultiBinary":
            return spaces.MultiBinary(data["n"])
        if kind == "Dict":
            return spaces.Dict([(key, space_from_json(part)) for key, part in data["spaces"]])
        if kind == "Tuple":
            return spaces.Tuple([space_from_json(part) for part in data["spaces"]])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"cannot read the description of a space ({error}); the file is damaged") from error
    raise CheckpointError(f"unknown kind of space {kind!r}; the file is damaged or of a newer version")


def _number_to_json(x: Any) -> float | int | str:
    value: float | int = x.item()
    return value if math.isfinite(value) else str(value)


def _refuse_images(layout: Layout) -> None:
    for part in layout.parts:
        if isinstance(part.space, spaces.Box) and (
            len(part.shape) >= 3 or (len(part.shape) == 2 and part.space.dtype == np.uint8)
        ):
            raise CapabilityError(
                f"observations{part.name} of shape {part.shape} look like images, which no solver here takes; "
                "wrap the environment so that it returns a feature vector (Box of shape (d,))"
            )


@dataclass(frozen=True)
class ObservationEncoder:
    """Turns raw observations into network inputs.

    Real-valued boxes are flattened; integral components with at most 64 values become one-hot vectors, wider ones stay
    numbers; binary components stay 0 or 1. The codes of the parts of a Dict or Tuple follow each other in the order of its
    :class:`~morl.observations.Layout`.
    """

    space: gym.Space[Any]

    def __post_init__(self) -> None:
        _refuse_images(self.layout)

    @cached_property
    def layout(self) -> Layout:
        """Where the components stand in a raw observation."""
        return Layout(self.space)

    @cached_property
    def _widths(self) -> npt.NDArray[np.int64]:
        """Values of every component that is one-hot encoded, 0 for those that stay numbers, ``(components,)``."""
        widths = [np.zeros(0, np.int64)]
        for part in self.layout.parts:
            as_numbers = part.counts is None or isinstance(part.space, spaces.MultiBinary) or max(part.counts) > ONE_HOT_LIMIT
            widths.append(np.array([0] * part.size if as_numbers else part.counts, np.int64))
        return np.concatenate(widths)

    @property
    def is_one_hot(self) -> bool:
        """Whether all components are one-hot encoded."""
        return bool(self._widths.all())

    @property
    def width(self) -> int:
        """Size ``d`` of an encoded observation."""
        return int(np.maximum(self._widths, 1).sum())

    @property
    def numbers(self) -> Tensor:
        """Which entries of an encoded observation are numbers, not part of a one-hot vector, ``(d,)`` bool."""
        return torch.from_numpy(np.repeat(self._widths == 0, np.maximum(self._widths, 1)))

    @cached_property
    def _indices(self) -> dict[torch.device, tuple[Tensor, Tensor, Tensor, Tensor]]:
        return {}

    def _index(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """On ``device``, made once: numbers among the components and among the codes; components that are one-hot encoded, and
        what added to their value gives its position.
        """
        if device not in self._indices:
            first = np.concatenate([[0], np.cumsum(np.maximum(self._widths, 1))[:-1]]).astype(np.int64)
            numbers, others = np.flatnonzero(self._widths == 0), np.flatnonzero(self._widths)
            arrays = (numbers, first[numbers], others, (first - self.layout.lowest)[others])
            index = [torch.as_tensor(array, device=device) for array in arrays]
            self._indices[device] = (index[0], index[1], index[2], index[3])
        return self._indices[device]

    def __call__(self, observations: Tensor) -> Tensor:
        """Encode raw observations.

        Args:
            observations: ``(..., *layout.shape)``; any number of batch axes.

        Returns:
            ``(..., d)`` float32 on the same device.
        """
        flat = _flat(observations, self.layout)
        if not self._widths.any():
            return flat.to(torch.float32)
        numbers, places, others, shift = self._index(flat.device)
        encoded = torch.zeros(*flat.shape[:-1], self.width, dtype=torch.float32, device=flat.device)
        if len(numbers):
            encoded[..., places] = flat[..., numbers].to(torch.float32)
            flat = flat[..., others]
        return encoded.scatter_(-1, flat.long() + shift, 1.0)


@dataclass(frozen=True)
class ComponentEncoder:
    """Turns raw observations into what a network with learned input tables takes.

    The components of integral spaces stay integers, counted from 0, and :attr:`sizes` says how many values each of them has;
    everything else is a vector of numbers: real-valued boxes are flattened, a Dict or Tuple with real-valued parts is encoded
    as by :class:`ObservationEncoder`.
    """

    space: gym.Space[Any]

    def __post_init__(self) -> None:
        _refuse_images(self.layout)

    @cached_property
    def layout(self) -> Layout:
        """Where the components stand in a raw observation."""
        return Layout(self.space)

    @cached_property
    def sizes(self) -> tuple[int, ...] | None:
        """Number of values of every component; None where they are taken as real numbers.

        Those are real-valued and binary components, and integral ones that are too many or too large for tables.
        """
        counts = self.layout.counts
        if counts is None or isinstance(self.space, spaces.MultiBinary):
            return None
        return None if len(counts) > ONE_HOT_LIMIT or sum(counts) > TABLE_LIMIT else counts

    @cached_property
    def _encoder(self) -> ObservationEncoder | None:
        """What encodes a mixture of parts."""
        return ObservationEncoder(self.space) if self.layout.is_nested and self.sizes is None else None

    @property
    def width(self) -> int:
        """Number of components ``d``."""
        return math.prod(self.layout.shape) if self._encoder is None else self._encoder.width

    @property
    def numbers(self) -> Tensor:
        """Which components are numbers, not part of a one-hot vector, ``(d,)`` bool; meaningless where there are sizes."""
        return torch.ones(self.width, dtype=torch.bool) if self._encoder is None else self._encoder.numbers

    @cached_property
    def _lowest(self) -> dict[torch.device, Tensor]:
        return {}

    def __call__(self, observations: Tensor) -> Tensor:
        """Encode raw observations.

        Args:
            observations: ``(..., *layout.shape)``; any number of batch axes.

        Returns:
            ``(..., d)``: float32, or int64 where there are :attr:`sizes`.
        """
        if self._encoder is not None:
            return self._encoder(observations)
        flat = _flat(observations, self.layout)
        if self.sizes is None:
            return flat.to(torch.float32)
        if flat.device not in self._lowest:
            self._lowest[flat.device] = torch.as_tensor(self.layout.lowest, device=flat.device)
        return flat.long() - self._lowest[flat.device]


def _flat(observations: Tensor, layout: Layout) -> Tensor:
    """Raw observations with one axis for their components."""
    axes = len(layout.shape)
    return observations.flatten(observations.dim() - axes) if axes else observations.unsqueeze(-1)


@dataclass(frozen=True)
class StateIndexer:
    """Turns raw observations of an integral space into table indices (mixed radix over its components)."""

    space: gym.Space[Any]

    def __post_init__(self) -> None:
        counts = self.layout.counts
        if counts is not None and math.prod(counts) <= TABLE_LIMIT:
            return
        # What no network takes either needs another remedy.
        _refuse_images(self.layout)
        if counts is None:
            raise CapabilityError(
                f"a table needs integral observations, but the observation space is {brief(self.space)}; use MODQN, MOSAC or "
                "MOPPO"
            )
        raise CapabilityError(
            f"the observation space {brief(self.space)} has more than {TABLE_LIMIT:,} states; use MODQN, MOSAC or MOPPO"
        )

    @cached_property
    def layout(self) -> Layout:
        """Where the components stand in a raw observation."""
        return Layout(self.space)

    @cached_property
    def num_states(self) -> int:
        """Number of table rows."""
        counts = self.layout.counts
        assert counts is not None
        return math.prod(counts)

    @cached_property
    def _radices(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        return {}

    def __call__(self, observations: Tensor) -> Tensor:
        """Index raw observations ``(..., *layout.shape)`` -> ``(...)`` int64."""
        flat = _flat(observations, self.layout)
        if flat.device not in self._radices:
            counts = self.layout.counts
            assert counts is not None
            radix = [math.prod(counts[i + 1 :]) for i in range(len(counts))]
            self._radices[flat.device] = (
                torch.as_tensor(self.layout.lowest, device=flat.device),
                torch.tensor(radix, device=flat.device),
            )
        offset, weights = self._radices[flat.device]
        return ((flat.long() - offset) * weights).sum(-1)


def raw_observations(space: gym.Space[Any], observations: Any, device: torch.device) -> Tensor:
    """Bring observations into the form that rows return; see :mod:`morl.observations`.

    Args:
        space: The observation space of one environment.
        observations: What the space holds, or raw observations, with any number of batch axes in front.
        device: Where the tensor shall live.

    Returns:
        The tensor.

    Raises:
        ShapeError: They are not in the space.
    """
    try:
        return torch.from_numpy(np.asarray(Layout(space).raw(observations), order="C")).to(device)
    except Misfit as error:
        raise ShapeError(f"found {error}; correct either of them") from error
