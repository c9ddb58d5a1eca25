"""A perceptron of the present input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from morl.nn.policy_networks.layered import LayeredNetwork, head
from morl.nn.stacked import Parameters
from morl.protocols import Memory


@dataclass(frozen=True)
class Perceptron(LayeredNetwork):
    """Input layer, tanh, hidden layers with tanh, linear outputs."""

    name: ClassVar[str] = "perceptron"
    is_markov: ClassVar[bool] = True

    def step(
        self, parameters: Parameters, inputs: Tensor, memory: Memory, active: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        del active
        hidden = self._first(parameters[:2], inputs).tanh()
        return head(parameters[2:], hidden), memory
