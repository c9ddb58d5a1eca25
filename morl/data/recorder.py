"""Collect the steps of many environment rows into whole episodes, while a learner trains or a policy acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.data.episode import Array, Episode, Header
from morl.errors import CheckpointError
from morl.protocols import EpisodeListener, Rows, State, Transition

_FIRST_STEPS = 64
"""Steps of an episode for which there is room at first."""


class EpisodeSink(Protocol):
    """Takes finished episodes."""

    header: Header
    """What all of them have in common."""

    def add(self, episode: Episode) -> None:
        """Take one."""
        ...


class Recorder(EpisodeListener):
    """Hands every episode that ends on, in the order in which they end; rows that end together in their own order.

    Unfinished episodes stay here; how much memory they take depends on the rows and on the longest episode.
    """

    def __init__(self, sink: EpisodeSink) -> None:
        """Start with no rows.

        Args:
            sink: Takes the episodes.
        """
        self.sink = sink
        header = sink.header
        m, shape = header.num_objectives, header.action_space.shape or ()
        self._open: dict[str, Array] = {
            "observations": np.zeros((0, _FIRST_STEPS, *header.observation_shape), header.stored_dtype),
            "actions": np.zeros((0, _FIRST_STEPS, *shape), header.action_space.dtype),
            "rewards": np.zeros((0, _FIRST_STEPS, m), np.float32),
            "weights": np.zeros((0, m), np.float32),
            "policies": np.zeros(0, np.int64),
            "lengths": np.full(0, -1, np.int64),
        }

    def begin(self, rows: Rows, weights: Tensor, policies: Sequence[int]) -> None:
        missing = int(rows.max()) + 1 - len(self._open["lengths"])
        if missing > 0:
            for name, array in self._open.items():
                more = np.full((missing, *array.shape[1:]), -1 if name == "lengths" else 0, array.dtype)
                self._open[name] = np.concatenate([array, more])
        self._open["lengths"][rows] = 0
        self._open["weights"][rows] = weights.detach().cpu().numpy()
        self._open["policies"][rows] = policies

    def step(self, transition: Transition) -> None:
        rows, header = transition.rows, self.sink.header
        at = self._open["lengths"][rows]
        if int(at.max()) >= self._open["rewards"].shape[1]:
            for name in ("observations", "actions", "rewards"):
                array = self._open[name]
                self._open[name] = np.concatenate([array, np.zeros_like(array)], 1)
        self._open["observations"][rows, at] = transition.observations.cpu().numpy()
        self._open["actions"][rows, at] = transition.actions.detach().cpu().numpy() + header.start
        self._open["rewards"][rows, at] = transition.rewards.cpu().numpy()
        self._open["lengths"][rows] += 1
        done = transition.done.cpu().numpy()
        if not done.any():
            return
        last = transition.next_observations.cpu().numpy().astype(header.stored_dtype, copy=False)
        terminated, truncated = transition.terminated.cpu().numpy(), transition.truncated.cpu().numpy()
        for i in np.flatnonzero(done).tolist():
            row = int(rows[i])
            length = int(self._open["lengths"][row])
            steps = {name: self._open[name][row, :length].copy() for name in ("observations", "actions", "rewards")}
            self.sink.add(
                Episode(
                    **steps,
                    final_observation=last[i].copy(),
                    terminated=bool(terminated[i]),
                    truncated=bool(truncated[i]),
                    weights=self._open["weights"][row].copy(),
                    policy=int(self._open["policies"][row]),
                )
            )
            self._open["lengths"][row] = -1

    def reindex(self, rows: Rows, fresh: npt.NDArray[np.bool_]) -> None:
        known = len(self._open["lengths"])
        if not known:
            return
        for name, array in self._open.items():
            self._open[name] = array[np.minimum(rows, known - 1)].copy()
        self._open["lengths"][fresh | (rows >= known)] = -1

    def state(self) -> State:
        """The unfinished episodes."""
        longest = max(int(self._open["lengths"].max(initial=0)), 0)
        held: State = {}
        for name, array in self._open.items():
            if name in ("observations", "actions", "rewards"):
                array = array[:, :longest].copy()  # noqa: PLW2901 - the steps there are
                # What earlier episodes left behind is not part of the position.
                array[np.arange(longest) >= self._open["lengths"][:, None]] = 0
            held[name] = torch.from_numpy(array.copy())
        return held

    def load_state(self, state: State) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: The saved episodes are not those of such an environment.
        """
        for name in self._open:
            array = state[name].numpy()
            if array.dtype != self._open[name].dtype:
                raise CheckpointError(
                    f"the saved episodes have {name} of type {array.dtype}, expected {self._open[name].dtype}"
                )
            if name in ("observations", "actions", "rewards"):
                room = np.zeros((len(array), max(_FIRST_STEPS, array.shape[1]), *array.shape[2:]), array.dtype)
                room[:, : array.shape[1]] = array
                array = room
            self._open[name] = array.copy()
