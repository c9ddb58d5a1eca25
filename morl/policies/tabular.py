"""Policies that are tables of vector values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium as gym
import torch
from torch import Tensor

from morl.action_spaces import MOST_OPTIONS, FiniteActions, finite_actions
from morl.policies.base import BasePolicy
from morl.protocols import Memory
from morl.spaces import StateIndexer, space_from_json, space_to_json


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def _finite(self) -> FiniteActions | None:
        return finite_actions(self.action_space, joint_limit=MOST_OPTIONS)

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """See :meth:`BasePolicy.act_stacked`; a table is deterministic."""
        del memory, weights, deterministic, generator
        chosen = self.actions.gather(1, self._indexer(observations))
        return chosen if self._finite is None else self._finite.actions(chosen)

    def config(self) -> dict[str, Any]:
        """See :meth:`BasePolicy.config`."""
        return {
            "kind": self.kind,
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
        }

    def tensors(self) -> dict[str, Tensor]:
        """See :meth:`BasePolicy.tensors`."""
        return {"actions": self.actions}

    def layout(self) -> dict[str, list[str]]:
        """See :meth:`BasePolicy.layout`."""
        return {"actions": ["policy", "state"]}

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> TabularPolicy:
        """See :meth:`BasePolicy.from_parts`."""
        return cls(space_from_json(config["observation_space"]), space_from_json(config["action_space"]), tensors["actions"])
