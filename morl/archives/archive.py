"""What all archives share: entries in a stable order, and saving them exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from morl.archives.entry import ArchiveEntry, Status
from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.protocols import State, prefixed, unprefixed

_ARRAYS = ("values", "standard_errors", "undiscounted")


@dataclass(kw_only=True, eq=False)
class Archive(ABC):
    """A growing set of evaluated policies; subclasses say which ones stay.

    The fields of a subclass are its configuration. Entries keep the order in which they were accepted.
    """

    def __post_init__(self) -> None:
        self._entries: list[ArchiveEntry] = []

    @abstractmethod
    def keep(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Mark the points that stay, given all candidates in order of age.

        Args:
            values: ``(p, m)``, oldest first.

        Returns:
            Mask ``(p,)``; of equal points at most the first.
        """
        ...

    def add(self, entries: Sequence[ArchiveEntry]) -> list[Status]:
        """Offer entries; the result does not depend on how they are split over calls, unless the archive is bounded.

        A policy given as a callable is made only for the entries that are accepted.

        Args:
            entries: Evaluated policies, all by the same estimator as what is stored.

        Returns:
            What became of each, in order.

        Raises:
            ShapeError: Another number of objectives than what is stored.
            ConfigurationError: Another estimator than what is stored.
        """
        offered = list(entries)
        if not offered:
            return []
        self._check(offered)
        everybody = [*self._entries, *offered]
        values = np.stack([entry.values for entry in everybody])
        kept = self.keep(values)
        old = len(self._entries)
        statuses = self._statuses(values, kept)[old:]
        accepted = [_with_policy(entry) for entry, stays in zip(offered, kept[old:], strict=True) if stays]
        self._entries = [entry for entry, stays in zip(self._entries, kept[:old], strict=True) if stays] + accepted
        return statuses

    def _statuses(self, values: npt.NDArray[np.float64], kept: npt.NDArray[np.bool_]) -> list[Status]:
        """What becomes of each of the points ``(p, m)``, of which some are kept."""
        if kept.all():
            return [Status.ADDED] * len(kept)
        points = hashable(values)
        stored = {point for point, stays in zip(points, kept, strict=True) if stays}
        return [
            Status.ADDED if stays else Status.DUPLICATE if point in stored else Status.DOMINATED
            for point, stays in zip(points, kept, strict=True)
        ]

    def _check(self, offered: list[ArchiveEntry]) -> None:
        first = self._entries[0] if self._entries else offered[0]
        for entry in offered:
            if entry.values.shape != first.values.shape:
                raise ShapeError(f"the archive holds {len(first.values)} objectives, an offered entry has {len(entry.values)}")
            if entry.estimator != first.estimator:
                raise ConfigurationError(
                    "an archive never mixes estimators: it holds (gamma, episodes, deterministic) = "
                    f"{first.estimator}, an offered entry has {entry.estimator}; evaluate both alike or use a second archive"
                )

    @property
    def entries(self) -> tuple[ArchiveEntry, ...]:
        """The stored entries, oldest first."""
        return tuple(self._entries)

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """Expected vector returns, ``(p, m)``; ``(0, 0)`` while nothing is stored."""
        return np.stack([entry.values for entry in self._entries]) if self._entries else np.zeros((0, 0))

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Preferences, ``(p, m)``, rows of NaN where there is none; ``(0, 0)`` while nothing is stored."""
        if not self._entries:
            return np.zeros((0, 0))
        return np.stack([np.full_like(e.values, np.nan) if e.weights is None else e.weights for e in self._entries])

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._entries)

    def __iter__(self) -> Iterator[ArchiveEntry]:
        """Go through the entries, oldest first."""
        return iter(self.entries)

    def _configuration(self) -> tuple[object, ...]:
        return (type(self), *(getattr(self, f.name) for f in fields(self)))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same configuration and hold the very same entries."""
        if not isinstance(other, Archive):
            return NotImplemented
        return self._configuration() == other._configuration() and self._entries == other._entries

    def __hash__(self) -> int:
        """Of the configuration, which does not change while entries come and go."""
        return hash(self._configuration())

    def fresh(self) -> Self:
        """An empty archive of the same configuration."""
        return replace(self)

    def best(self, utility_fn: Callable[[npt.NDArray[np.float64]], Any]) -> ArchiveEntry:
        """Return the entry of highest utility, the oldest of equals.

        Args:
            utility_fn: From values ``(p, m)`` to utilities ``(p,)``, numpy or torch.

        Returns:
            The entry.

        Raises:
            ConfigurationError: The archive is empty.
            ShapeError: ``utility_fn`` does not return one number per entry.
        """
        if not self._entries:
            raise ConfigurationError("the archive is empty: evaluate and add a policy before asking for the best")
        utilities = np.asarray(utility_fn(self.values))
        if utilities.shape != (len(self),):
            raise ShapeError(f"utility_fn returned shape {utilities.shape}; expected ({len(self)},), one utility per entry")
        return self._entries[int(utilities.argmax())]

    def state(self) -> State:
        """Everything stored, as tensors and what JSON can hold."""
        state: State = {"num_entries": len(self)}
        if not self._entries:
            return state
        state["gamma"], state["episodes"], state["deterministic"] = self._entries[0].estimator
        for name in _ARRAYS:
            state[name] = torch.from_numpy(np.stack([getattr(entry, name) for entry in self._entries]))
        state["weights"] = torch.from_numpy(self.weights)
        for name in ("env_steps", "member"):
            state[name] = torch.tensor([getattr(entry, name) for entry in self._entries], dtype=torch.int64)
        # A policy that stands behind several entries is saved once, with the first.
        first: dict[int, int] = {}
        for i, entry in enumerate(self._entries):
            if entry.policy is not None and first.setdefault(id(entry.policy), i) == i:
                state[f"policies/{i}/config"] = entry.policy.config()
                state |= prefixed(f"policies/{i}/tensors", entry.policy.tensors())
            elif entry.policy is not None:
                state[f"policies/{i}/same_as"] = first[id(entry.policy)]
        return state

    def load_state(self, state: State) -> None:
        """Replace what is stored by a saved state, in the same order.

        Args:
            state: What :meth:`state` returned.

        Raises:
            CheckpointError: Something is missing.
        """
        try:
            self._entries = _restored(state)
        except KeyError as error:
            raise CheckpointError(f"the saved archive lacks {error}; it is incomplete or of another version") from error


