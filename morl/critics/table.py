"""Critics that are a network of the observation with values of all finite actions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import MOST_OPTIONS, FiniteActions, finite_actions
from morl.critics.network import NetworkCritic


@dataclass(frozen=True, eq=False, kw_only=True)
class ActionTableCritic(NetworkCritic):
    """A network with ``m`` outputs for each choice; an action is worth the sum over its choices."""

    form = "table"

    joint_actions: bool = False
    """Whether outputs stand for combinations of components; makes no difference to a single one."""

    @cached_property
    def finite(self) -> FiniteActions:
        """The choices."""
        found = finite_actions(self.action_space, joint_limit=MOST_OPTIONS if self.joint_actions else 0)
        assert found is not None
        return found

    def table(self, observations: Tensor) -> Tensor:
        """Values of all choices, ``(q[, 2], B, S, m)``."""
        outputs = self.network(self._network_parameters, self._encoded(observations))
        values: Tensor = outputs.unflatten(-1, (self.finite.width, self.num_objectives))
        return values

    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        return self.finite.total_values(self.table(observations), self._index(actions))

    def _index(self, actions: Tensor) -> Tensor:
        return self._for_each(self.finite.index(self.finite.choices(actions)))

    def config(self) -> dict[str, Any]:
        """See :meth:`BaseCritic.config`; a joint choice is said only where it makes a difference."""
        joint = self.joint_actions and not isinstance(self.action_space, spaces.Discrete)
        return super().config() | ({"joint_actions": True} if joint else {})
