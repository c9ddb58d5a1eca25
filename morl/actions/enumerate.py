"""The best action by trying all of them, in batches: exact, on any device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.actions.base import ActionMaximizer, ActionProblem
from morl.errors import CapabilityError, ConfigurationError
from morl.fields import CheckedFields, Count

_BLOCK = 1 << 21
"""Numbers of one layer's output that are held at once."""


@dataclass(frozen=True, kw_only=True)
class Enumerate(CheckedFields):
    """Try every feasible action."""

    limit: Count = 200_000
    """Largest set that is listed."""

    def make(self, constraint: Any) -> EnumerateMaximizer:
        """List the set.

        Raises:
            CapabilityError: It is larger than the limit.
        """
        listed = constraint.enumerate(self.limit)
        if listed is None:
            raise CapabilityError(
                f"{type(constraint).__name__} has more than {self.limit} actions; raise Enumerate.limit or use another"
            )
        return EnumerateMaximizer(torch.from_numpy(np.ascontiguousarray(listed)))


@dataclass(frozen=True, eq=False)
class EnumerateMaximizer(ActionMaximizer):
    """Tries a list of actions."""

    actions: Tensor
    """``(A, N)`` bool."""

    def __call__(self, problem: ActionProblem) -> Tensor:
        n, batch, _ = problem.shape
        like = problem.weights
        every = self.actions.to(like.device)
        width = max([layer.constant.shape[-1] for layer in problem.values.hidden] or [1])
        block = max(1, _BLOCK // (n * batch * width))
        best = torch.full((n, batch), -torch.inf, device=like.device, dtype=problem.values.output.constant.dtype)
        place = torch.zeros(n, batch, dtype=torch.int64, device=like.device)
        for start in range(0, len(every), block):
            part = every[start : start + block]
            found, where = problem.scores(part.expand(n, batch, *part.shape)).max(-1)
            better = found > best
            best, place = torch.where(better, found, best), torch.where(better, where + start, place)
        if not bool(torch.isfinite(best).all()):
            raise ConfigurationError("the best value of all actions is NaN or infinite; training has diverged")
        return every[place]
