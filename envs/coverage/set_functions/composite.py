"""What set functions made of others have in common."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, State, require_set_function


def parts_of(functions: Sequence[SetFunction]) -> tuple[SetFunction, ...]:
    """The parts, once they are known to be set functions."""
    for function in functions:
        require_set_function(function)
    return tuple(functions)


class Composite(SetFunction):
    """Base of the functions of other functions of the same elements; keeps the state of each."""

    def __init__(self, functions: Sequence[SetFunction], *, num_objectives: int, summary_size: int) -> None:
        """Take the parts.

        Args:
            functions: At least one, all over the same ground set and on the CPU.
            num_objectives: ``m`` of the whole.
            summary_size: ``d`` of the whole.

        Raises:
            ValueError: There is no part, one is no set function, or the ground sets differ.
        """
        functions = parts_of(functions)
        sizes = sorted({function.num_elements for function in functions})
        if len(sizes) != 1:
            raise ValueError(f"the functions have {sizes} elements; expected one or more functions of the same ground set")
        super().__init__(sizes[0], num_objectives=num_objectives, summary_size=summary_size)
        self.functions = functions

    def _start(self, batch: int, capacity: int) -> State:
        states = [function.start(batch, capacity=capacity) for function in self.functions]
        return {f"{number}.{name}": tensor for number, state in enumerate(states) for name, tensor in state.items()}

    def _states(self, state: State) -> list[State]:
        """The states of the parts, which share their memory with the whole."""
        states: list[State] = [{} for _ in self.functions]
        for key, tensor in state.items():
            number, dot, name = key.partition(".")
            if dot:
                states[int(number)][name] = tensor
        return states

    def _advance_parts(self, state: State, elements: Tensor, rows: Tensor | None) -> list[Tensor]:
        parts = zip(self.functions, self._states(state), strict=True)
        return [function.advance(inner, elements, rows) for function, inner in parts]

    def _gains_of_parts(self, state: State, rows: Tensor | None) -> list[Tensor]:
        return [function.gains(inner, rows) for function, inner in zip(self.functions, self._states(state), strict=True)]

    def _summaries(self, state: State, rows: Tensor | None) -> list[Tensor]:
        return [function.summary(inner, rows) for function, inner in zip(self.functions, self._states(state), strict=True)]
