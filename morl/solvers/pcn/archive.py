"""The episodes that a return-conditioned network learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.dominance import Dominance
from morl.errors import CheckpointError
from morl.protocols import State
from morl.solvers.pcn.scores import episode_scores

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Episodes:
    """Episodes, their steps one after the other."""

    inputs: Tensor
    """What was seen, encoded but not normalised, ``(S, d)``."""
    actions: Tensor
    """What was done: choices as numbers, or actions in units of the box's half-widths, ``(S, a)``."""
    desired: Tensor
    """Returns to go, ``(S, m)`` float64, return units."""
    left: Tensor
    """Steps to go, ``(S, 1)`` float64."""

    @property
    def starts(self) -> Tensor:
        """First step of each, ``(N,)``: the step before it is another one's last."""
        is_first = torch.ones(len(self.left), dtype=torch.bool, device=self.left.device)
        is_first[1:] = self.left[:-1, 0] == 1
        return is_first.nonzero()[:, 0]

    def __add__(self, others: Episodes) -> Episodes:
        """Those, and then the others."""
        return Episodes(*(torch.cat(pair) for pair in zip(self._parts, others._parts, strict=True)))

    def pick(self, which: npt.NDArray[np.int64]) -> Episodes:
        """Some of them, ``(N',)``, in this order."""
        starts = self.starts
        first, lengths = starts[torch.from_numpy(which)], self.left[starts, 0].long()[torch.from_numpy(which)]
        offsets = torch.arange(int(lengths.sum()), device=starts.device) - (lengths.cumsum(0) - lengths).repeat_interleave(
            lengths
        )
        steps = first.repeat_interleave(lengths) + offsets
        return Episodes(*(part[steps] for part in self._parts))

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.inputs, self.actions, self.desired, self.left


class EpisodeArchive:
    """A bounded number of episodes: those with the best :func:`~morl.solvers.pcn.scores.episode_scores` stay."""

    def __init__(
        self,
        inputs: int,
        actions: int,
        objectives: int,
        *,
        capacity: int,
        dominance: Dominance,
        crowding_distance: float,
        crowding_penalty: float,
        device: torch.device,
    ) -> None:
        """Begin with none.

        Args:
            inputs: Width of an encoded observation.
            actions: Width of a stored action.
            objectives: ``m``.
            capacity: Episodes that it holds.
            dominance: Which returns are the best.
            crowding_distance: Distance, in units of the returns' range, within which returns crowd each other.
            crowding_penalty: What that costs at most, in the same unit.
            device: Where the steps live.
        """
        self.capacity, self.dominance, self.device = capacity, dominance, device
        self.crowding_distance, self.crowding_penalty = crowding_distance, crowding_penalty
        widths = (inputs, actions, objectives, 1)
        inputs_and_actions = [torch.zeros(0, width, device=device) for width in widths[:2]]
        self.steps = Episodes(*inputs_and_actions, *(torch.zeros(0, w, dtype=torch.float64, device=device) for w in widths[2:]))
        self.low, self.high = np.full(objectives, np.inf), np.full(objectives, -np.inf)
        """Worst and best return seen of each objective, ``(m,)``."""
        self._index()

    def __len__(self) -> int:
        return len(self.lengths)

    def _index(self) -> None:
        """Read off the steps what is asked for often."""
        starts = self.steps.starts
        self.starts, self.counts = starts, self.steps.left[starts, 0].long()
        self.returns: Array = self.steps.desired[starts].cpu().numpy()
        """Of each episode, ``(N, m)``, return units."""
        self.lengths: Array = self.steps.left[starts, 0].cpu().numpy()
        """Steps of each, ``(N,)``."""
        self.best = self.dominance(self.returns, self.low, self.high) if len(starts) else np.zeros(0, dtype=np.bool_)
        """Which are not dominated, ``(N,)``; of equal returns the first."""
        self._front = torch.from_numpy(np.flatnonzero(self.best)).to(self.device)

    def add(self, episodes: Episodes) -> None:
        """Add episodes, and drop those with the lowest scores that are too many; of equal ones the newest."""
        returns = episodes.desired[episodes.starts].cpu().numpy()
        self.low, self.high = np.minimum(self.low, returns.min(0)), np.maximum(self.high, returns.max(0))
        self.steps = self.steps + episodes
        self._index()
        if len(self) <= self.capacity:
            return
        scores = episode_scores(
            self.returns / self.unit,
            self.best,
            crowding_distance=self.crowding_distance,
            crowding_penalty=self.crowding_penalty,
        )
        kept = np.sort(np.argsort(-scores, kind="stable")[: self.capacity])
        self.steps = self.steps.pick(kept)
        self._index()

    @property
    def unit(self) -> Array:
        """Range of each objective in the archive, 1 where there is none, ``(m,)``."""
        unit: Array = np.ptp(self.returns, axis=0)
        return np.asarray(np.where(unit > 0, unit, 1.0))

    @property
    def spread(self) -> Array:
        """Standard deviation of each objective in the archive, ``(m,)``."""
        return np.asarray(self.returns.std(0))

    def sample(
        self, count: int, generator: torch.Generator, *, front_share: float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw steps: an episode, each equally often, and a step of it.

        Args:
            count: ``B``.
            front_share: Share of them from the best episodes only.
            generator: On the archive's device.

        Returns:
            Inputs ``(B, d)``, actions ``(B, a)``, returns to go ``(B, m)`` and steps to go ``(B, 1)`` float64.
        """
        episode = torch.randint(len(self), (count,), generator=generator, device=self.device)
        place_of_best = torch.randint(len(self._front), (count,), generator=generator, device=self.device)
        from_front = torch.arange(count, device=self.device) < front_share * count
        episode = torch.where(from_front, self._front[place_of_best], episode)
        uniform = torch.rand(count, generator=generator, device=self.device)
        # Rounding may reach the next episode's first step.
        place = torch.minimum((uniform * self.counts[episode]).long(), self.counts[episode] - 1)
        index = self.starts[episode] + place
        steps = self.steps
        return steps.inputs[index], steps.actions[index], steps.desired[index], steps.left[index]

    def state(self) -> State:
        """Every step, and the range seen."""
        steps = self.steps
        return {
            "inputs": steps.inputs, "actions": steps.actions, "desired": steps.desired, "left": steps.left,
            "low": torch.from_numpy(self.low.copy()), "high": torch.from_numpy(self.high.copy()),
        }  # fmt: skip

    def load_state(self, state: State) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: Its parts do not belong together.
        """
        names = ("inputs", "actions", "desired", "left")
        parts = [state[name].to(self.device).clone() for name in names]
        for name, part in zip(names, parts, strict=True):
            known = getattr(self.steps, name)
            if part.shape[1:] != known.shape[1:] or part.dtype != known.dtype or len(part) != len(parts[0]):
                raise CheckpointError(
                    f"the saved episodes' {name} have shape {tuple(part.shape)}, expected (steps, {known.shape[1]}) as the "
                    "others; the checkpoint was changed"
                )
        left = parts[3][:, 0]
        if len(left) and not bool((torch.where(left[:-1] > 1, left[1:] == left[:-1] - 1, True).all()) and left[-1] == 1):
            raise CheckpointError("the saved episodes do not count their steps down to 1; the checkpoint was changed")
        self.steps = Episodes(*parts)
        self.low, self.high = (state[name].cpu().numpy().copy() for name in ("low", "high"))
        self._index()
