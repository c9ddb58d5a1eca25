"""Write a data set, episode by episode, so that a crash never leaves half of anything.

::

    DATA/dataset.json  DATA/episodes-00000.npz  DATA/episodes-00001.npz  ...

A file is closed once it holds about :data:`SHARD_BYTES`, which depends on the episodes only and on no clock: the same episodes
give the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from morl.data.episode import Episode, Header
from morl.data.shard import Shard
from morl.files import json_text, own_folder, remove, sha256, write_atomically
from morl.protocols import State, prefixed, unprefixed

FORMAT_VERSION = 1
"""Version of the layout described above."""
SHARD_BYTES = 4 << 20
"""Of a file, before compression and with what an episode takes in memory beside its numbers."""
INDEX = "dataset.json"


class DatasetWriter:
    """Adds episodes to a data set, which can be read at any time."""

    def __init__(self, path: str | Path, header: Header) -> None:
        """Start a data set that has no episodes yet, in the place of whatever data set is there; nothing is written so far.

        Args:
            path: The folder; made when there is something to write.
            header: What all episodes have in common.
        """
        self.path, self.header = Path(path), header
        self._shards: list[dict[str, Any]] = []
        self._pending: list[Episode] = []
        self._bytes = 0
        self._listed = -1

    def add(self, episode: Episode) -> None:
        """Add an episode.

        Raises:
            DataError: It is not of the kind that the header says; what cannot be seen at a glance is found when its file is
                written.
            OSError: The disk refuses; what was written before is kept.
        """
        steps, m = episode.rewards.shape if episode.rewards.ndim == 2 else (0, 0)
        glance = steps and m == self.header.num_objectives and len(episode.observations) == len(episode.actions) == steps
        if not (glance and np.isfinite(episode.rewards).all()):
            Shard.of([episode], self.header).check(self.header, "the episode")
        self._pending.append(episode)
        self._bytes += _size(episode)
        if self._bytes >= SHARD_BYTES:
            self._shards = [*self._shards, self._write()]
            self._pending, self._bytes = [], 0
            self._list()

    def publish(self) -> None:
        """Make every episode so far readable; what is added later goes on where this ends."""
        self._list([self._write()] if self._pending else [])
        wanted = {shard["file"] for shard in self._shards} | {self._next_name if self._pending else ""}
        for file in self.path.glob("episodes-*.npz"):
            if file.name not in wanted:
                remove(file)

    @property
    def _next_name(self) -> str:
        return f"episodes-{len(self._shards):05d}.npz"

    def _write(self) -> dict[str, Any]:
        """Write what is pending; returns its entry of the index."""
        if self._listed != len(self._shards):
            # The index must not name a file by the sum of another content, not even for a moment.
            self._list()
        shard = Shard.of(self._pending, self.header)
        shard.check(self.header, "what is to be written")
        path = self.path / self._next_name
        write_atomically(path, shard.to_bytes())
        return {"file": path.name, "episodes": len(self._pending), "steps": len(shard.rewards), "sha256": sha256(path)}

    def _list(self, last: list[dict[str, Any]] | None = None) -> None:
        """Write the index of all closed files, and of the last one."""
        shards = [*self._shards, *(last or ())]
        content = {
            "format": FORMAT_VERSION,
            **self.header.to_json(),
            "episodes": sum(shard["episodes"] for shard in shards),
            "steps": sum(shard["steps"] for shard in shards),
            "shards": shards,
        }
        own_folder(self.path)
        write_atomically(self.path / INDEX, json_text(content))
        self._listed = len(shards)

    def state(self) -> State:
        """Everything needed to go on exactly: which files are closed, and the episodes of the next one."""
        pending = Shard.of(self._pending, self.header).arrays()
        return {"shards": self._shards, **prefixed("pending", {k: torch.from_numpy(v.copy()) for k, v in pending.items()})}

    def load_state(self, state: State) -> None:
        """Go on from a saved state; what was written after it is written again."""
        self._shards = list(state["shards"])
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in unprefixed("pending", state).items()}
        self._pending = list(Shard(**arrays).episodes())
        self._bytes = sum(map(_size, self._pending))
        self.publish()


def _size(episode: Episode) -> int:
    """Bytes that an episode takes in memory, about."""
    return 300 + episode.observations.nbytes + episode.actions.nbytes + episode.rewards.nbytes
