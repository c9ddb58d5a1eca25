"""A recurrent network: a gated recurrent unit over the episode so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from morl.nn.policy_networks.input_layer import InputLayer
from morl.nn.policy_networks.layered import LayeredNetwork, head
from morl.nn.stacked import Parameters
from morl.protocols import Memory


@dataclass(frozen=True)
class GRU(LayeredNetwork):
    r"""Gated recurrent unit, then a perceptron of its state.

    .. math::
        r_t, z_t &= \sigma(W_{rz} x_t + U_{rz} h_{t-1} + b_{rz}) \\
        c_t &= \tanh(W_c x_t + b_c + r_t \odot (U_c h_{t-1} + d_c)) \\
        h_t &= (1 - z_t) \odot c_t + z_t \odot h_{t-1}

    The inputs enter directly: for integral observations :math:`W x` is a sum of learned vectors.
    """

    name: ClassVar[str] = "gru"
    is_markov: ClassVar[bool] = False
    squares: ClassVar[int] = 3

    hidden: tuple[int, ...]
    """Width of the state, then of the layers after it."""

    @property
    def _first(self) -> InputLayer:
        return InputLayer(self.inputs, self.sizes, 3 * self.hidden[0])

    def start(self, members: int, batch: int, device: torch.device) -> Memory:
        """A state of zeros."""
        return {"state": torch.zeros(members, batch, self.hidden[0], device=device)}

    def _advance(self, parameters: Parameters, projected: Tensor, state: Tensor) -> Tensor:
        width = self.hidden[0]
        recurrent = torch.baddbmm(parameters[3].unsqueeze(1), state, parameters[2])
        gates = (projected[..., : 2 * width] + recurrent[..., : 2 * width]).sigmoid()
        reset, keep = gates[..., :width], gates[..., width:]
        candidate = (projected[..., 2 * width :] + reset * recurrent[..., 2 * width :]).tanh()
        return candidate + keep * (state - candidate)

    def step(
        self, parameters: Parameters, inputs: Tensor, memory: Memory, active: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        before = memory["state"]
        state = self._advance(parameters, self._first(parameters[:2], inputs), before)
        kept = state if active is None else torch.where(active.unsqueeze(-1), state, before)
        return head(parameters[4:], state), {"state": kept}

    def unroll(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        n, episodes, steps = inputs.shape[:3]
        projected = self._first(parameters[:2], inputs.flatten(1, 2)).unflatten(1, (episodes, steps))
        state = self.start(n, episodes, inputs.device)["state"]
        states = []
        for t in range(steps):
            state = self._advance(parameters, projected[:, :, t], state)
            states.append(state)
        outputs: Tensor = head(parameters[4:], torch.stack(states, 2).flatten(1, 2)).unflatten(1, (episodes, steps))
        return outputs
