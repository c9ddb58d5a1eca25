"""Critics that are a network of the observation alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from morl.critics.network import NetworkCritic


@dataclass(frozen=True, eq=False, kw_only=True)
class StateValueCritic(NetworkCritic):
    """The value of a policy's own action, which is the policy's value: what an on-policy learner knows.

    ``parts`` may hold running moments beside the network's parameters: ``mean`` and ``std`` ``(q, d)`` of the observations,
    ``value_mean`` and ``value_std`` ``(q, m)`` of the values.
    """

    form = "state"

    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        """See :meth:`morl.protocols.Critic.values`; the actions make no difference."""
        inputs = self._encoded(observations)
        if "mean" in self.parts:
            inputs = (inputs - self.parts["mean"].unsqueeze(1)) / self.parts["std"].unsqueeze(1)
        values = self.network(self._network_parameters, inputs)
        if "value_mean" in self.parts:
            values = values * self.parts["value_std"].unsqueeze(1) + self.parts["value_mean"].unsqueeze(1)
        return values

    def config(self) -> dict[str, Any]:
        config = super().config()
        return {**config, "network": {**config["network"], "activation": self.network.activation}}
