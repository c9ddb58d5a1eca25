"""Raw observations: what an environment returns, however nested, as one checked array of a fixed layout.

The raw form of a Box, Discrete, MultiDiscrete or MultiBinary space has the space's shape. Dict and Tuple spaces, nested at
will, are laid out flat: the components of their parts one after the other, in the order of the space (gymnasium sorts the keys
of a Dict). Numbers are float32 for a real-valued box and int64 for integral spaces; a flat layout with real parts is float64,
which holds both exactly (integers up to 2^53), and so is an integral box that reaches beyond int64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError

Array = npt.NDArray[Any]

_SHOWN = 8
"""Components of an observation that a message shows."""
_LONGEST = 120
"""Characters of a space that a message shows."""
_INT64 = np.iinfo(np.int64)


class Misfit(ValueError):
    """An observation is not one of its space. The text completes "the environment returned ..."."""

    def __init__(self, text: str, row: int = 0) -> None:
        """Say what was found.

        Args:
            text: What was found and what was expected.
            row: Which observation of a batch.
        """
        super().__init__(text)
        self.row = row


def one_or_batch(shape: tuple[int, ...]) -> str:
    """The shapes of one observation and of a batch, in words."""
    return f"{shape} for one or (B,{''.join(f' {size},' for size in shape)[:-1]}) for a batch"


def brief(space: gym.Space[Any]) -> str:
    """A space in one short line."""
    text = " ".join(str(space).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class Part:
    """One array of an observation: all of it, or an entry of a Dict or Tuple."""

    def __init__(self, space: gym.Space[Any], name: str) -> None:
        """Describe a part.

        Args:
            space: Box, Discrete, MultiDiscrete or MultiBinary.
            name: Where it stands, such as ``['position'][0]``; empty for all of an observation.
        """
        self.space, self.name = space, name
        self.shape: tuple[int, ...] = tuple(space.shape or ())
        self.size = math.prod(self.shape)
        self.bounds = _integral_bounds(space)
        self.counts: tuple[int, ...] | None = None
        """Number of values of every component of an integral part; None for a real-valued one."""
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        if self.bounds is not None:
            low, high = (bound.reshape(-1).tolist() for bound in self.bounds)
            self.counts = tuple(last - first + 1 for first, last in zip(low, high, strict=True))
            within = all(_INT64.min <= first and last <= _INT64.max for first, last in zip(low, high, strict=True))
            self.dtype = np.dtype(np.int64 if within else np.float64)
        self.buffer_dtype: np.dtype[Any] = np.dtype(space.dtype) if self.bounds is None else self.bounds[0].dtype
        """Numbers that observations are collected in."""
        self._own = np.dtype(space.dtype)
        self._kinds = "ib" if self.buffer_dtype == np.int64 else ""
        self._takes_integers = isinstance(space, spaces.Discrete)

    def widen(self) -> None:
        """Collect real numbers as float64 from now on: the environment returns others than its space says."""
        if self.bounds is None:
            self.buffer_dtype, self._kinds = np.dtype(np.float64), "fiub"

    def fits(self, value: Any) -> bool:
        """Whether one observation can be put into a buffer as it is, without a closer look at its type and shape."""
        if type(value) is np.ndarray:
            return value.shape == self.shape and (value.dtype is self._own or value.dtype.kind in self._kinds)
        return self._takes_integers and isinstance(value, (int, np.integer)) and bool(_INT64.min <= value <= _INT64.max)

    def raw(self, values: Any, axes: int | None = None) -> Array:
        """Check values and bring them into the raw form.

        Args:
            values: Array, tensor or number(s) ``(..., *shape)``.
            axes: Number of axes in front of the shape; None for any.

        Returns:
            ``(..., *shape)`` in :attr:`dtype`.

        Raises:
            Misfit: Another shape, no numbers, or values that are not in the space. Only integral spaces are held to their
                bounds: environments leave real ones all the time, and networks extrapolate.
        """
        array = values if type(values) is np.ndarray else self._array(values)
        lead = array.ndim - len(self.shape)
        if lead < 0 or (axes is not None and lead != axes) or array.shape[lead:] != self.shape:
            expected = self.shape if axes == 0 else one_or_batch(self.shape)
            raise Misfit(
                f"an observation{self.name} of shape {array.shape}; expected {expected}, as its space {brief(self.space)} says"
            )
        if array.dtype.kind not in "fiub":
            found = array.dtype if isinstance(values, (np.ndarray, list, tuple)) else type(values).__name__
            raise Misfit(f"an observation{self.name} that holds no real numbers but {found}")
        return self._reals(array) if self.bounds is None else self._integers(array)

    def _array(self, values: Any) -> Array:
        if isinstance(values, Tensor):
            host = values.detach().cpu()
            return (host.float() if host.dtype == torch.bfloat16 else host).numpy()
        if isinstance(values, Mapping):
            raise Misfit(f"a mapping as observation{self.name}, but its space is {brief(self.space)}: expected an array")
        try:
            return np.asarray(values)
        except ValueError as error:
            raise Misfit(f"an observation{self.name} whose entries have different lengths: it is no array") from error

    def _reals(self, array: Array) -> Array:
        if array.dtype == np.float32:
            narrow = array
        else:
            with np.errstate(over="ignore"):
                narrow = array.astype(np.float32)
        finite = np.isfinite(narrow)
        if np.count_nonzero(finite) < finite.size:
            row, found, which = self._first(array, ~finite)
            is_finite = np.isfinite(array.reshape(-1, self.size)[row]).all()
            an, about = ("an", " too large for float32") if is_finite else ("a non-finite", "")
            raise Misfit(f"{an} observation{self.name}{about}: {found}{which}", row)
        return narrow

    def _integers(self, array: Array) -> Array:
        assert self.bounds is not None
        low, high = self.bounds
        outside = (array < low) | (array > high)
        if array.dtype.kind == "f":
            outside |= array != np.rint(array)
        if np.count_nonzero(outside):
            row, found, which = self._first(array, outside)
            raise Misfit(
                f"the observation{self.name} {found}, which is not in its observation space {brief(self.space)}{which}", row
            )
        return array.astype(self.dtype, copy=False)

    def _first(self, array: Array, wrong: Array) -> tuple[int, str, str]:
        """The first wrong observation of a batch: its number, itself, and which component of it is wrong, in words."""
        rows, marks = array.reshape(-1, self.size), wrong.reshape(-1, self.size)
        row = int(marks.any(1).argmax())
        if not self.shape:
            return row, str(rows[row, 0].item()), ""
        cut = "" if self.size <= _SHOWN else f" (the first {_SHOWN} of {self.size})"
        place = int(marks[row].argmax())
        return row, f"{rows[row, :_SHOWN].tolist()}{cut}", f"; component {place} is {rows[row, place].item()}"


class Layout:
    """Where the components of a space stand in the raw form; see the module."""

    def __init__(self, space: gym.Space[Any]) -> None:
        """Read a space.

        Args:
            space: Box, Discrete, MultiDiscrete, MultiBinary, or Dict and Tuple of them.

        Raises:
            CapabilityError: The space, or a part of it, is of another kind.
        """
        self.space = space
        self.is_nested = isinstance(space, (spaces.Dict, spaces.Tuple))
        self.parts = list(_parts(space, ""))
        sizes = [part.size for part in self.parts]
        if self.is_nested and not sum(sizes):
            raise CapabilityError(f"the observation space {brief(space)} has no components: there is nothing to act on")
        self.ends = np.cumsum(sizes)
        """Where each part ends among the components."""
        self.shape = (sum(sizes),) if self.is_nested else self.parts[0].shape
        """Of one raw observation."""
        dtypes = {part.dtype for part in self.parts}
        flat = np.dtype(np.int64 if dtypes == {np.dtype(np.int64)} else np.float64)
        self.dtype = flat if self.is_nested else self.parts[0].dtype
        """Of raw observations."""

    @property
    def counts(self) -> tuple[int, ...] | None:
        """Number of values of every component; None if one of them is real-valued."""
        found: list[int] = []
        for part in self.parts:
            if part.counts is None:
                return None
            found += part.counts
        return tuple(found)

    @property
    def lowest(self) -> npt.NDArray[np.int64]:
        """Lowest value of every component, ``(components,)``; 0 for those that are real-valued or do not fit int64."""
        return np.concatenate(
            [
                np.zeros(part.size, np.int64)
                if part.bounds is None or part.dtype != np.int64
                else part.bounds[0].reshape(-1).astype(np.int64)
                for part in self.parts
            ]
        )

    def raw(self, observations: Any, axes: int | None = None) -> Array:
        """Check observations and bring them into the raw form.

        Args:
            observations: As the space has them, or raw ones; with any number of batch axes in front.
            axes: Number of batch axes; None for any.

        Returns:
            ``(..., *shape)`` in :attr:`dtype`.

        Raises:
            Misfit: They are not in the space.
        """
        if not self.is_nested:
            return self.parts[0].raw(observations, axes)
        arrays = [part.raw(value, axes) for part, value in zip(self.parts, self._split(observations), strict=True)]
        batches = [array.shape[: array.ndim - len(part.shape)] for part, array in zip(self.parts, arrays, strict=True)]
        if len(set(batches)) > 1:
            found = ", ".join(f"{part.name} {batch}" for part, batch in zip(self.parts, batches, strict=True))
            raise Misfit(f"observations whose parts have different batch axes: {found}")
        columns = [array.reshape(*batches[0], part.size) for part, array in zip(self.parts, arrays, strict=True)]
        return np.concatenate(columns, -1, dtype=self.dtype)

    def _split(self, observations: Any) -> Sequence[Any]:
        """The values of every part."""
        if not isinstance(observations, (np.ndarray, Tensor)):
            return list(values_of(self.space, observations))
        width = self.shape[0]
        if not observations.ndim or observations.shape[-1] != width:
            found = tuple(observations.shape)
            raise Misfit(
                f"an observation of shape {found}; expected {one_or_batch((width,))}: the components of {brief(self.space)}"
            )
        batch = observations.shape[:-1]
        starts = [0, *self.ends[:-1].tolist()]
        return [
            observations[..., start : start + part.size].reshape((*batch, *part.shape))
            for start, part in zip(starts, self.parts, strict=True)
        ]

    def nest(self, arrays: Sequence[Array]) -> Any:
        """Put one array per part into the structure of the space."""
        return _nest(self.space, iter(arrays))


def values_of(space: gym.Space[Any], observation: Any, name: str = "") -> Iterator[Any]:
    """Go through an observation in the order of the parts of its space.

    Args:
        space: Of the observation.
        observation: As the space has it.
        name: Where it stands in a larger one.

    Yields:
        What stands where the space has an array.

    Raises:
        Misfit: Other keys, or another number of entries.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, Mapping) or observation.keys() != space.spaces.keys():
            keys = f" with the keys {sorted(map(str, observation))}" if isinstance(observation, Mapping) else ""
            expected = f"a mapping with {sorted(map(str, space.spaces))}"
            raise Misfit(f"a {type(observation).__name__}{keys} as observation{name}; its space says {expected}")
        for key, part in space.spaces.items():
            yield from values_of(part, observation[key], f"{name}[{key!r}]")
    elif isinstance(space, spaces.Tuple):
        if not isinstance(observation, (tuple, list)) or len(observation) != len(space.spaces):
            count = f" of {len(observation)}" if isinstance(observation, (tuple, list)) else ""
            expected = f"a tuple of {len(space.spaces)}"
            raise Misfit(f"a {type(observation).__name__}{count} as observation{name}; its space says {expected}")
        for number, part in enumerate(space.spaces):
            yield from values_of(part, observation[number], f"{name}[{number}]")
    else:
        yield observation


