"""Some episodes one after the other as arrays: the content of one file of a data set."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from morl.data.episode import Array, Episode, Header
from morl.errors import CheckpointError, DataError
from morl.files import read_verified


@dataclass(frozen=True, eq=False)
class Shard:
    """``E`` whole episodes of ``N`` steps together."""

    observations: Array
    """Raw ones that were acted on, ``(N, *shape)``."""
    actions: Array
    """As the environment takes them, ``(N, ...)``."""
    rewards: Array
    """``(N, m)`` float32."""
    starts: npt.NDArray[np.int64]
    """Where each episode begins among the steps, ``(E,)``."""
    terminated: npt.NDArray[np.bool_]
    """Whose last step the environment ended, ``(E,)``."""
    truncated: npt.NDArray[np.bool_]
    """Whose last step was cut, ``(E,)``."""
    final_observations: Array
    """After the last step of each episode, ``(E, *shape)``."""
    weights: npt.NDArray[np.float32]
    """Preference that each episode was acted by, ``(E, m)``; NaN if there was none."""
    policies: npt.NDArray[np.int64]
    """Which policy acted in each episode, ``(E,)``; -1 if nobody said."""

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """Behind the last step of each episode, ``(E,)``."""
        return np.append(self.starts, len(self.rewards))[1:]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Steps of each episode, ``(E,)``."""
        return self.ends - self.starts

    @classmethod
    def of(cls, episodes: Sequence[Episode], header: Header) -> Self:
        """Put episodes one after the other.

        Args:
            episodes: ``E >= 0`` of them.
            header: What they have in common.

        Raises:
            DataError: One of them is not of that kind.
        """
        m, shape = header.num_objectives, header.observation_shape
        for i, episode in enumerate(episodes):
            if episode.rewards.ndim != 2 or episode.rewards.shape[1] != m:
                raise DataError(
                    f"episode {i} has rewards of shape {episode.rewards.shape}; expected (T, {m}), one column for each of "
                    f"{', '.join(header.objectives)}"
                )

        def joined(arrays: list[Array], empty: tuple[int, ...], dtype: npt.DTypeLike | None) -> Array:
            return np.concatenate(arrays).astype(dtype, copy=False) if arrays else np.zeros(empty, dtype)

        space = header.action_space
        lengths, final = [len(episode) for episode in episodes], [np.asarray(e.final_observation)[None] for e in episodes]
        unknown = np.full(m, np.nan)
        weights = [unknown if episode.weights is None else episode.weights for episode in episodes]
        return cls(
            observations=joined([e.observations for e in episodes], (0, *shape), header.stored_dtype),
            actions=joined([np.asarray(e.actions) for e in episodes], (0, *(space.shape or ())), space.dtype),
            rewards=joined([e.rewards for e in episodes], (0, m), np.float32),
            starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if lengths else np.zeros(0, np.int64),
            terminated=np.array([e.terminated for e in episodes], np.bool_),
            truncated=np.array([e.truncated for e in episodes], np.bool_),
            final_observations=joined(final, (0, *shape), header.stored_dtype),
            weights=np.array(weights, np.float32).reshape(-1, m),
            policies=np.array([e.policy for e in episodes], np.int64),
        )

    @classmethod
    def join(cls, shards: Sequence[Shard]) -> Self:
        """All episodes of several shards, at least one."""
        offsets = np.cumsum([0, *(len(shard.rewards) for shard in shards[:-1])])
        moved = [shard.starts + offset for shard, offset in zip(shards, offsets, strict=True)]
        return cls(
            **{
                each.name: np.concatenate(moved if each.name == "starts" else [getattr(shard, each.name) for shard in shards])
                for each in fields(cls)
            }
        )

    def episodes(self) -> Iterator[Episode]:
        """One after the other; their arrays are views of these."""
        for i, (start, end) in enumerate(zip(self.starts.tolist(), self.ends.tolist(), strict=True)):
            weights = self.weights[i]
            yield Episode(
                observations=self.observations[start:end],
                actions=self.actions[start:end],
                rewards=self.rewards[start:end],
                final_observation=self.final_observations[i],
                terminated=bool(self.terminated[i]),
                truncated=bool(self.truncated[i]),
                weights=None if np.isnan(weights).any() else weights,
                policy=int(self.policies[i]),
            )

    def arrays(self) -> dict[str, Array]:
        """All arrays by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def to_bytes(self) -> bytes:
        """The content of a file: a compressed ``.npz``, the same bytes for the same episodes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **self.arrays())
        return buffer.getvalue()

    def check(self, header: Header, where: str) -> None:
        """Refuse what are not whole episodes of a data set.

        Args:
            header: What the data set says of all of them.
            where: What holds them, in words, for the message.

        Raises:
            DataError: Names the array, or the episode and the step, and what was expected.
        """
        steps, count, m = len(self.rewards), len(self.starts), header.num_objectives
        expected: dict[str, tuple[int, ...]] = {
            "observations": (steps, *header.observation_shape),
            "actions": (steps, *(header.action_space.shape or ())),
            "rewards": (steps, m),
            "terminated": (count,),
            "truncated": (count,),
            "final_observations": (count, *header.observation_shape),
            "weights": (count, m),
            "policies": (count,),
        }
        for name, shape in expected.items():
            found = getattr(self, name)
            if found.shape != shape or found.dtype.kind not in "fiub":
                more = f", one column for each of {', '.join(header.objectives)}" if name == "rewards" else ""
                raise DataError(
                    f"{where} has {name} of shape {found.shape} and type {found.dtype}; expected numbers of shape {shape}{more}"
                )
        lengths = self.lengths
        if self.starts.dtype != np.int64 or (count and self.starts[0] != 0) or (lengths < 1).any() or (steps and not count):
            raise DataError(f"{where} has starts that do not cut its {steps} steps into whole episodes; it was changed")
        self._require(np.asarray(np.isfinite(self.rewards).all(1)), where, "rewards", "a reward that is not finite")
        flat = self.observations.reshape(steps, math.prod(header.observation_shape))
        self._require(np.asarray(np.isfinite(flat).all(1)), where, "observations", "an observation that is not finite")
        inside = _in_space(header.action_space, self.actions)
        self._require(inside, where, "actions", f"an action outside {header.action_space}")
        known = ~np.isnan(self.weights).any(1)
        if (self.weights[known] < -1e-6).any() or (np.abs(self.weights[known].sum(1) - 1) > 1e-4).any():
            raise DataError(f"{where} has weights off the simplex: each row must be nonnegative and sum to one, or be NaN")

    def _require(self, good: npt.NDArray[np.bool_], where: str, name: str, what: str) -> None:
        if good.all():
            return
        step = int((~good).argmax())
        episode = int(np.searchsorted(self.starts, step, side="right")) - 1
        shown = np.array2string(getattr(self, name)[step], threshold=8, max_line_width=10_000)
        raise DataError(
            f"{where} has {what}: {shown:.80} at step {step - self.starts[episode]} of its episode {episode}; leave that "
            "episode out"
        )


