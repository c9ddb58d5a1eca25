"""Several set functions side by side: a vector of objectives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from envs.coverage.set_functions.composite import Composite, parts_of
from envs.coverage.set_functions.set_function import SetFunction


class Stack(Composite):
    """``F = (F_1, ..., F_q)``: their objectives one after the other. One trajectory gives the gains of all, exactly."""

    def __init__(self, functions: Sequence[SetFunction], *, names: Sequence[str] = (), units: Sequence[str] = ()) -> None:
        """Stack functions.

        Args:
            functions: At least one, all over the same ground set.
            names: What the objectives are called, ``(m,)``; empty for no names.
            units: Their units, ``(m,)``, empty text for none; only with names.

        Raises:
            ValueError: The ground sets differ, or there is not one name or unit per objective.
        """
        functions = parts_of(functions)
        super().__init__(functions, num_objectives=sum(function.num_objectives for function in functions))
        for argument, given in (("names", names), ("units", units)):
            if given and len(given) != self.num_objectives:
                raise ValueError(f"{argument} has {len(given)} entries; expected {self.num_objectives}, one per objective")
        self.objective_names = tuple(names)
        self.objective_units = tuple(units) if units else ("",) * len(names)

    def _joined(self, gains: list[Tensor]) -> Tensor:
        return torch.cat(gains, -1)
