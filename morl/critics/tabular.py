"""Critics that are tables of integral observations and finite actions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from morl.action_spaces import MOST_OPTIONS, finite_actions
from morl.critics.base import BaseCritic
from morl.spaces import StateIndexer


@dataclass(frozen=True, eq=False, kw_only=True)
class TabularCritic(BaseCritic):
    """One entry for each state and action: ``parts["q"]`` is ``(q, S, A, m)``."""

    form = "tabular"

    @cached_property
    def _indexer(self) -> StateIndexer:
        return StateIndexer(self.observation_space)

    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        finite = finite_actions(self.action_space, joint_limit=MOST_OPTIONS)
        assert finite is not None
        members = torch.arange(len(self), device=self.parts["q"].device).unsqueeze(1)
        states = self._for_each(self._indexer(observations))
        return self.parts["q"][members, states, self._for_each(finite.choices(actions))]

    def config(self) -> dict[str, Any]:
        return {"form": self.form, "num_objectives": self.num_objectives}

    @classmethod
    def from_config(cls, config: dict[str, Any], **given: Any) -> Self:
        return cls(num_objectives=config["num_objectives"], **given)
