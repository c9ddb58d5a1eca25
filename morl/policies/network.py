"""Stochastic policies behind networks with or without memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import gymnasium as gym
from torch import Tensor

from morl.nn.policy_networks import PolicyNetwork, network_from
from morl.policies.parametric import HeadPolicy
from morl.protocols import Memory
from morl.spaces import ComponentEncoder


@dataclass(frozen=True, eq=False, repr=False)
class NetworkPolicy(HeadPolicy):
    """A stacked :class:`~morl.nn.policy_networks.PolicyNetwork` with an action head.

    Heads: ``categorical`` (logits; of all combinations if an action has several components, the last one fastest) and
    ``gaussian`` (means, with a state-independent ``log_std`` tensor; actions are clipped to the box).
    """

    kind: ClassVar[str] = "network"
    encoder = ComponentEncoder

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    network: PolicyNetwork
    head: Literal["categorical", "gaussian"]
    parameters: list[Tensor]
    """Of the network, each ``(p, ...)``."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """``log_std (p, a)``; ``mean`` and ``std (p, d)`` of the observations, as needed."""

    def _outputs(self, inputs: Tensor, memory: Memory) -> Tensor:
        return self.network.step(self.parameters, inputs, memory)[0]

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        return self.network.start(policies, batch, self.parameters[0].device)

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        del actions, rewards
        if not memory:
            return memory
        _, following = self.network.step(self.parameters, self._inputs(observations), memory)
        return {name: value * ~done.view(*done.shape, *(1,) * (value.dim() - 2)) for name, value in following.items()}

    def config(self) -> dict[str, Any]:
        return super().config() | {"network": self.network.config(), "head": self.head}

    @classmethod
    def _own_fields(cls, config: dict[str, Any]) -> dict[str, Any]:
        return {"network": network_from(config["network"]), "head": config["head"]}
