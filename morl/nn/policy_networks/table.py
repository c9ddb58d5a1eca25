"""A table: one row of outputs per state."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from morl.nn.policy_networks.network import PolicyNetwork
from morl.nn.stacked import Parameters
from morl.protocols import Memory


@dataclass(frozen=True)
class Table(PolicyNetwork):
    """Outputs of every state, zero at first; inputs are integral."""

    name: ClassVar[str] = "table"
    is_markov: ClassVar[bool] = True

    inputs: int
    """Number of components."""
    sizes: tuple[int, ...]
    """How many values each component can take."""
    outputs: int

    @property
    def num_states(self) -> int:
        """Rows of the table."""
        return prod(self.sizes)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [(self.num_states, self.outputs)]

    def init_member(self, generator: torch.Generator) -> Parameters:
        """Zeros: the uniform policy."""
        del generator
        return [torch.zeros(self.num_states, self.outputs)]

    def step(
        self, parameters: Parameters, inputs: Tensor, memory: Memory, active: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        del active
        (table,) = parameters
        members, rows, width = table.shape
        state = torch.arange(members, device=table.device).view(-1, 1) * rows
        for k in range(self.inputs):
            # The last component counts fastest.
            state = state + inputs[..., k] * prod(self.sizes[k + 1 :])
        return table.reshape(members * rows, width).index_select(0, state.flatten()).view(*state.shape, width), memory
