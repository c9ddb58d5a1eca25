"""What the networks behind a policy have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from morl.nn.stacked import Parameters
from morl.protocols import Memory


class PolicyNetwork(ABC):
    """A stacked network from what a policy has seen to its outputs, for ``n`` members at once.

    Inputs are the encoded observation of the present step, ``(..., d)``, real numbers or, for integral observations, the
    components themselves. A network with memory also depends on the inputs of earlier steps of the episode. Networks are frozen
    dataclasses of numbers; parameters are passed to every call.
    """

    name: ClassVar[str]
    """By which a saved policy finds its class."""
    is_markov: ClassVar[bool]
    """Whether outputs depend on the present input only."""
    outputs: int
    """Output width."""

    @property
    @abstractmethod
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each parameter of one network."""

    @abstractmethod
    def init_member(self, generator: torch.Generator) -> Parameters:
        """Draw the parameters of one network."""

    @abstractmethod
    def step(
        self, parameters: Parameters, inputs: Tensor, memory: Memory, active: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """Evaluate at one step.

        Args:
            parameters: Of the members that take part.
            inputs: ``(n, B, d)``.
            memory: Of the episodes so far, tensors ``(n, B, ...)``; ``{}`` for a Markov network.
            active: Whose memory moves on, ``(n, B)`` bool; None for all.

        Returns:
            Outputs ``(n, B, outputs)`` and the memory that includes this step.
        """

    def unroll(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Evaluate at every step of whole episodes: inputs ``(n, E, T, d)`` -> outputs ``(n, E, T, outputs)``.

        As it stands, for Markov networks: every step by itself.
        """
        outputs: Tensor = self.step(parameters, inputs.flatten(1, 2), {})[0].unflatten(1, inputs.shape[1:3])
        return outputs

    def start(self, members: int, batch: int, device: torch.device) -> Memory:
        """Memory at the start of episodes, tensors ``(n, B, ...)``."""
        del members, batch, device
        return {}

    def init(self, generators: Sequence[torch.Generator], device: torch.device) -> Parameters:
        """Draw parameters.

        Args:
            generators: One CPU generator per member, so that a member's networks do not depend on the others.
            device: Where the parameters live.

        Returns:
            Parameters ``(n, ...)``.
        """
        members = [self.init_member(generator) for generator in generators]
        return [torch.stack(parts).to(device) for parts in zip(*members, strict=True)]

    def config(self) -> dict[str, Any]:
        """What JSON can hold: enough to make the network again."""
        return {"name": self.name} | {key: list(x) if isinstance(x, tuple) else x for key, x in vars(self).items()}


def orthogonal(rows: int, columns: int, gain: float, generator: torch.Generator) -> Tensor:
    """An orthogonal matrix ``(rows, columns)``."""
    matrix = torch.empty(rows, columns)
    torch.nn.init.orthogonal_(matrix, gain=gain, generator=generator)
    return matrix


def affine(weight: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """``inputs W + b`` of stacked layers: ``(n, B, in)`` -> ``(n, B, out)``."""
    return torch.baddbmm(bias.unsqueeze(1), inputs, weight)
