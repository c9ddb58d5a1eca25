"""Policies that are tables of what to do, given the state, the step and the reward accrued so far."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium as gym
import torch
from torch import Tensor

from morl.policies.base import BasePolicy
from morl.protocols import Memory
from morl.spaces import StateIndexer, space_from_json


@dataclass(frozen=True, eq=False, repr=False)
class RewardAwarePolicy(BasePolicy):
    """Looks up the situation: the state, the step of the episode and the discounted reward accrued so far.

    A situation that is not in the table is answered as the nearest one: of the same state, if there is any, then of the nearest
    step, then with the nearest accrued reward.
    """

    kind: ClassVar[str] = "reward_aware"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    accrued_gamma: float
    """Discount of the accrued reward."""
    states: Tensor
    """``(p, N)`` int64; -1 for entries that are not used."""
    steps: Tensor
    """``(p, N)`` int64."""
    accrued: Tensor
    """``(p, N, m)`` float64, return units."""
    actions: Tensor
    """``(p, N)`` int64."""

    @cached_property
    def _indexer(self) -> StateIndexer:
        return StateIndexer(self.observation_space)

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        del weights, deterministic, generator
        states = self._indexer(observations)
        same = states.unsqueeze(-1) == self.states.unsqueeze(1)
        # Among the situations of the state, if there are any; those of the nearest step; then the nearest accrued reward.
        far = torch.iinfo(torch.int64).max
        apart = (memory["step"].unsqueeze(-1) - self.steps.unsqueeze(1)).abs()
        apart = torch.where(self.states.unsqueeze(1) < 0, far, torch.where(same | ~same.any(-1, keepdim=True), apart, far))
        nearest = apart == apart.amin(-1, keepdim=True)
        unit = self.accrued.abs().amax(1).clamp_min(1e-12)
        distance = ((memory["accrued"].unsqueeze(2) - self.accrued.unsqueeze(1)) / unit[:, None, None]).abs().sum(-1)
        place = torch.where(nearest, distance, torch.inf).argmin(-1)
        chosen = self.actions.gather(1, place)
        return chosen if self.finite is None else self.finite.actions(chosen)

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        device, m = self.accrued.device, self.accrued.shape[-1]
        return {
            "accrued": torch.zeros(policies, batch, m, dtype=torch.float64, device=device),
            "discount": torch.ones(policies, batch, 1, dtype=torch.float64, device=device),
            "step": torch.zeros(policies, batch, dtype=torch.int64, device=device),
        }

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        del observations, actions
        goes_on = ~done
        running = goes_on.unsqueeze(-1).to(torch.float64)
        return {
            "accrued": (memory["accrued"] + memory["discount"] * rewards) * running,
            "discount": memory["discount"] * self.accrued_gamma * running + (1 - running),
            "step": (memory["step"] + 1) * goes_on,
        }

    def config(self) -> dict[str, Any]:
        return super().config() | {"accrued_gamma": self.accrued_gamma}

    def tensors(self) -> dict[str, Tensor]:
        return {"states": self.states, "steps": self.steps, "accrued": self.accrued, "actions": self.actions}

    def layout(self) -> dict[str, list[str]]:
        axes = ["policy", "situation"]
        return {"states": axes, "steps": axes, "accrued": [*axes, "objective"], "actions": axes}

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> RewardAwarePolicy:
        return cls(
            space_from_json(config["observation_space"]), space_from_json(config["action_space"]), config["accrued_gamma"],
            states=tensors["states"], steps=tensors["steps"], accrued=tensors["accrued"], actions=tensors["actions"],
        )  # fmt: skip
