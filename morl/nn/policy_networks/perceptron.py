"""A perceptron of the present input."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor

from morl.nn.policy_networks.input_layer import InputLayer
from morl.nn.policy_networks.network import PolicyNetwork, affine, orthogonal
from morl.nn.stacked import Parameters
from morl.protocols import Memory

OUTPUT_GAIN = 0.01
"""Of the last layer: policies begin close to uniform."""


@dataclass(frozen=True)
class Perceptron(PolicyNetwork):
    """Input layer, tanh, hidden layers with tanh, linear outputs."""

    name: ClassVar[str] = "perceptron"
    is_markov: ClassVar[bool] = True

    inputs: int
    """Number of components of an input."""
    sizes: tuple[int, ...] | None
    """How many values each component can take, for integral observations; None for real numbers."""
    hidden: tuple[int, ...]
    """Width of each hidden layer."""
    outputs: int

    @property
    def _first(self) -> InputLayer:
        return InputLayer(self.inputs, self.sizes, self.hidden[0])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """See :meth:`PolicyNetwork.shapes`."""
        shapes = self._first.shapes
        for a, b in pairwise((*self.hidden, self.outputs)):
            shapes += [(a, b), (b,)]
        return shapes

    def init_member(self, generator: torch.Generator) -> Parameters:
        """See :meth:`PolicyNetwork.init_member`."""
        return [*self._first.init_member(generator), *head_init((*self.hidden, self.outputs), generator)]

    def step(
        self, parameters: Parameters, inputs: Tensor, memory: Memory, active: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """See :meth:`PolicyNetwork.step`."""
        del active
        hidden = self._first(parameters[:2], inputs).tanh()
        return head(parameters[2:], hidden), memory

    def unroll(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """See :meth:`PolicyNetwork.unroll`."""
        outputs: Tensor = self.step(parameters, inputs.flatten(1, 2), {})[0].unflatten(1, inputs.shape[1:3])
        return outputs

    def config(self) -> dict[str, Any]:
        """See :meth:`PolicyNetwork.config`."""
        sizes = None if self.sizes is None else list(self.sizes)
        return {
            "name": self.name, "inputs": self.inputs, "sizes": sizes, "hidden": list(self.hidden), "outputs": self.outputs,
        }  # fmt: skip


def head_init(widths: tuple[int, ...], generator: torch.Generator) -> Parameters:
    """Orthogonal layers of the given widths, the last one small."""
    parameters: Parameters = []
    for k, (a, b) in enumerate(pairwise(widths)):
        gain = OUTPUT_GAIN if k == len(widths) - 2 else 1.0
        parameters += [orthogonal(a, b, gain, generator), torch.zeros(b)]
    return parameters


def head(parameters: Parameters, hidden: Tensor) -> Tensor:
    """Further layers of a perceptron, tanh between them."""
    for k in range(0, len(parameters) - 2, 2):
        hidden = affine(parameters[k], parameters[k + 1], hidden).tanh_()
    return affine(parameters[-2], parameters[-1], hidden)
