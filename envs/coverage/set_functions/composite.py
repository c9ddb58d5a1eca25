"""What set functions made of others have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, State, require_set_function


def parts_of(functions: Sequence[SetFunction]) -> tuple[SetFunction, ...]:
    """The parts, once they are known to be set functions."""
    for function in functions:
        require_set_function(function)
    return tuple(functions)


class Composite(SetFunction):
    """Base of the functions of other functions of the same elements; keeps the state of each."""

    def __init__(self, functions: Sequence[SetFunction], *, num_objectives: int, summary_size: int | None = None) -> None:
        """Take the parts.

        Args:
            functions: At least one, all over the same ground set and on the CPU.
            num_objectives: ``m`` of the whole.
            summary_size: ``d`` of the whole; None for those of the parts side by side.

        Raises:
            ValueError: There is no part, one is no set function, or the ground sets differ.
        """
        functions = parts_of(functions)
        sizes = sorted({function.num_elements for function in functions})
        if len(sizes) != 1:
            raise ValueError(f"the functions have {sizes} elements; expected one or more functions of the same ground set")
        if summary_size is None:
            summary_size = sum(function.summary_size for function in functions)
        super().__init__(sizes[0], num_objectives=num_objectives, summary_size=summary_size)
        self.functions = functions

    def _start(self, batch: int, capacity: int) -> State:
        states = [function.start(batch, capacity=capacity) for function in self.functions]
        return {f"{number}.{name}": tensor for number, state in enumerate(states) for name, tensor in state.items()}

    def _parts(self, state: State) -> list[tuple[SetFunction, State]]:
        """The parts and their states, which share their memory with the whole."""
        states: list[State] = [{} for _ in self.functions]
        for key, tensor in state.items():
            number, dot, name = key.partition(".")
            if dot:
                states[int(number)][name] = tensor
        return list(zip(self.functions, states, strict=True))

    @abstractmethod
    def _joined(self, gains: list[Tensor]) -> Tensor:
        """Gains of the whole ``(..., m)`` from those of its parts."""

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        return self._joined([function.advance(inner, elements, rows) for function, inner in self._parts(state)])

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        return self._joined([function.gains(inner, rows) for function, inner in self._parts(state)])

    def trajectory_gains(self, elements: Tensor) -> Tensor:
        return self._joined([function.trajectory_gains(elements) for function in self.functions])

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """The summaries of the parts side by side."""
        return torch.cat([function.summary(inner, rows) for function, inner in self._parts(state)], 1)
