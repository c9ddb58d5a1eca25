"""Critics that take a binary action as input and are folded at the observation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from morl.critics.base import BaseCritic
from morl.nn.action_values import ActionValueNet


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldedCritic(BaseCritic):
    """A Q-network over binary actions; beside its parameters, ``parts`` has its unit, ``scale`` and ``offset`` ``(q, m)``."""

    form = "folded"

    network: ActionValueNet

    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        folded = self.network.fold(self._network_parameters, self._encoded(observations))
        return folded.in_units(self.parts["scale"], self.parts["offset"])(self._for_each(actions).unsqueeze(2)).squeeze(2)

    def config(self) -> dict[str, Any]:
        network = {**dataclasses.asdict(self.network), "hidden": list(self.network.hidden)}
        return {"form": self.form, "network": network, "num_objectives": self.num_objectives}

    @classmethod
    def from_config(cls, config: dict[str, Any], **given: Any) -> Self:
        network = ActionValueNet(**{**config["network"], "hidden": tuple(config["network"]["hidden"])})
        return cls(network=network, num_objectives=config["num_objectives"], **given)