def _in_space(space: object, actions: Array) -> npt.NDArray[np.bool_]:
    """Which actions are in a space, ``(N,)``; real-valued ones may miss its bounds by rounding."""
    if isinstance(space, spaces.Discrete):
        good: Array = (actions >= space.start) & (actions < space.start + space.n)
    elif isinstance(space, spaces.MultiDiscrete):
        good = (actions >= space.start) & (actions < space.start + space.nvec)
    elif isinstance(space, spaces.Box):
        slack = 1e-5 * np.maximum(1.0, np.where(np.isfinite(space.high - space.low), np.abs(space.high - space.low), 1.0))
        good = np.isfinite(actions) & (actions >= space.low - slack) & (actions <= space.high + slack)
    else:
        good = (actions == 0) | (actions == 1)
    return np.asarray(good.reshape(len(actions), math.prod(good.shape[1:])).all(1))


def read_shard(path: Path, checksum: object, header: Header) -> Shard:
    """Read one file of a data set.

    Args:
        path: Which.
        checksum: Its recorded SHA-256.
        header: What the data set says of its episodes.

    Returns:
        The checked episodes.

    Raises:
        DataError: Missing, truncated or altered, or not what the header says.
    """
    remedy = "restore it from a copy, or record the data set again"
    try:
        content = read_verified(path, checksum)
    except CheckpointError as error:
        raise DataError(f"{error}; {remedy}") from error
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            shard = Shard(**{each.name: archive[each.name] for each in fields(Shard)})
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}: {error}); {remedy}") from error
    shard.check(header, str(path))
    return shard
