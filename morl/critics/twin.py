"""Critics that are two networks of observation and action, of which the pessimistic one counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from morl.critics.network import NetworkCritic
from morl.functional import pessimistic_values


@dataclass(frozen=True, eq=False, kw_only=True)
class TwinCritic(NetworkCritic):
    """Two networks of observation and action."""

    form = "twin"
    copies = 2

    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        inputs = torch.cat([self._encoded(observations), self._flat(actions)], -1)
        return pessimistic_values(self.network(self._network_parameters, inputs), weights)
