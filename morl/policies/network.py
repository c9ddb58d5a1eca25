"""Stochastic policies behind networks with or without memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import gymnasium as gym
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import MOST_OPTIONS, BoxActions, FiniteActions, box_actions, finite_actions
from morl.nn.policy_networks import PolicyNetwork, network_from
from morl.policies.base import BasePolicy
from morl.protocols import Memory
from morl.spaces import ComponentEncoder, space_from_json, space_to_json


@dataclass(frozen=True, eq=False)
class NetworkPolicy(BasePolicy):
    """A stacked :class:`~morl.nn.policy_networks.PolicyNetwork` with an action head.

    Heads: ``categorical`` (logits; of all combinations if an action has several components, the last one fastest) and
    ``gaussian`` (means, with a state-independent ``log_std`` tensor; actions are clipped to the box).
    """

    kind: ClassVar[str] = "network"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    network: PolicyNetwork
    head: Literal["categorical", "gaussian"]
    parameters: list[Tensor]
    """Of the network, each ``(p, ...)``."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """``log_std (p, a)``; ``mean`` and ``std (p, d)`` of the observations, as needed."""

    @cached_property
    def _encoder(self) -> ComponentEncoder:
        return ComponentEncoder(self.observation_space)

    @cached_property
    def _finite(self) -> FiniteActions | None:
        return finite_actions(self.action_space, joint_limit=MOST_OPTIONS)

    @cached_property
    def _box(self) -> BoxActions:
        assert isinstance(self.action_space, spaces.Box)
        return box_actions(self.action_space, self.parameters[0].device)

    def _inputs(self, observations: Tensor) -> Tensor:
        inputs = self._encoder(observations)
        if "mean" in self.extras:
            inputs = (inputs - self.extras["mean"].unsqueeze(1)) / self.extras["std"].unsqueeze(1)
        return inputs

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """See :meth:`BasePolicy.act_stacked`."""
        del weights
        outputs, _ = self.network.step(self.parameters, self._inputs(observations), memory)
        if (finite := self._finite) is not None:
            if deterministic:
                return finite.actions(finite.best(outputs))
            uniform = torch.rand(outputs.shape[:-1], generator=generator, device=outputs.device)
            return finite.actions(finite.sample(outputs, uniform))
        if not deterministic:
            noise = torch.randn(outputs.shape, generator=generator, device=outputs.device)
            outputs = outputs + self.extras["log_std"].exp().unsqueeze(1) * noise
        flat = self._box.clip(outputs * self._box.scale + self._box.offset)
        actions: Tensor = flat.reshape(*flat.shape[:-1], *(self.action_space.shape or ()))
        return actions

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        """See :meth:`BasePolicy.stacked_memory`."""
        return self.network.start(policies, batch, self.parameters[0].device)

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        """See :meth:`BasePolicy.observe_stacked`."""
        del actions, rewards
        if not memory:
            return memory
        _, following = self.network.step(self.parameters, self._inputs(observations), memory)
        return {name: value * ~done.view(*done.shape, *(1,) * (value.dim() - 2)) for name, value in following.items()}

    def config(self) -> dict[str, Any]:
        """See :meth:`BasePolicy.config`."""
        return {
            "kind": self.kind,
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
            "network": self.network.config(),
            "head": self.head,
        }

    def tensors(self) -> dict[str, Tensor]:
        """See :meth:`BasePolicy.tensors`."""
        return {**{f"parameters/{i}": p for i, p in enumerate(self.parameters)}, **self.extras}

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> NetworkPolicy:
        """See :meth:`BasePolicy.from_parts`."""
        count = sum(name.startswith("parameters/") for name in tensors)
        return cls(
            observation_space=space_from_json(config["observation_space"]),
            action_space=space_from_json(config["action_space"]),
            network=network_from(config["network"]),
            head=config["head"],
            parameters=[tensors[f"parameters/{i}"] for i in range(count)],
            extras={name: tensor for name, tensor in tensors.items() if not name.startswith("parameters/")},
        )
