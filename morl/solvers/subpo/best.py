"""The best episode of each member, kept beside its batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from morl.nn.stacked import Selection
from morl.protocols import State

Batch = dict[str, Tensor]


class BestEpisodes:
    """One episode of each member: the best that it ever played, or was shown.

    Letters used in shapes: ``n'`` members of one call, ``E`` episodes of each, ``T`` steps.
    """

    def __init__(self, members: int, device: torch.device) -> None:
        """Nothing yet.

        Args:
            members: ``n``.
            device: Where the episodes live.
        """
        self.members, self.device = members, device
        self.fields: Batch = {}
        """Fields of the episodes, ``(n, T, ...)``; the mask of a member that has none is empty."""

    def join(self, members: Selection, batch: Batch, score: Callable[[Tensor], Tensor]) -> Batch:
        """Take over what is better in a batch, and hand the batch back with the best episode as its last.

        Args:
            members: Who they are.
            batch: Fields ``(n', E, T, ...)``, with ``mask``, which steps took place, and ``value``, the gains of each step.
            score: Maps values of episodes ``(n', E, m)`` to what is to be large, ``(n', E)``.

        Returns:
            Fields ``(n', E + 1, T, ...)``.
        """
        if not self.fields:
            first = {name: part[:1, 0] for name, part in batch.items()}
            self.fields = {name: part.new_zeros(self.members, *part.shape[1:]) for name, part in first.items()}
        steps = max(batch["mask"].shape[2], self.fields["mask"].shape[1])
        self.fields = {name: _longer(part, 1, steps) for name, part in self.fields.items()}
        joined = {
            name: torch.cat([_longer(part, 2, steps), self.fields[name][members].unsqueeze(1)], 1)
            for name, part in batch.items()
        }
        scores = score(joined["value"].sum(2)).masked_fill(~joined["mask"].any(2), -torch.inf)
        # Of equal scores the first is chosen: the newest, which is closest to what the policy does.
        best = scores.argmax(1)
        rows = torch.arange(len(best), device=best.device)
        for name, part in joined.items():
            part[:, -1] = part[rows, best]
            self.fields[name][members] = part[:, -1]
        return joined

    def show(self, member: int, episode: Batch) -> None:
        """Give a member an episode to start with.

        Args:
            member: Who.
            episode: Fields ``(T, ...)``, of the types that batches have.
        """
        if not self.fields:
            self.fields = {name: part.new_zeros(self.members, *part.shape) for name, part in episode.items()}
        for name, part in episode.items():
            self.fields[name][member] = part

    def copy(self, source: int, target: int) -> None:
        """A member whose policy another one's took the place of starts anew."""
        if self.fields:
            self.fields["mask"][target] = False

    def reindexed(self, source: Sequence[int], fresh: Sequence[bool]) -> BestEpisodes:
        """The episodes of a changed population; see :class:`morl.members.MemberPart`."""
        other = BestEpisodes(len(source), self.device)
        other.fields = {name: part[torch.as_tensor(list(source))].clone() for name, part in self.fields.items()}
        return other

    def state(self) -> State:
        """The fields."""
        return dict(self.fields)

    def load_state(self, state: State) -> None:
        """Restore :meth:`state`."""
        self.fields = {name: part.to(self.device).clone() for name, part in state.items()}


def _longer(part: Tensor, axis: int, steps: int) -> Tensor:
    """Append zeros along the axis of steps."""
    missing = steps - part.shape[axis]
    if not missing:
        return part
    shape = list(part.shape)
    shape[axis] = missing
    return torch.cat([part, part.new_zeros(shape)], axis)
