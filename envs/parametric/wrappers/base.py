"""What the wrappers have in common: any batched environment in, a batched environment out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats, Integers
from envs.protocols import BatchedEnv, Models, Rows, Seeds, Step
from envs.randomness import Keys, episode_keys, uniforms

if TYPE_CHECKING:
    import gymnasium


class BatchedWrapper:
    """Base of the wrappers; passes everything on.

    Like what it wraps it fulfils :class:`envs.protocols.BatchedEnv`: a row's randomness is a function of its episode seed and
    the number of steps, of nothing else. Each wrapper draws from a stream of its own.
    """

    def __init__(self, env: BatchedEnv) -> None:
        """Wrap an environment.

        Args:
            env: Any batched environment, also a wrapped one.

        Raises:
            TypeError: It is an ordinary gymnasium environment.
        """
        if not _is_batched(env):
            raise TypeError(
                f"{type(self).__name__} wraps batched environments; found {type(env).__name__}. Wrap envs.batched_form(id, 1) "
                "and put the result into envs.adapters.SingleEnv, or make 'parametric/wrapped-v0' with base=id, layers=[...]"
            )
        self.env: Any = env
        self.num_envs = env.num_envs
        self.observation_space = env.observation_space
        self.action_space = env.action_space
        self.reward_space = env.reward_space
        self.max_episode_steps = env.max_episode_steps
        self._keys: Keys = np.zeros(env.num_envs, np.uint64)
        self._elapsed = np.zeros(env.num_envs, np.int64)
        self._depth: int = env._depth + 1 if isinstance(env, BatchedWrapper) else 0
        self._stream = np.uint64(crc32(f"{type(self).__name__} {self._depth}".encode()) << 32)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "env":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.env, name)

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        """Start a new episode in some rows; see :meth:`envs.protocols.BatchedEnv.reset`."""
        self._begin(rows, seeds)
        return self._shown(rows, self.env.reset(rows, seeds, dynamics))

    def step(self, rows: Rows, actions: npt.NDArray[Any]) -> Step:
        """Advance some rows by one step; see :meth:`envs.protocols.BatchedEnv.step`."""
        self._elapsed[rows] += 1
        observations, rewards, terminated, truncated = self.env.step(rows, actions)
        return self._shown(rows, observations), rewards, terminated, truncated

    def _shown(self, rows: Rows, observations: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What is passed on of the rows' observations, at their present steps; everything, unless a subclass says otherwise."""
        return observations

    def _begin(self, rows: Rows, seeds: Integers) -> None:
        """Start the random numbers of new episodes."""
        self._keys[rows] = episode_keys(np.asarray(seeds, np.int64)) ^ self._stream
        self._elapsed[rows] = 0

    def _uniforms(self, rows: Rows, draws: int) -> Floats:
        """Random numbers of the rows at their present steps, ``(r, draws)``."""
        return uniforms(self._keys[rows], self._elapsed[rows], np.arange(draws))


def _is_batched(env: object) -> bool:
    """Whether something is a batched environment, and not a single one that passes on what it is asked."""
    import gymnasium

    return isinstance(env, BatchedEnv) and not isinstance(env, gymnasium.Env)


def parametric_space(env: Any, wrapper: str) -> Any:
    """The parameter space of an environment.

    Raises:
        ValueError: Its transition model is fixed.
    """
    space = getattr(env, "parameter_space", None)
    if space is None:
        raise ValueError(f"{wrapper} needs settable dynamics, which {type(env).__name__} does not have; see envs.parametric")
    return space


def box_of(env: BatchedEnv, wrapper: str) -> gymnasium.spaces.Box:
    """The action space, a bounded box of one dimension.

    Raises:
        ValueError: It is something else.
    """
    from gymnasium.spaces import Box

    space = env.action_space
    if not isinstance(space, Box) or len(space.shape) != 1 or not space.is_bounded():
        raise ValueError(f"{wrapper} needs a bounded box of actions; found {space}")
    return space
