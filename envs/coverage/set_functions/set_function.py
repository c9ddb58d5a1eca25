"""What a set function has to offer, and the base class that derives most of it.

Letters used in shapes: ``B`` sets that grow side by side (one per trajectory), ``r`` of them in one call, ``V`` elements of the
ground set, ``m`` objectives, ``T`` elements of a trajectory, ``d`` size of a summary.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

import torch
from torch import Tensor

State: TypeAlias = dict[str, Tensor]
"""What is known of ``B`` growing sets: tensors whose first axis is ``B``."""

Self = TypeVar("Self", bound="SetFunction")


@runtime_checkable
class SetUtility(Protocol):
    """A set function as environments, planners and solvers use it: batched, incremental, on one device.

    The elements are the integers ``0 .. V - 1``. What is added is a *visit*: whether a second visit to the same element gains
    anything is up to the function. :func:`envs.coverage.checks.check_set_function` tests the laws.
    """

    num_elements: int
    """``V``."""
    num_objectives: int
    """``m``."""
    summary_size: int
    """``d``."""

    def start(self, batch: int, *, capacity: int) -> State:
        """Empty sets ``(B, ...)`` with room for ``capacity`` visits each."""

    def advance(self, state: State, elements: Tensor, rows: Tensor | None = None) -> Tensor:
        """Add ``elements`` ``(r,)`` to some sets, in place, and return what that gained, ``(r, m)``."""

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """What each element would gain, ``(r, V, m)``."""

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Features ``(r, d)`` that determine all gains to come."""


def require_set_function(function: Any, num_elements: int | None = None) -> None:
    """Refuse what is no set function, and say how a Python function becomes one.

    Args:
        function: What was given.
        num_elements: ``V`` where it is used; None if it is not known.

    Raises:
        ValueError: It is none.
    """
    if isinstance(function, SetUtility):
        return
    if callable(function):
        size = "num_elements" if num_elements is None else str(num_elements)
        raise ValueError(
            f"the set function is {function!r}, a function of Python, which cannot be asked for many sets at once; "
            f"envs.coverage.set_functions.ValueOracle(function, {size}) makes a set function of it"
        )
    raise ValueError(
        f"the set function is a {type(function).__name__}; expected one of envs.coverage.set_functions, or your own SetFunction"
    )


def part(tensor: Tensor, rows: Tensor | None) -> Tensor:
    """Some rows of a tensor; all of them, not copied, for None."""
    return tensor if rows is None else tensor[rows]


def every(state: State, rows: Tensor | None) -> Tensor:
    """The row numbers of one call: ``rows`` itself, or all for None."""
    value = state["value"]
    return torch.arange(value.shape[0], device=value.device) if rows is None else rows


