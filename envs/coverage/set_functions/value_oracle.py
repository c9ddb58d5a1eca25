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
    """``F(A)`` as a function of the different elements of ``A`` returns it, less its value for none.

    A second visit gains nothing. For planners, and for worlds that are small or stepped on the CPU: every gain costs a call,
    where other set functions answer for all sets at once. That no gain is negative and that gains only fall is believed here;
    :func:`envs.coverage.checks.check_set_function` tests it.

    Example:
        >>> seen = [{0, 1}, {1, 2}, {3}]
        >>> function = ValueOracle(lambda chosen: len(set().union(*(seen[v] for v in chosen))), 3)
        >>> function.singletons()[:, 0].tolist()
        [2.0, 2.0, 1.0]
    """

    def __init__(self, value: Callable[[tuple[int, ...]], Any], num_elements: int) -> None:
        """Take a function.

        Args:
            value: Maps different elements, in ascending order, to a number, or to one per objective ``(m,)``.
            num_elements: ``V``.

        Raises:
            ValueError: It fails on the empty set, or does not return finite numbers.
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
        return {"visited": torch.zeros(batch, self.num_elements, dtype=torch.bool)}

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        rows = every(state, rows)
        new = ~state["visited"][rows, elements]
        state["visited"][rows, elements] = True
        gains = torch.zeros(rows.shape[0], self.num_objectives, dtype=torch.float64)
        # A set at a time: that is all a function of Python can be asked.
        for place in new.nonzero()[:, 0].tolist():
            row = int(rows[place])
            gains[place] = self._worth(state["visited"][row]) - state["value"][row]
        return gains

    def _worth(self, visited: Tensor) -> Tensor:
        elements = tuple(visited.nonzero()[:, 0].tolist())
        return torch.from_numpy(_numbers(self._value(elements), elements, self._nothing.shape) - self._nothing)

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """1 for each visited element, ``(r, V)``."""
        return part(state["visited"], rows).to(torch.float64)


def _numbers(value: Any, visits: Any, shape: tuple[int, ...] | None = None) -> Any:
    numbers = np.atleast_1d(read_floats(f"the value of {list(visits)}", value, "a number, or one per objective"))
    if numbers.ndim != 1 or not np.isfinite(numbers).all() or (shape is not None and numbers.shape != shape):
        raise ValueError(
            f"the value of {list(visits)} is {value!r}; expected a finite number, or always as many as for no visit"
        )
    return numbers
