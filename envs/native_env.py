"""What native batched environments have in common: episode bookkeeping and argument checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from envs.arguments import whole
from envs.arrays import Floats, Integers
from envs.protocols import Advanced, Models, Rows, Seeds, Step
from envs.randomness import Keys, episode_keys, uniforms

if TYPE_CHECKING:
    import gymnasium


class NoNativeFormError(ValueError):
    """An environment has a native batched form, but not for these arguments."""


class NativeEnv(ABC):
    """Base of the native batched environments; fulfils :class:`envs.protocols.BatchedEnv`.

    A subclass sets the spaces and says how rows start and advance. Episode seeds, step counts, time limits, and the refusal
    of ended rows and impossible actions are dealt with here.
    """

    num_envs: int
    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    reward_space: gymnasium.spaces.Box
    max_episode_steps: int | None
    objective_names: tuple[str, ...] = ()
    """See :class:`envs.protocols.NamedObjectives`; empty for none."""
    objective_units: tuple[str, ...] = ()

    def __init__(self, num_envs: int, *, num_actions: int | None, max_episode_steps: int | None) -> None:
        """Make room for the rows.

        Args:
            num_envs: Number of rows ``R``, at least 1.
            num_actions: Number of discrete actions; None for a box.
            max_episode_steps: Episodes are truncated at this length; None if they only end by themselves.

        Raises:
            ValueError: A number is not positive.
        """
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}; expected at least 1")
        if max_episode_steps is not None and max_episode_steps < 1:
            raise ValueError(f"max_episode_steps is {max_episode_steps}; expected a positive number or None")
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self._num_actions = num_actions
        self._keys: Keys = np.zeros(num_envs, np.uint64)
        self._elapsed = np.zeros(num_envs, np.int64)
        self._running = np.zeros(num_envs, np.bool_)

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        """Start a new episode in some rows; see :meth:`envs.protocols.BatchedEnv.reset`."""
        if dynamics is not None:
            raise ValueError(f"{type(self).__name__} has one fixed transition model; reset it without dynamics")
        rows, seeds = np.asarray(rows, np.int64), np.asarray(seeds, np.int64)
        if rows.ndim != 1 or rows.shape != seeds.shape:
            raise ValueError(f"rows has shape {rows.shape} and seeds {seeds.shape}; expected the same (r,) for both")
        self._keys[rows] = episode_keys(seeds)
        self._elapsed[rows] = 0
        self._running[rows] = True
        return self._start(rows)

    def step(self, rows: Rows, actions: npt.NDArray[Any]) -> Step:
        """Advance some rows by one step; see :meth:`envs.protocols.BatchedEnv.step`."""
        rows, actions = np.asarray(rows, np.int64), np.asarray(actions)
        if np.count_nonzero(self._running[rows]) < rows.size:
            self._refuse(rows)
        self._check_actions(rows, actions)
        elapsed = self._elapsed[rows] + 1
        self._elapsed[rows] = elapsed
        observations, rewards, terminated = self._advance(rows, actions)
        if self.max_episode_steps is None:
            truncated = np.zeros(rows.shape, np.bool_)
        else:
            truncated = elapsed >= self.max_episode_steps
        self._running[rows] = ~(terminated | truncated)
        return observations, rewards, terminated, truncated

    @abstractmethod
    def _start(self, rows: Rows) -> npt.NDArray[Any]:
        """Set rows to the first state of an episode and return its observations."""

    @abstractmethod
    def _advance(self, rows: Rows, actions: npt.NDArray[Any]) -> Advanced:
        """Step rows that are running; ``self._elapsed`` already counts this step. Returns all but ``truncated``."""

    def _uniforms(self, rows: Rows, draw: int | Integers = 0) -> Floats:
        """Random numbers of the rows at their present steps, ``(r,)``; see :func:`envs.randomness.uniforms`."""
        return uniforms(self._keys[rows], self._elapsed[rows], draw)

    def _one_of(self, rows: Rows, choices: Integers) -> Integers:
        """One of some numbers for each row, all equally probable, ``(r,)``."""
        if choices.size == 1:
            return np.full(rows.shape, choices[0])
        return choices[(self._uniforms(rows) * choices.size).astype(np.int64)]

    def _refuse(self, rows: Rows) -> None:
        from gymnasium.error import ResetNeeded

        ended = rows[~self._running[rows]]
        raise ResetNeeded(
            f"rows {ended[:8].tolist()} have ended or were never reset; reset them with a seed before stepping them"
        )

    def _check_actions(self, rows: Rows, actions: npt.NDArray[Any]) -> None:
        """Refuse what is not in the action space; boxes are left to clip."""
        expected = (*rows.shape, *(self.action_space.shape or ()))
        if actions.shape != expected:
            raise ValueError(f"actions has shape {actions.shape}; expected {expected}")
        if self._num_actions is None:
            return
        if actions.dtype.kind not in "iu":
            raise ValueError(f"actions has dtype {actions.dtype}; expected integers")
        # Seen as unsigned, negative numbers are too large as well.
        if np.count_nonzero(actions.astype(np.int64, copy=False).view(np.uint64) >= self._num_actions):
            raise ValueError(f"actions reach from {actions.min()} to {actions.max()}; expected 0 to {self._num_actions - 1}")


def shorter(limit: int | None, other: int | None) -> int | None:
    """The smaller of two episode limits, where None means no limit.

    Raises:
        ValueError: The first one, an environment's horizon, is no whole number of at least 1.
    """
    limit = None if limit is None else whole("horizon", limit, least=1)
    return limit if other is None else other if limit is None else min(limit, other)
