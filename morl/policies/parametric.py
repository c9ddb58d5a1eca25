"""What the policies that are networks share: parameters by number, other tensors by name, and what the network sees."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import BoxActions, box_actions
from morl.nn.distributions import squashed_log_std
from morl.policies.base import BasePolicy
from morl.protocols import Memory
from morl.spaces import ComponentEncoder, ObservationEncoder, space_from_json


class ParametricPolicy(BasePolicy):
    """Base of the policies that are a stacked network and a few tensors beside it; a subclass declares both as fields."""

    encoder: ClassVar[type[ObservationEncoder | ComponentEncoder]] = ObservationEncoder
    """How observations become inputs."""
    parameters: list[Tensor]
    extras: dict[str, Tensor]

    @cached_property
    def _encoder(self) -> ObservationEncoder | ComponentEncoder:
        return self.encoder(self.observation_space)

    def _inputs(self, observations: Tensor) -> Tensor:
        """Encoded observations, normalised where there is a ``mean`` and a ``std`` beside the network."""
        inputs = self._encoder(observations)
        if "mean" in self.extras:
            inputs = (inputs - self.extras["mean"].unsqueeze(1)) / self.extras["std"].unsqueeze(1)
        return inputs

    def tensors(self) -> dict[str, Tensor]:
        return {**{f"parameters/{i}": p for i, p in enumerate(self.parameters)}, **self.extras}

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        count = sum(name.startswith("parameters/") for name in tensors)
        fields: dict[str, Any] = {
            "observation_space": space_from_json(config["observation_space"]),
            "action_space": space_from_json(config["action_space"]),
            "parameters": [tensors[f"parameters/{i}"] for i in range(count)],
            "extras": {name: tensor for name, tensor in tensors.items() if not name.startswith("parameters/")},
        }
        return cls(**fields | cls._own_fields(config))

    @classmethod
    @abstractmethod
    def _own_fields(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Fields beside those that all have, or instead of them, from the :meth:`config` of a policy."""


class HeadPolicy(ParametricPolicy):
    """Base of the policies whose network's outputs become actions by one of the heads of :class:`~morl.policies.MLPPolicy`."""

    head: str

    @cached_property
    def _box(self) -> BoxActions:
        assert isinstance(self.action_space, spaces.Box)
        return box_actions(self.action_space, self.parameters[0].device)

    @abstractmethod
    def _outputs(self, inputs: Tensor, memory: Memory) -> Tensor:
        """Evaluate the network."""

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        return self._chosen(self._outputs(self._inputs(observations), memory), weights, deterministic, generator)

    def _chosen(
        self, outputs: Tensor, weights: Tensor | None, deterministic: bool, generator: torch.Generator | None
    ) -> Tensor:
        """Turn outputs ``(p, B, ...)`` into actions."""
        if (finite := self.finite) is not None:
            if self.head == "greedy_q":
                preference = self.extras["weights"].unsqueeze(1) if weights is None else weights
                q: Tensor = outputs.unflatten(-1, (-1, preference.shape[-1]))
                return finite.actions(finite.best((q * preference.unsqueeze(-2)).sum(-1)))
            if deterministic:
                return finite.actions(finite.best(outputs))
            shape = finite.noise_shape(tuple(outputs.shape[:-1]))
            return finite.actions(finite.sample(outputs, torch.rand(shape, generator=generator, device=outputs.device)))
        box = self._box
        mean, raw = outputs.chunk(2, dim=-1) if self.head == "squashed_gaussian" else (outputs, None)
        if not deterministic:
            log_std = self.extras["log_std"].unsqueeze(1) if raw is None else squashed_log_std(raw)
            mean = mean + log_std.exp() * torch.randn(mean.shape, generator=generator, device=mean.device)
        if self.head == "squashed_gaussian":
            flat = torch.addcmul(box.offset, torch.tanh(mean), box.scale)
        else:
            flat = box.clip(mean * box.scale + box.offset)
        actions: Tensor = flat.reshape(*flat.shape[:-1], *(self.action_space.shape or ()))
        return actions