def _nest(space: gym.Space[Any], arrays: Iterator[Array]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _nest(part, arrays) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_nest(part, arrays) for part in space.spaces)
    return next(arrays)


def _parts(space: gym.Space[Any], name: str) -> Iterator[Part]:
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        entries = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        for key, part in entries:
            yield from _parts(part, f"{name}[{key!r}]")
    elif isinstance(space, (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
        yield Part(space, name)
    else:
        where = f" (observation{name})" if name else ""
        raise CapabilityError(
            f"{type(space).__name__} spaces are not supported{where}: what they hold has no fixed number of components; let "
            "gymnasium.wrappers.TransformObservation make a Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple of it"
        )


def _integral_bounds(space: gym.Space[Any]) -> tuple[Array, Array] | None:
    """Lowest and highest value of every component, ``(*shape)`` each, of an integral space; else None."""
    if isinstance(space, spaces.Discrete):
        start, count = int(space.start), int(space.n)
        return np.array(start), np.array(start + count - 1)
    if isinstance(space, spaces.MultiDiscrete):
        low = space.start.astype(np.int64)
        return low, low + space.nvec.astype(np.int64) - 1
    if isinstance(space, spaces.MultiBinary):
        return np.zeros(space.shape, np.int64), np.ones(space.shape, np.int64)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer):
        dtype = np.uint64 if space.dtype == np.uint64 else np.int64
        return space.low.astype(dtype), space.high.astype(dtype)
    return None