class SetFunction(ABC):
    """Base of the set functions; fulfils :class:`SetUtility`.

    A subclass says how sets start and how they grow (``_start``, ``_advance``), and may replace :meth:`gains`,
    :meth:`trajectory_gains` and :meth:`summary` by something faster. Values are float64: gains are differences of values, and
    along a trajectory they become small against them. The value of the empty set is 0.
    """

    num_elements: int
    num_objectives: int
    summary_size: int
    objective_names: tuple[str, ...] = ()
    """What the objectives are called, ``(m,)``; empty if they have no names."""
    objective_units: tuple[str, ...] = ()
    """Their units, ``(m,)``; empty if they have no names."""

    def __init__(self, num_elements: int, *, num_objectives: int = 1, summary_size: int = 0) -> None:
        """Note the sizes.

        Args:
            num_elements: ``V``, at least 1.
            num_objectives: ``m``.
            summary_size: ``d``.

        Raises:
            ValueError: There is no element.
        """
        if num_elements < 1:
            raise ValueError(f"the ground set has {num_elements} elements; expected at least 1")
        self.num_elements = num_elements
        self.num_objectives = num_objectives
        self.summary_size = summary_size
        self.device = torch.device("cpu")

    @abstractmethod
    def _start(self, batch: int, capacity: int) -> State:
        """State of empty sets, without their value."""

    @abstractmethod
    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        """Add elements in place and return the gains ``(r, m)``; the value is kept by the caller."""

    def to(self: Self, device: torch.device | str) -> Self:
        """The same function on another device; the original stays as it is."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor | SetFunction):
                setattr(moved, name, value.to(device))
            elif isinstance(value, tuple) and value and all(isinstance(item, SetFunction) for item in value):
                setattr(moved, name, tuple(item.to(device) for item in value))
        moved.device = torch.device(device)
        return moved

    def start(self, batch: int, *, capacity: int) -> State:
        """Empty sets.

        Args:
            batch: ``B``.
            capacity: Most visits that one set will take.

        Returns:
            A state on the device of the function; ``state["value"]`` is the value of each set, ``(B, m)``.
        """
        state = self._start(batch, capacity)
        state["value"] = torch.zeros(batch, self.num_objectives, dtype=torch.float64, device=self.device)
        return state

    def advance(self, state: State, elements: Tensor, rows: Tensor | None = None) -> Tensor:
        """Add an element to some sets, in place.

        Args:
            state: From :meth:`start`.
            elements: ``(r,)`` int64.
            rows: Which sets, ``(r,)`` int64, without repetition; None for all, in order.

        Returns:
            Gains ``(r, m)``.

        Raises:
            ValueError: An element is not in the ground set (looked at on the CPU only: other devices would have to wait).
        """
        self._check_elements(elements)
        gains = self._advance(state, elements, rows)
        state["value"][slice(None) if rows is None else rows] += gains
        return gains

    def gain(self, state: State, elements: Tensor, rows: Tensor | None = None) -> Tensor:
        """What :meth:`advance` would return, without changing the state."""
        return self.advance({name: part(tensor, rows).clone() for name, tensor in state.items()}, elements)

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """What each element of the ground set would gain, ``(r, V, m)``; the state stays as it is."""
        number = self.num_elements
        repeated = {name: part(tensor, rows).repeat_interleave(number, 0) for name, tensor in state.items()}
        batch = repeated["value"].shape[0] // number
        elements = torch.arange(number, device=self.device).repeat(batch)
        return self.advance(repeated, elements).reshape(batch, number, self.num_objectives)

    def trajectory_gains(self, elements: Tensor) -> Tensor:
        """Gains along whole trajectories.

        Args:
            elements: ``(B, T)`` int64, from the first visit to the last.

        Returns:
            ``(B, T, m)``; the sum over ``T`` is the value.
        """
        batch, steps = elements.shape[:2]
        state = self.start(batch, capacity=steps)
        gains = torch.zeros(batch, steps, self.num_objectives, dtype=torch.float64, device=self.device)
        for step in range(steps):
            gains[:, step] = self.advance(state, elements[:, step])
        return gains

    def singletons(self) -> Tensor:
        """Value of each element alone, ``(V, m)``: the reward of the modular relaxation."""
        return self.gains(self.start(1, capacity=1))[0]

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Features ``(r, d)`` that determine all gains to come."""
        return part(state["value"], rows)[:, :0]

    def _check_elements(self, elements: Tensor) -> None:
        if elements.is_floating_point() or elements.dtype == torch.bool:
            raise ValueError(f"elements has type {elements.dtype}; expected integers, 0 to {self.num_elements - 1}")
        if elements.device.type != "cpu" or not elements.numel():
            return
        low, high = (int(bound) for bound in elements.aminmax())
        if low < 0 or high >= self.num_elements:
            raise ValueError(f"elements reach from {low} to {high}; the ground set is 0 to {self.num_elements - 1}")


def restart(state: State, rows: Tensor, fresh: State) -> None:
    """Set some sets back, in place.

    Args:
        state: ``(B, ...)``.
        rows: Which sets, ``(r,)`` int64.
        fresh: A state of one set, with the same capacity, that they begin with again.
    """
    for name, tensor in state.items():
        tensor[rows] = fresh[name]
