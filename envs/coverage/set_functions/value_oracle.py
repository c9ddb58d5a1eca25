"""A set function that is a function of Python: asked for one set after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from envs.arrays import read_floats
from envs.coverage.set_functions.set_function import SetFunction, State, every, part


class ValueOracle(SetFunction):
    """``F(A)`` as a function of the visits in ``A`` returns it, less its value for no visit.

    For planners, and for worlds that are small or stepped on the CPU: every gain costs a call, where other set functions answer
    for all sets at once. That the order of visits does not matter and that gains only fall is believed here;
    :func:`envs.coverage.checks.check_set_function` tests it.

    Example:
        >>> seen = [{0, 1}, {1, 2}, {3}]
        >>> function = ValueOracle(lambda visits: len(set().union(*(seen[v] for v in visits))), 3)
        >>> function.singletons()[:, 0].tolist()
        [2.0, 2.0, 1.0]
    """

    def __init__(self, value: Callable[[tuple[int, ...]], Any], num_elements: int) -> None:
        """Take a function.

        Args:
            value: Maps visits, elements in the order of arrival, possibly repeated, to a number, or to one per objective
                ``(m,)``.
            num_elements: ``V``.

        Raises:
            ValueError: It fails on no visit at all, or does not return finite numbers.
        """
        self._value = value
        try:
            nothing = value(())
        except Exception as error:
            raise ValueError(
                f"the set function fails on the empty set, {type(error).__name__}: {error}; give it a value, such as 0"
            ) from error
        self._nothing = _numbers(nothing, ())
        super().__init__(num_elements, num_objectives=self._nothing.size, summary_size=num_elements)

    def to(self, device: torch.device | str) -> ValueOracle:
        """Itself, on the CPU.

        Raises:
            ValueError: Another device.
        """
        if torch.device(device).type != "cpu":
            raise ValueError(f"a function of Python cannot move to {device}; write it as one of envs.coverage.set_functions")
        return self

    def _start(self, batch: int, capacity: int) -> State:
        return {
            "visits": torch.zeros(batch, capacity, dtype=torch.int64),
            "sizes": torch.zeros(batch, dtype=torch.int64),
        }

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        rows = every(state, rows)
        sizes = state["sizes"][rows]
        if sizes.numel() and int(sizes.max()) >= state["visits"].shape[1]:
            raise ValueError(f"a set is full: it was started with room for {state['visits'].shape[1]} visits")
        state["visits"][rows, sizes] = elements
        state["sizes"][rows] = sizes + 1
        values = [
            self._of(visits[:size]) for visits, size in zip(state["visits"][rows].tolist(), (sizes + 1).tolist(), strict=True)
        ]
        return torch.from_numpy(np.reshape(values, (-1, self.num_objectives))) - state["value"][rows]

    def _of(self, visits: list[int]) -> Any:
        return _numbers(self._value(tuple(visits)), visits, self._nothing.shape) - self._nothing

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """How often each element was visited, ``(r, V)``."""
        visits, sizes = part(state["visits"], rows), part(state["sizes"], rows)
        used = (torch.arange(visits.shape[1]) < sizes[:, None]).to(torch.float64)
        return torch.zeros(visits.shape[0], self.num_elements, dtype=torch.float64).scatter_add_(1, visits, used)


def _numbers(value: Any, visits: Any, shape: tuple[int, ...] | None = None) -> Any:
    numbers = np.atleast_1d(read_floats(f"the value of {list(visits)}", value, "a number, or one per objective"))
    if numbers.ndim != 1 or not np.isfinite(numbers).all() or (shape is not None and numbers.shape != shape):
        raise ValueError(
            f"the value of {list(visits)} is {value!r}; expected a finite number, or always as many as for no visit"
        )
    return numbers
