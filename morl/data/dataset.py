"""A data set of episodes with vector rewards: read it, look at it, learn from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from morl.data.episode import Episode, Header
from morl.data.shard import Shard, read_shard
from morl.data.writer import FORMAT_VERSION, INDEX, DatasetWriter
from morl.errors import CheckpointError, DataError
from morl.files import read_json, sha256
from morl.functional.dominance import non_dominated
from morl.memory import require_memory

Array = npt.NDArray[np.float64]


class Dataset:
    """Whole episodes of one problem, on disk or in memory.

    Files are read when they are needed and checked against their checksums and the index: :meth:`episodes` reads one after the
    other, :attr:`all` holds everything.
    """

    def __init__(self, header: Header, parts: Sequence[Shard | dict[str, Any]], path: Path | None = None) -> None:
        """Wrap what :meth:`open` or :meth:`of` found."""
        self.header, self.path = header, path
        self._parts = parts

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a data set; its episodes are read later.

        Args:
            path: The folder with ``dataset.json``, or a run directory that has one in ``data/``.

        Raises:
            DataError: There is none, it is of another format version, or its index is damaged.
        """
        folder = Path(path)
        if not (folder / INDEX).is_file() and (folder / "data" / INDEX).is_file():
            folder = folder / "data"
        if not (folder / INDEX).is_file():
            raise DataError(
                f"no data set at {path}: it has no {INDEX}; record one with 'morl run CONFIG record=true --out RUN', which "
                "writes RUN/data"
            )
        try:
            content = read_json(folder / INDEX)
        except CheckpointError as error:
            raise DataError(f"{error}; restore it from a copy, or record the data set again") from error
        version = content.get("format") if isinstance(content, dict) else None
        if version != FORMAT_VERSION:
            raise DataError(
                f"{folder / INDEX} has format version {version!r:.80}, this program reads {FORMAT_VERSION}: use the version of "
                "morl that wrote it"
            )
        try:
            header = Header.from_json(content)
            shards = [{"file": str(s["file"]), "sha256": s["sha256"], **_counts(s)} for s in content["shards"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{folder / INDEX} was changed ({type(error).__name__}: {error}); restore it") from error
        for shard in shards:
            if Path(shard["file"]).name != shard["file"]:
                raise DataError(f"{folder / INDEX} names the file {shard['file']!r:.80} outside its folder; it was changed")
        return cls(header, shards, folder)

    @classmethod
    def of(cls, header: Header, episodes: Iterable[Episode]) -> Self:
        """A data set in memory.

        Args:
            header: What they have in common.
            episodes: Of one problem.

        Raises:
            DataError: One of them is not of that kind.
        """
        shard = Shard.of(list(episodes), header)
        shard.check(header, "the data set")
        return cls(header, [shard])

    def __len__(self) -> int:
        """Number of episodes."""
        return sum(len(part.starts) if isinstance(part, Shard) else part["episodes"] for part in self._parts)

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else str(self.path)
        return f"Dataset({self.header.env_id}, {len(self):,} episodes, {self.num_steps:,} steps, {where})"

    @property
    def num_steps(self) -> int:
        """Steps of all episodes together."""
        return sum(len(part.rewards) if isinstance(part, Shard) else part["steps"] for part in self._parts)

    def _shards(self) -> Iterator[Shard]:
        for part in self._parts:
            if isinstance(part, Shard):
                yield part
                continue
            assert self.path is not None
            shard = read_shard(self.path / part["file"], part["sha256"], self.header)
            if (len(shard.starts), len(shard.rewards)) != (part["episodes"], part["steps"]):
                raise DataError(f"{self.path / INDEX} counts other episodes than {part['file']} holds; restore both")
            yield shard

    def episodes(self) -> Iterator[Episode]:
        """All episodes in the order in which they ended; one file at a time is in memory.

        Raises:
            DataError: A file is missing, truncated, altered, or not of this data set.
        """
        for shard in self._shards():
            yield from shard.episodes()

    @cached_property
    def all(self) -> Shard:
        """Everything in memory.

        Raises:
            DataError: See :meth:`episodes`.
            ConfigurationError: It is more than the memory of this machine.
        """
        header = self.header
        width = header.stored_dtype.itemsize * int(np.prod(header.observation_shape)) + 4 * header.num_objectives
        require_memory(self.num_steps * width, f"the episodes of {self!r}", "use fewer", device=torch.device("cpu"))
        shards = list(self._shards())
        return Shard.join(shards) if shards else Shard.of([], header)

    def returns(self, gamma: float = 1.0) -> Array:
        """Discounted return of every episode.

        Args:
            gamma: Discount per step.

        Returns:
            ``(E, m)``.
        """
        found = [np.zeros((0, self.header.num_objectives))]
        for shard in self._shards():
            steps = np.arange(len(shard.rewards)) - np.repeat(shard.starts, shard.lengths)
            discounts = np.power(gamma, steps, dtype=np.float64)
            found.append(np.add.reduceat(shard.rewards * discounts[:, None], shard.starts, axis=0))
        return np.concatenate(found)

    def front(self, gamma: float = 1.0) -> Array:
        """Returns that no other episode dominates, each once.

        Args:
            gamma: Discount per step.

        Returns:
            ``(p, m)``, sorted.
        """
        distinct = np.unique(self.returns(gamma), axis=0)
        return distinct[non_dominated(distinct)] if len(distinct) else distinct

    @property
    def fingerprint(self) -> str:
        """SHA-256 that changes with any episode; empty for a data set in memory."""
        return "" if self.path is None else sha256(self.path / INDEX)

    def save(self, path: str | Path) -> None:
        """Write it to a folder, in the place of whatever data set is there.

        Raises:
            DataError: It is that folder's own.
        """
        if self.path is not None and Path(path).resolve() == self.path.resolve():
            raise DataError(f"{path} is where this data set lies; save it somewhere else")
        writer = DatasetWriter(path, self.header)
        for episode in self.episodes():
            writer.add(episode)
        writer.publish()

    def table(self, gamma: float = 1.0) -> list[dict[str, Any]]:
        """One row per episode: returns by objective, length, how it ended, weights and policy.

        Args:
            gamma: Discount of the returns.

        Returns:
            What ``pandas.DataFrame`` takes.
        """
        rows = []
        for i, episode in enumerate(self.episodes()):
            row: dict[str, Any] = {"episode": i, "steps": len(episode)}
            row |= dict(zip(self.header.objectives, episode.total(gamma).tolist(), strict=True))
            weights = [None] * self.header.num_objectives if episode.weights is None else episode.weights.tolist()
            row |= {f"weight_{name}": w for name, w in zip(self.header.objectives, weights, strict=True)}
            row |= {"policy": episode.policy, "terminated": episode.terminated, "truncated": episode.truncated}
            rows.append(row)
        return rows


def _counts(shard: dict[str, Any]) -> dict[str, int]:
    counts = {name: shard[name] for name in ("episodes", "steps")}
    if not all(type(count) is int and count > 0 for count in counts.values()):
        raise ValueError(f"{shard['file']} has {counts}")
    return counts
