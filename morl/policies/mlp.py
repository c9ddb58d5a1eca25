"""Policies that are multi-layer perceptrons, with the action heads that the solvers need."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import gymnasium as gym
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import MOST_OPTIONS, BoxActions, FiniteActions, box_actions, finite_actions
from morl.nn.distributions import squashed_log_std
from morl.nn.stacked import StackedMLP
from morl.policies.base import BasePolicy
from morl.protocols import Memory
from morl.spaces import ObservationEncoder, space_from_json, space_to_json

Head = Literal["squashed_gaussian", "gaussian", "categorical", "greedy_q"]
"""How network outputs become actions."""


@dataclass(frozen=True, eq=False)
class MLPPolicy(BasePolicy):
    """A stacked perceptron with an action head.

    Heads: ``squashed_gaussian`` (means and log standard deviations of a tanh-squashed Gaussian on a bounded box),
    ``gaussian`` (means, with a state-independent ``log_std`` tensor; actions are clipped to the box), ``categorical``
    (logits) and ``greedy_q`` (``A * m`` vector values; the action with the best weighted sum). An action of several finite
    components is chosen component by component, the outputs of all of them side by side; or, with ``joint_actions``, among all
    combinations, the last component fastest.

    A policy with ``accrued_gamma`` also sees the discounted reward accrued since the start of the episode, divided by
    the tensor ``accrued_scale`` ``(1, m)``.
    """

    kind: ClassVar[str] = "mlp"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    network: StackedMLP
    head: Head
    parameters: list[Tensor]
    """Of the network, each ``(p, ...)``."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """``log_std (p, a)``, ``weights (p, m)``, ``accrued_scale (p, m)``, ``mean`` and ``std (p, d)``, as needed."""
    accrued_gamma: float | None = None
    """Discount of the accrued reward among the inputs; None if it is not an input."""
    joint_actions: bool = False
    """Whether outputs stand for combinations of components; makes no difference to a Discrete space."""

    @cached_property
    def _encoder(self) -> ObservationEncoder:
        return ObservationEncoder(self.observation_space)

    @cached_property
    def finite(self) -> FiniteActions | None:
        """The choices of finite actions; None for a box of real numbers."""
        return finite_actions(self.action_space, joint_limit=MOST_OPTIONS if self.joint_actions else 0)

    @cached_property
    def _box(self) -> BoxActions:
        assert isinstance(self.action_space, spaces.Box)
        return box_actions(self.action_space, self.parameters[0].device)

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """See :meth:`BasePolicy.act_stacked`."""
        inputs = self._encoder(observations)
        if "mean" in self.extras:
            inputs = (inputs - self.extras["mean"].unsqueeze(1)) / self.extras["std"].unsqueeze(1)
        if self.accrued_gamma is not None:
            inputs = torch.cat([inputs, memory["accrued"] / self.extras["accrued_scale"].unsqueeze(1)], dim=-1)
        outputs = self.network(self.parameters, inputs)
        return self._actions(outputs, weights, deterministic, generator)

    def _actions(
        self, outputs: Tensor, weights: Tensor | None, deterministic: bool, generator: torch.Generator | None
    ) -> Tensor:
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

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        """See :meth:`BasePolicy.stacked_memory`."""
        if self.accrued_gamma is None:
            return {}
        scale = self.extras["accrued_scale"]
        return {
            "accrued": torch.zeros(policies, batch, scale.shape[-1], device=scale.device),
            "discount": torch.ones(policies, batch, 1, device=scale.device),
        }

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        """See :meth:`BasePolicy.observe_stacked`."""
        del observations, actions
        if self.accrued_gamma is None:
            return memory
        running = (~done).unsqueeze(-1).to(rewards.dtype)
        accrued = (memory["accrued"] + memory["discount"] * rewards) * running
        return {"accrued": accrued, "discount": memory["discount"] * self.accrued_gamma * running + (1 - running)}

    def config(self) -> dict[str, Any]:
        """See :meth:`BasePolicy.config`."""
        network = {
            "inputs": self.network.inputs,
            "hidden": list(self.network.hidden),
            "outputs": self.network.outputs,
            "activation": self.network.activation,
        }
        return {
            "kind": self.kind,
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
            "network": network,
            "head": self.head,
            "accrued_gamma": self.accrued_gamma,
            # Said only where it makes a difference.
            **({"joint_actions": True} if self.joint_actions and not isinstance(self.action_space, spaces.Discrete) else {}),
        }

    def tensors(self) -> dict[str, Tensor]:
        """See :meth:`BasePolicy.tensors`."""
        return {**{f"parameters/{i}": p for i, p in enumerate(self.parameters)}, **self.extras}

    def layout(self) -> dict[str, list[str]]:
        """See :meth:`BasePolicy.layout`."""
        axes = {f"parameters/{i}": ["policy", *names] for i, names in enumerate(self.network.axes)}
        last = {"log_std": "action", "weights": "objective", "accrued_scale": "objective", "mean": "in", "std": "in"}
        return axes | {name: ["policy", last[name]] for name in self.extras}

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> MLPPolicy:
        """See :meth:`BasePolicy.from_parts`."""
        count = sum(name.startswith("parameters/") for name in tensors)
        return cls(
            observation_space=space_from_json(config["observation_space"]),
            action_space=space_from_json(config["action_space"]),
            network=StackedMLP(**{**config["network"], "hidden": tuple(config["network"]["hidden"])}),
            head=config["head"],
            parameters=[tensors[f"parameters/{i}"] for i in range(count)],
            extras={name: tensor for name, tensor in tensors.items() if not name.startswith("parameters/")},
            accrued_gamma=config["accrued_gamma"],
            joint_actions=config.get("joint_actions", False),
        )
