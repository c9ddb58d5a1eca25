"""Stacked multi-layer perceptrons: one batched matrix product evaluates the networks of all members.

Parameters are plain tensors with the members on axis 0, hidden weights ``(n, in, out)`` and the narrow last layer
transposed, ``(n, out, in)``: a batched product with a narrow right-hand side is several times slower than its transpose.
Twin networks (two critics per member) are one more axis behind the members, ``(n, copies, ...)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from morl.errors import CheckpointError, ConfigurationError
from morl.memory import require_parameters

Parameters = list[Tensor]
"""Weights and biases in layer order: ``[W1, b1, W2, b2, ...]``."""


class Packed(list[Tensor]):
    """Parameters that lie behind each other in one tensor, so that one operation reaches all of them.

    They are moved there in place: whoever holds one of the tensors sees what becomes of it.
    """

    def __init__(self, parameters: Parameters) -> None:
        """Move contiguous tensors into one."""
        super().__init__(parameters)
        self.flat = torch.cat([p.reshape(-1) for p in parameters])
        for p, part in zip(parameters, self.flat.split([p.numel() for p in parameters]), strict=True):
            p.set_(part.view(p.shape))


Selection = slice | Tensor
"""Which members: a slice (no copy) or an index tensor ``(n',)``."""


def member_slice(members: Sequence[int] | None, n: int) -> Selection:
    """Say which members take part in the cheapest form.

    Args:
        members: Indices in increasing order; None for all.
        n: Number of members.

    Returns:
        A slice where the members are contiguous, an index tensor otherwise.
    """
    if members is None:
        return slice(0, n)
    index = list(members)
    if index == list(range(index[0], index[0] + len(index))):
        return slice(index[0], index[0] + len(index))
    return torch.tensor(index, dtype=torch.int64)


@dataclass(frozen=True)
class StackedMLP:
    """Shape of a stacked perceptron; its parameters are passed to every call."""

    inputs: int
    """Input width."""
    hidden: tuple[int, ...]
    """Width of each hidden layer."""
    outputs: int
    """Output width."""
    copies: int | None = None
    """Networks per member; None for one without a copies axis."""
    activation: Literal["relu", "tanh"] = "relu"
    """Of the hidden layers."""
    hidden_gain: float = 1.0
    """Gain of the orthogonal initialisation of hidden layers."""
    output_gain: float = 1.0
    """Gain of the orthogonal initialisation of the last layer."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigurationError(
                f"hidden must name at least one layer of positive width, such as (64, 64); found {self.hidden}"
            )

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each parameter of one network."""
        widths = (self.inputs, *self.hidden)
        shapes: list[tuple[int, ...]] = []
        for a, b in pairwise(widths):
            shapes += [(a, b), (b,)]
        return [*shapes, (self.outputs, self.hidden[-1]), (self.outputs,)]

    @property
    def axes(self) -> list[tuple[str, ...]]:
        """Names of the axes of each of :attr:`shapes`."""
        return [("in", "out"), ("out",)] * len(self.hidden) + [("out", "in"), ("out",)]

    def init(self, generators: Sequence[torch.Generator], device: torch.device) -> Parameters:
        """Draw parameters: orthogonal weights, zero biases.

        Args:
            generators: One CPU generator per member, so that a member's networks do not depend on the others.
            device: Where the parameters live.

        Returns:
            Parameters ``(n, ...)`` or ``(n, copies, ...)``.
        """
        count = len(generators) * (self.copies or 1) * sum(math.prod(shape) for shape in self.shapes)
        require_parameters(count, device)
        members = [self._init_member(generator) for generator in generators]
        return [torch.stack(parts).to(device) for parts in zip(*members, strict=True)]

    def _init_member(self, generator: torch.Generator) -> Parameters:
        networks: list[Parameters] = []
        for _ in range(self.copies or 1):
            parameters: Parameters = []
            for i, shape in enumerate(self.shapes):
                if len(shape) == 1:
                    parameters.append(torch.zeros(shape))
                    continue
                last = i == len(self.shapes) - 2
                parameters.append(
                    torch.nn.init.orthogonal_(
                        torch.empty(shape), gain=self.output_gain if last else self.hidden_gain, generator=generator
                    )
                )
            networks.append(parameters)
        if self.copies is None:
            return networks[0]
        return [torch.stack(parts) for parts in zip(*networks, strict=True)]

    def __call__(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Evaluate the networks of all members.

        Args:
            parameters: Of the members that take part.
            inputs: ``(n, B, inputs)``; with copies every copy sees the same inputs.

        Returns:
            ``(n, B, outputs)``, or ``(n, copies, B, outputs)``.
        """
        if self.copies is not None:
            n, batch = inputs.shape[:2]
            inputs = inputs.unsqueeze(1).expand(n, self.copies, *inputs.shape[1:]).reshape(n * self.copies, *inputs.shape[1:])
            parameters = [p.reshape(n * self.copies, *p.shape[2:]) for p in parameters]
            return self._forward(parameters, inputs).reshape(n, self.copies, batch, self.outputs)
        return self._forward(parameters, inputs)

    def _forward(self, parameters: Parameters, h: Tensor) -> Tensor:
        for i in range(0, len(parameters) - 2, 2):
            h = torch.baddbmm(parameters[i + 1].unsqueeze(1), h, parameters[i])
            h = torch.relu(h) if self.activation == "relu" else torch.tanh(h)
        return torch.baddbmm(parameters[-1].unsqueeze(2), parameters[-2], h.transpose(1, 2)).transpose(1, 2)

    def flops(self, batch: int) -> int:
        """Floating-point operations of one forward pass of one member on ``batch`` rows (matrix products only)."""
        widths = (self.inputs, *self.hidden, self.outputs)
        return 2 * batch * (self.copies or 1) * int(sum(np.prod(pair) for pair in pairwise(widths)))


def select(parameters: Parameters, members: Selection) -> Parameters:
    """Parameters of some members: views for a slice, copies for an index tensor."""
    count = parameters[0].shape[0]
    if isinstance(members, slice) and members.indices(count) == (0, count, 1):
        return parameters
    return [p[members] for p in parameters]


def blend_(targets: Parameters, parameters: Parameters, rate: float) -> None:
    """Move target parameters towards the live ones in place: ``target += rate * (parameter - target)``.

    Args:
        targets: Slow copies; must be views of the stored tensors (contiguous members), or the move is lost.
        parameters: Live parameters of the same members.
        rate: In ``(0, 1]``; 1 copies exactly.
    """
    if isinstance(targets, Packed) and isinstance(parameters, Packed):
        targets, parameters = [targets.flat], [parameters.flat]
    if rate == 1.0:
        torch._foreach_copy_(targets, parameters)
    else:
        torch._foreach_lerp_(targets, parameters, rate)


def restore_(tensor: Tensor, saved: Tensor) -> None:
    """Overwrite a tensor by a saved one.

    Args:
        tensor: What to overwrite.
        saved: Of the same shape; nothing is spread over what is larger.

    Raises:
        CheckpointError: It has another shape.
    """
    if saved.shape != tensor.shape:
        raise CheckpointError(
            f"a saved tensor has shape {tuple(saved.shape)} where the configuration needs {tuple(tensor.shape)}; it was changed"
        )
    tensor.copy_(saved)


def write_(parameters: Parameters, members: Selection, values: Parameters) -> None:
    """Store the parameters of some members."""
    for parameter, value in zip(parameters, values, strict=True):
        parameter[members] = value
