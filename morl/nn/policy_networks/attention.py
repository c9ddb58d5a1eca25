"""Attention over the episode so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from morl.nn.policy_networks.layered import LayeredNetwork, head
from morl.nn.policy_networks.network import affine
from morl.nn.stacked import Parameters
from morl.protocols import Memory


@dataclass(frozen=True)
class Attention(LayeredNetwork):
    r"""One head of attention from the present step to all steps so far, then a perceptron.

    With :math:`x_t` the tanh of the input layer,
    :math:`y_t = \sum_{j \le t} \text{softmax}_j(q_t^\top k_j / \sqrt h) \, v_j`, where :math:`q, k, v` are affine in :math:`x`;
    the perceptron sees :math:`(x_t, y_t)`. Steps have no position of their own: where order matters, observations must tell the
    time.
    """

    name: ClassVar[str] = "attention"
    is_markov: ClassVar[bool] = False
    squares: ClassVar[int] = 3

    hidden: tuple[int, ...]
    """Width of queries, keys and values, then of the layers after the attention."""

    @property
    def _widths(self) -> tuple[int, ...]:
        return (2 * self.hidden[0], *self.hidden[1:], self.outputs)

    def start(self, members: int, batch: int, device: torch.device) -> Memory:
        """Nothing to attend to."""
        empty = torch.zeros(members, batch, 0, self.hidden[0], device=device)
        return {"keys": empty, "values": empty, "valid": empty[..., 0]}

    def _projected(self, parameters: Parameters, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        hidden = self._first(parameters[:2], inputs).tanh()
        query, key, value = affine(parameters[2], parameters[3], hidden).chunk(3, -1)
        return hidden, query * self.hidden[0] ** -0.5, key, value

    def step(
        self, parameters: Parameters, inputs: Tensor, memory: Memory, active: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        # The memory grows by one step.
        hidden, query, key, value = self._projected(parameters, inputs)
        keys = torch.cat([memory["keys"], key.unsqueeze(2)], 2)
        values = torch.cat([memory["values"], value.unsqueeze(2)], 2)
        present = torch.ones_like(hidden[..., :1])
        valid = torch.cat([memory["valid"], present], 2)
        scores = (keys @ query.unsqueeze(-1)).squeeze(-1).masked_fill(valid == 0, -torch.inf)
        seen = (scores.softmax(-1).unsqueeze(2) @ values).squeeze(2)
        if active is not None:
            valid = torch.cat([memory["valid"], active.unsqueeze(-1).to(present.dtype)], 2)
        return head(parameters[4:], torch.cat([hidden, seen], -1)), {"keys": keys, "values": values, "valid": valid}

    def unroll(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        episodes, steps = inputs.shape[1:3]
        hidden, *projections = self._projected(parameters, inputs.flatten(1, 2))
        query, key, value = (part.unflatten(1, (episodes, steps)) for part in projections)
        later = torch.ones(steps, steps, dtype=torch.bool, device=inputs.device).triu(1)
        scores = (query @ key.transpose(-1, -2)).masked_fill(later, -torch.inf)
        seen = (scores.softmax(-1) @ value).flatten(1, 2)
        outputs: Tensor = head(parameters[4:], torch.cat([hidden, seen], -1)).unflatten(1, (episodes, steps))
        return outputs
