r"""The network of return-conditioned policies: what is asked for gates what is seen.

.. math:: f\bigl( \sigma(W_s s) \odot \sigma(W_c c) \bigr)

with the encoded observation :math:`s`, the condition :math:`c` (any of preference, desired return, steps left, scaled) and a
perceptron :math:`f`.

References:
    Reymond, M., Bargiacchi, E., Nowé, A. (2022). Pareto Conditioned Networks. AAMAS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from morl.memory import require_parameters
from morl.nn.stacked import Parameters, StackedMLP

_SEEN_GAIN = 2.0
_ASKED_GAIN = 2.0
"""Spread of what goes into the sigmoids at first: wide enough that commands that differ little open different gates."""


@dataclass(frozen=True)
class ReturnConditionedNetwork:
    """Shape of the network; its parameters, with the networks on axis 0, are passed to every call."""

    inputs: int
    """Width of an encoded observation."""
    condition: int
    """Width of the condition; 0 for a network that is asked for nothing (behaviour cloning), which has no gate."""
    hidden: tuple[int, ...]
    """Width of each hidden layer of the perceptron behind the gate; the first is the gate's, too."""
    outputs: int
    """Output width."""

    @cached_property
    def _trunk(self) -> StackedMLP:
        return StackedMLP(self.hidden[0] if self.hidden else 1, self.hidden, self.outputs)

    @property
    def _gates(self) -> list[tuple[int, ...]]:
        """Shapes of the parameters in front of the perceptron."""
        widths = (self.inputs, self.condition) if self.condition else (self.inputs,)
        return [shape for width in widths for shape in ((width, self.hidden[0]), (self.hidden[0],))]

    @property
    def axes(self) -> list[tuple[str, ...]]:
        """Names of the axes of each parameter of one network."""
        return [("in", "out"), ("out",)] * (len(self._gates) // 2) + self._trunk.axes

    def config(self) -> dict[str, int | list[int]]:
        """What JSON can hold; :meth:`from_config` rebuilds it."""
        return {"inputs": self.inputs, "condition": self.condition, "hidden": list(self.hidden), "outputs": self.outputs}

    @classmethod
    def from_config(cls, config: dict[str, int | list[int]]) -> ReturnConditionedNetwork:
        """Rebuild from :meth:`config`."""
        return cls(**{**config, "hidden": tuple(config["hidden"])})  # type: ignore[arg-type]

    def init(self, generators: Sequence[torch.Generator], device: torch.device) -> Parameters:
        """Draw parameters.

        Args:
            generators: One CPU generator per network.
            device: Where the parameters live.

        Returns:
            Parameters ``(n, ...)``.

        Raises:
            ConfigurationError: No hidden layer, or more parameters than memory.
        """
        trunk = self._trunk
        require_parameters(len(generators) * sum(map(math.prod, [*self._gates, *trunk.shapes])), device)
        gates = [torch.stack(parts) for parts in zip(*map(self._drawn_gates, generators), strict=True)]
        return [part.to(device) for part in gates] + trunk.init(generators, device)

    def _drawn_gates(self, generator: torch.Generator) -> Parameters:
        parts: Parameters = []
        for (shape, bias), gain in zip(
            zip(self._gates[::2], self._gates[1::2], strict=True), (_SEEN_GAIN, _ASKED_GAIN), strict=False
        ):
            parts += [
                torch.empty(shape).normal_(0.0, gain, generator=generator),
                torch.empty(bias).normal_(0.0, gain, generator=generator),
            ]
        return parts

    def __call__(self, parameters: Parameters, inputs: Tensor, condition: Tensor) -> Tensor:
        """Evaluate.

        Args:
            parameters: Of ``n`` networks.
            inputs: Encoded observations, ``(n, B, inputs)``.
            condition: Scaled, ``(n, B, condition)``.

        Returns:
            ``(n, B, outputs)``.
        """
        h = torch.sigmoid(torch.baddbmm(parameters[1].unsqueeze(1), inputs, parameters[0]))
        if self.condition:
            h = h * torch.sigmoid(torch.baddbmm(parameters[3].unsqueeze(1), condition, parameters[2]))
        return self._trunk(parameters[len(self._gates) :], h)
