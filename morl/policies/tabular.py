"""Policies that are tables of vector values."""

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
class TabularPolicy(BasePolicy):
    """Greedy in a table of actions, one per state; combinations of several components are numbered, the last one fastest."""

    kind: ClassVar[str] = "tabular"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    actions: Tensor
    """Action of every state, ``(p, S)`` int64."""

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
        del memory, weights, deterministic, generator
        chosen = self.actions.gather(1, self._indexer(observations))
        return chosen if self.finite is None else self.finite.actions(chosen)

    def tensors(self) -> dict[str, Tensor]:
        return {"actions": self.actions}

    def layout(self) -> dict[str, list[str]]:
        return {"actions": ["policy", "state"]}

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> TabularPolicy:
        return cls(space_from_json(config["observation_space"]), space_from_json(config["action_space"]), tensors["actions"])
