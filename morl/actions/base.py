"""What an action optimiser is asked, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from morl.nn.action_values import FoldedValues


@dataclass(frozen=True)
class ActionProblem:
    """The action with the largest weighted value, for ``n`` members at ``B`` observations each."""

    values: FoldedValues
    weights: Tensor
    """``(n, m)``, nonnegative."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(n, B, N)``."""
        n, batch = self.values.output.constant.shape[:2]
        return n, batch, self.values.num_actions

    def scores(self, actions: Tensor) -> Tensor:
        """Scalarised values of ``C`` actions at each observation: ``(n, B, C, N)`` gives ``(n, B, C)``."""
        return self._weighed(self.values(actions))

    def flips(self, actions: Tensor) -> Tensor:
        """Scalarised values after changing each component in turn: ``(n, B, N)`` gives ``(n, B, N)``."""
        return self._weighed(self.values.flips(actions))

    def _weighed(self, values: Tensor) -> Tensor:
        weighed: Tensor = (values @ self.weights.to(values.dtype)[:, None, :, None]).squeeze(-1)
        return weighed


class ActionMaximizer(Protocol):
    """A live optimiser for one action set."""

    def __call__(self, problem: ActionProblem) -> Tensor:
        """The best feasible actions it finds, ``(n, B, N)`` bool."""
        ...


@runtime_checkable
class ActionOptimizer(Protocol):
    """The configuration of an optimiser: a frozen dataclass. The answer depends on the problem alone, never on earlier ones."""

    def make(self, constraint: Any) -> ActionMaximizer:
        """Prepare for an action set; see ``envs.cormab.constraints``."""
        ...


def as_tensor(actions: Any, like: Tensor) -> Tensor:
    """Numpy actions as a bool tensor on the device of ``like``."""
    return torch.from_numpy(actions).to(like.device)