def hashable(values: npt.NDArray[np.float64]) -> list[bytes]:
    """Points ``(p, m)`` as things that are equal where all numbers are, ``(p,)``."""
    # Minus zero equals zero, but has other bits.
    return [row.tobytes() for row in values + 0.0]


def _with_policy(entry: ArchiveEntry) -> ArchiveEntry:
    """The entry with its policy made, where it was given as a callable."""
    if callable(entry.policy) and not hasattr(entry.policy, "act"):
        return replace(entry, policy=entry.policy())
    return entry


def _restored(state: State) -> list[ArchiveEntry]:
    """Entries of a saved archive."""
    count = state["num_entries"]
    if not count:
        return []
    columns: dict[str, npt.NDArray[Any]] = {name: state[name].numpy() for name in (*_ARRAYS, "weights", "env_steps", "member")}
    if any(len(column) != count for column in columns.values()):
        raise CheckpointError(f"the saved archive says that it has {count!r:.80} entries, but its columns say something else")
    columns["policy"] = _restored_policies(state, count)
    unknown = np.isnan(columns["weights"]).any(1)
    estimator: dict[str, Any] = {
        "episodes": int(state["episodes"]),
        "gamma": float(state["gamma"]),
        "deterministic": bool(state["deterministic"]),
    }
    return [
        ArchiveEntry(
            **{name: columns[name][i] for name in _ARRAYS},
            weights=None if unknown[i] else columns["weights"][i],
            policy=columns["policy"][i],
            env_steps=int(columns["env_steps"][i]),
            member=int(columns["member"][i]),
            **estimator,
        )
        for i in range(count)
    ]


def _restored_policies(state: State, count: int) -> npt.NDArray[Any]:
    """Policies of a saved archive, ``(p,)``; None where none was saved. One pass over the state, however many there are."""
    from morl.policies import policy_from

    configs: dict[int, dict[str, Any]] = {}
    same: dict[int, int] = {}
    tensors: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in unprefixed("policies", state).items():
        index, _, name = key.partition("/")
        if name == "same_as":
            same[int(index)] = int(value)
        elif name == "config":
            configs[int(index)] = value
        else:
            tensors.setdefault(int(index), {})[name.removeprefix("tensors/")] = value
    policies = np.full(count, None, dtype=object)
    for i, config in configs.items():
        policies[i] = policy_from(config, tensors.get(i, {}))
    for i, other in same.items():
        policies[i] = policies[other]
    return policies
