"""An input layer, what remembers, and a perceptron on top: what the networks with hidden layers share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from morl.nn.policy_networks.input_layer import InputLayer
from morl.nn.policy_networks.network import PolicyNetwork, affine, orthogonal
from morl.nn.stacked import Parameters

OUTPUT_GAIN = 0.01
"""Of the last layer: policies begin close to uniform."""


@dataclass(frozen=True)
class LayeredNetwork(PolicyNetwork):
    """Base of the networks with hidden layers; parameters are those of the input layer, of the squares, and of the rest."""

    squares: ClassVar[int] = 0
    """Square matrices behind the input layer, side by side in one layer; none for a plain perceptron."""

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
    def _widths(self) -> tuple[int, ...]:
        """Of what goes into the perceptron on top, of its hidden layers, and of the outputs."""
        return (*self.hidden, self.outputs)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        width = self.squares * self.hidden[0]
        shapes = [*self._first.shapes, (self.hidden[0], width), (width,)] if width else self._first.shapes
        for a, b in pairwise(self._widths):
            shapes += [(a, b), (b,)]
        return shapes

    def init_member(self, generator: torch.Generator) -> Parameters:
        width = self.hidden[0]
        squares = [orthogonal(width, width, 1.0, generator) for _ in range(self.squares)]
        parameters = self._first.init_member(generator)
        if squares:
            parameters += [torch.cat(squares, 1), torch.zeros(self.squares * width)]
        for k, (a, b) in enumerate(pairwise(self._widths)):
            gain = OUTPUT_GAIN if k == len(self._widths) - 2 else 1.0
            parameters += [orthogonal(a, b, gain, generator), torch.zeros(b)]
        return parameters


def head(parameters: Parameters, hidden: Tensor) -> Tensor:
    """Further layers of a perceptron, tanh between them."""
    for k in range(0, len(parameters) - 2, 2):
        hidden = affine(parameters[k], parameters[k + 1], hidden).tanh_()
    return affine(parameters[-2], parameters[-1], hidden)
