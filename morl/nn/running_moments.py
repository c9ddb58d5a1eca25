"""Running mean and variance of the inputs or targets of stacked networks, one pair per member."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from morl.nn.stacked import Selection, restore_, select
from morl.protocols import State

VARIANCE_FLOOR = 1e-4
"""Smallest variance that is divided by: what never changed shall not be blown up when it does."""


class RunningMoments:
    """Mean and variance of what each member has seen, 0 and 1 before that."""

    def __init__(
        self,
        members: int,
        width: int,
        *,
        device: torch.device,
        memory: float = math.inf,
        followed: Tensor | None = None,
    ) -> None:
        """Start with nothing seen.

        Args:
            members: ``n``.
            width: Components.
            device: Where the tensors live.
            memory: Number of samples that the past counts for at most; the rest fades.
            followed: Which components are looked at, ``(width,)`` bool; the others keep 0 and 1. None for all.
        """
        self._left_out = None if followed is None or bool(followed.all()) else (~followed).to(device)
        self.mean = torch.zeros(members, width, device=device)
        self.variance = torch.ones(members, width, device=device)
        self.count = torch.zeros(members, 1, dtype=torch.float64, device=device)
        self.memory = memory

    @property
    def std(self) -> Tensor:
        """Standard deviation that is divided by, ``(n, width)``."""
        return self.variance.clamp_min(VARIANCE_FLOOR).sqrt()

    def normalise(self, values: Tensor, members: Selection) -> Tensor:
        """Shift and scale values of some members, ``(n', B, width)``."""
        mean, std = select([self.mean, self.std], members)
        return (values - mean.unsqueeze(1)) / std.unsqueeze(1)

    def restore(self, values: Tensor, members: Selection) -> Tensor:
        """Undo :meth:`normalise`."""
        mean, std = select([self.mean, self.std], members)
        return values * std.unsqueeze(1) + mean.unsqueeze(1)

    def follow(self, values: Tensor, mask: Tensor, members: Selection) -> None:
        """Take in new samples of some members.

        Args:
            values: ``(n', B, width)``.
            mask: Valid ones, ``(n', B)`` bool; at least one per member.
            members: Whose.
        """
        if self._left_out is not None:
            values = values.masked_fill(self._left_out, 0.0)
        valid = mask.unsqueeze(-1)
        batch = valid.sum(1).to(torch.float64)
        scale = (1.0 / batch).to(values.dtype)
        mean = torch.where(valid, values, 0.0).sum(1) * scale
        variance = torch.where(valid, values - mean.unsqueeze(1), 0.0).square().sum(1) * scale
        past = self.count[members].clamp_max(self.memory)
        rate = (batch / (past + batch)).to(values.dtype)
        change = mean - self.mean[members]
        # Variance of the union of two samples: the parts' own, and the distance of their means.
        self.variance[members] = self.variance[members].lerp(variance, rate) + rate * (1 - rate) * change.square()
        self.mean[members] += rate * change
        self.count[members] += batch
        if self._left_out is not None:
            self.variance.masked_fill_(self._left_out, 1.0)

    def copy(self, source: int, target: int) -> None:
        """Overwrite a member's moments by another's."""
        for tensor in (self.mean, self.variance, self.count):
            tensor[target] = tensor[source]

    def move(self, source: int, target: int, tau: float) -> None:
        """Move a member's moments by a share ``tau`` towards another's, as their parameters are."""
        for tensor in (self.mean, self.variance, self.count):
            tensor[target] += tau * (tensor[source] - tensor[target])

    def reindexed(self, source: Sequence[int], fresh: Sequence[bool] | None = None) -> RunningMoments:
        """The moments of a reindexed population; each new member, fresh or not, takes over those of ``source``."""
        index = torch.as_tensor(list(source), dtype=torch.int64)
        followed = None if self._left_out is None else ~self._left_out
        other = RunningMoments(len(source), self.mean.shape[1], device=self.mean.device, memory=self.memory, followed=followed)
        other.mean, other.variance, other.count = (t[index].clone() for t in (self.mean, self.variance, self.count))
        return other

    def state(self) -> State:
        """Everything needed to go on exactly."""
        return {"mean": self.mean, "variance": self.variance, "count": self.count}

    def load_state(self, state: State) -> None:
        """Restore :meth:`state` in place."""
        for name in ("mean", "variance", "count"):
            restore_(getattr(self, name), state[name])
