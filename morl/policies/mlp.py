"""Policies that are multi-layer perceptrons, with the action heads that the solvers need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import gymnasium as gym
import torch
from gymnasium import spaces
from torch import Tensor

from morl.nn.stacked import StackedMLP
from morl.policies.parametric import HeadPolicy
from morl.protocols import Memory

Head = Literal["squashed_gaussian", "gaussian", "categorical", "greedy_q"]
"""How network outputs become actions."""


@dataclass(frozen=True, eq=False, repr=False)
class MLPPolicy(HeadPolicy):
    """A stacked perceptron with an action head.

    Heads: ``squashed_gaussian`` (means and log standard deviations of a tanh-squashed Gaussian on a bounded box),
    ``gaussian`` (means, with a state-independent ``log_std`` tensor; actions are clipped to the box), ``categorical``
    (logits) and ``greedy_q`` (``A * m`` vector values; the action with the best weighted sum). An action of several finite
    components is chosen component by component, the outputs of all of them side by side; or, with ``joint_actions``, among all
    combinations, the last component fastest.

    A policy with ``accrued_gamma`` also sees the discounted reward accrued since the start of the episode, divided by
    the tensor ``accrued_scale`` ``(p, m)``. One with a tensor ``referent`` ``(p, m)`` sees that after everything else.
    """

    kind: ClassVar[str] = "mlp"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    network: StackedMLP
    head: Head
    parameters: list[Tensor]
    """Of the network, each ``(p, ...)``."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """``log_std (p, a)``, ``weights``, ``accrued_scale`` and ``referent (p, m)``, ``mean`` and ``std (p, d)``, as needed."""
    accrued_gamma: float | None = None
    """Discount of the accrued reward among the inputs; None if it is not an input."""
    joint_actions: bool = False
    """Whether outputs stand for combinations of components; makes no difference to a Discrete space."""

    def _outputs(self, inputs: Tensor, memory: Memory) -> Tensor:
        if self.accrued_gamma is not None:
            inputs = torch.cat([inputs, memory["accrued"] / self.extras["accrued_scale"].unsqueeze(1)], dim=-1)
        if "referent" in self.extras:
            referent = self.extras["referent"].unsqueeze(1)
            inputs = torch.cat([inputs, referent.expand(*inputs.shape[:-1], referent.shape[-1])], dim=-1)
        return self.network(self.parameters, inputs)

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        if self.accrued_gamma is None:
            return {}
        scale = self.extras["accrued_scale"]
        return {
            "accrued": torch.zeros(policies, batch, scale.shape[-1], device=scale.device),
            "discount": torch.ones(policies, batch, 1, device=scale.device),
        }

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        del observations, actions
        if self.accrued_gamma is None:
            return memory
        running = (~done).unsqueeze(-1).to(rewards.dtype)
        accrued = (memory["accrued"] + memory["discount"] * rewards) * running
        return {"accrued": accrued, "discount": memory["discount"] * self.accrued_gamma * running + (1 - running)}

    def config(self) -> dict[str, Any]:
        network = {
            "inputs": self.network.inputs,
            "hidden": list(self.network.hidden),
            "outputs": self.network.outputs,
            "activation": self.network.activation,
        }
        return super().config() | {
            "network": network,
            "head": self.head,
            "accrued_gamma": self.accrued_gamma,
            # Said only where it makes a difference.
            **({"joint_actions": True} if self.joint_actions and not isinstance(self.action_space, spaces.Discrete) else {}),
        }

    def layout(self) -> dict[str, list[str]]:
        axes = {f"parameters/{i}": ["policy", *names] for i, names in enumerate(self.network.axes)}
        last = {"log_std": "action", "mean": "in", "std": "in"}
        last |= dict.fromkeys(("weights", "accrued_scale", "referent"), "objective")
        return axes | {name: ["policy", last[name]] for name in self.extras if name in last}

    @classmethod
    def _own_fields(cls, config: dict[str, Any]) -> dict[str, Any]:
        return {
            "network": StackedMLP(**{**config["network"], "hidden": tuple(config["network"]["hidden"])}),
            "head": config["head"],
            "accrued_gamma": config["accrued_gamma"],
            "joint_actions": config.get("joint_actions", False),
        }
