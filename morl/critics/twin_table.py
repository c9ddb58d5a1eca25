"""Critics that are two networks of the observation with values of all finite actions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from morl.critics.table import ActionTableCritic
from morl.functional import pessimistic_values


@dataclass(frozen=True, eq=False, kw_only=True)
class TwinActionTableCritic(ActionTableCritic):
    """Two such networks."""

    form = "twin_table"
    copies = 2

    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        index = self._index(actions).unsqueeze(1).expand(-1, 2, -1, -1)
        return pessimistic_values(self.finite.total_values(self.table(observations), index), weights)
