"""Conformance checks that anybody can run on an environment of their own.

Each raises :class:`AssertionError` with one line that says what was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.protocols import BatchedEnv

EnvMaker = Callable[[], Any]
"""Makes a fresh gymnasium environment."""

_EPISODE_LIMIT = 1000


def check_batched_env(
    make: Callable[[int], BatchedEnv],
    reference: EnvMaker | None = None,
    *,
    steps: int = 200,
    num_envs: int = 5,
    seed: int = 0,
) -> None:
    """Check that an environment keeps the promises of :class:`envs.protocols.BatchedEnv`.

    Spaces, shapes and dtypes; the same seed and actions give the same episode, bitwise, alone and among others that are reset
    and stepped at other times; ended rows refuse to go on; an episode is cut at the limit. With a reference, also that every
    step agrees with it.

    Args:
        make: Makes the environment with a given number of rows.
        reference: Makes the plain environment that the batched one stands for, which must be deterministic.
        steps: Steps to play with random actions.
        num_envs: Rows to play with, at least 2.
        seed: Of actions and episodes.

    Raises:
        AssertionError: A promise is broken.
    """
    batched = make(num_envs)
    _require(batched.num_envs == num_envs, f"num_envs is {batched.num_envs}; {num_envs} rows were asked for")
    num_objectives = _check_reward_space(batched)
    histories = _play_staggered(make(num_envs), num_objectives, steps, seed)
    for number, history in enumerate(histories):
        _check_replay(make(1), history, number)
    _check_refusal(make(num_envs), seed)
    if reference is not None:
        for history in histories:
            _check_reference(reference(), history)


def check_vector_reward_env(env: Any, *, steps: int = 200, seed: int = 0) -> None:
    """Check that a gymnasium environment with a vector reward can be trained on.

    Args:
        env: Your environment; it is reset and stepped, not closed.
        steps: Steps to play with random actions.
        seed: Of actions and episodes.

    Raises:
        AssertionError: It does not fulfil :class:`envs.protocols.VectorReward`, or breaks gymnasium's contract.

    Example:
        >>> import gymnasium
        >>> check_vector_reward_env(gymnasium.make("tabular/identity-v0"))
    """
    num_objectives = _check_reward_space(env.unwrapped)
    first, second = env.reset(seed=seed), env.reset(seed=seed)
    _require(isinstance(first, tuple) and len(first) == 2, "reset must return (observation, info)")
    _require(_same(first[0], second[0]), "two resets with the same seed gave different observations: draw from self.np_random")
    _require(
        env.observation_space.contains(second[0]),
        f"reset returned {second[0]!r}, which is not in {env.observation_space}: check shape, dtype and bounds",
    )
    env.action_space.seed(seed)
    for number in range(steps):
        result = env.step(env.action_space.sample())
        _require(
            isinstance(result, tuple) and len(result) == 5,
            "step must return (observation, reward, terminated, truncated, info)",
        )
        observation, reward, terminated, truncated, _ = result
        _require(
            env.observation_space.contains(observation),
            f"step {number} returned the observation {observation!r}, which is not in {env.observation_space}",
        )
        found = np.shape(reward)
        _require(
            found == (num_objectives,),
            f"step {number} returned a reward of shape {found}; reward_space promises ({num_objectives},)",
        )
        _require(bool(np.isfinite(reward).all()), f"step {number} returned the reward {reward!r}; every entry must be finite")
        for name, flag in (("terminated", terminated), ("truncated", truncated)):
            _require(isinstance(flag, bool | np.bool_), f"step {number} returned {name}={flag!r}; expected a bool")
        if terminated or truncated:
            env.reset()


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _same(first: Any, second: Any) -> bool:
    """Equal bytes and types."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    first, second = np.asarray(first), np.asarray(second)
    return bool(first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes())


def _check_reward_space(env: Any) -> int:
    """Return the number of objectives."""
    from gymnasium.spaces import Box

    space = getattr(env, "reward_space", None)
    _require(
        isinstance(space, Box) and len(space.shape) == 1 and space.shape[0] >= 1,
        f"reward_space is {space!r}; expected a gymnasium Box of shape (m,), one entry per objective",
    )
    assert isinstance(space, Box)
    return int(np.size(space.low))


class _Episode:
    """One episode as it was played: seed, actions and everything returned."""

    def __init__(self, seed: int, first: npt.NDArray[Any]) -> None:
        self.seed = seed
        self.first = first
        self.actions: list[npt.NDArray[Any]] = []
        self.results: list[tuple[npt.NDArray[Any], ...]] = []


def _play_staggered(batched: BatchedEnv, num_objectives: int, steps: int, seed: int) -> list[_Episode]:
    """Play random episodes in rows that start and move at different times; check what comes back; return the episodes."""
    rng = np.random.default_rng(seed)
    batched.action_space.seed(seed)
    current: list[_Episode | None] = [None] * batched.num_envs
    episodes: list[_Episode] = []
    for number in range(steps):
        idle = np.array([row for row, episode in enumerate(current) if episode is None], np.int64)
        if idle.size:
            seeds = rng.integers(2**31, size=idle.size)
            first = batched.reset(idle, seeds)
            _check_observations(batched, first, idle.size)
            for row, episode_seed, observation in zip(idle, seeds, first, strict=True):
                episode = current[row] = _Episode(int(episode_seed), np.copy(observation))
                episodes.append(episode)
        # A random nonempty subset, in random order.
        rows = rng.permutation(batched.num_envs)[: rng.integers(1, batched.num_envs + 1)]
        actions = np.stack([np.asarray(batched.action_space.sample()) for _ in rows])
        result = batched.step(rows, actions)
        _check_step(batched, result, rows.size, num_objectives, number)
        for place, row in enumerate(rows):
            going = current[row]
            assert going is not None
            going.actions.append(actions[place])
            going.results.append(tuple(np.copy(part[place]) for part in result))
            if batched.max_episode_steps is not None and len(going.actions) >= batched.max_episode_steps:
                _require(bool(result[3][place]), f"an episode of {len(going.actions)} steps was not truncated")
            if result[2][place] or result[3][place]:
                current[row] = None
    return episodes


def _check_observations(batched: BatchedEnv, observations: npt.NDArray[Any], size: int) -> None:
    space = batched.observation_space
    expected = (size, *(space.shape or ()))
    _require(
        observations.shape == expected and observations.dtype == space.dtype,
        f"observations have shape {observations.shape} and dtype {observations.dtype}; expected {expected} and {space.dtype}",
    )
    for observation in observations:
        _require(space.contains(observation), f"the observation {observation!r} is not in {space}")


def _check_step(batched: BatchedEnv, result: Any, size: int, num_objectives: int, number: int) -> None:
    _require(isinstance(result, tuple) and len(result) == 4, "step must return (observations, rewards, terminated, truncated)")
    observations, rewards, terminated, truncated = result
    _check_observations(batched, observations, size)
    _require(
        rewards.shape == (size, num_objectives) and rewards.dtype == np.float32,
        f"rewards have shape {rewards.shape} and dtype {rewards.dtype}; expected {(size, num_objectives)} and float32",
    )
    _require(bool(np.isfinite(rewards).all()), f"step {number} returned a reward that is not finite")
    for name, flags in (("terminated", terminated), ("truncated", truncated)):
        _require(
            flags.shape == (size,) and flags.dtype == np.bool_,
            f"{name} has shape {flags.shape} and dtype {flags.dtype}; expected ({size},) and bool",
        )


def _check_replay(batched: BatchedEnv, episode: _Episode, number: int) -> None:
    """The episode again, alone in an environment with one row."""
    row = np.zeros(1, np.int64)
    again = batched.reset(row, np.array([episode.seed]))[0]
    _require(
        _same(again, episode.first), f"episode {number} began differently when replayed alone: {again!r}, not {episode.first!r}"
    )
    for step, (action, expected) in enumerate(zip(episode.actions, episode.results, strict=True)):
        found = tuple(part[0] for part in batched.step(row, action[None]))
        for name, one, other in zip(("observation", "reward", "terminated", "truncated"), found, expected, strict=True):
            _require(
                _same(one, other),
                f"episode {number}, step {step}: {name} is {one!r} when replayed alone but was {other!r} among other rows; "
                "a row may depend on nothing but its seed and actions",
            )


def _check_refusal(batched: BatchedEnv, seed: int) -> None:
    """A row that has never been reset, or has ended, must not be stepped."""
    from gymnasium.error import ResetNeeded

    rows = np.arange(1)
    batched.action_space.seed(seed)

    def act() -> npt.NDArray[Any]:
        return np.asarray(batched.action_space.sample())[None]

    def refuses() -> bool:
        try:
            batched.step(rows, act())
        except ResetNeeded:
            return True
        return False

    _require(refuses(), "a row that was never reset could be stepped; expected gymnasium.error.ResetNeeded")
    batched.reset(rows, np.array([seed]))
    for _ in range(min(_EPISODE_LIMIT, batched.max_episode_steps or _EPISODE_LIMIT)):
        _, _, terminated, truncated = batched.step(rows, act())
        if terminated[0] or truncated[0]:
            _require(refuses(), "a row whose episode has ended could be stepped; expected gymnasium.error.ResetNeeded")
            break


def _check_reference(env: Any, episode: _Episode) -> None:
    """The episode again in the plain environment."""
    observation, _ = env.reset(seed=episode.seed)
    _require(
        _agree(observation, episode.first),
        f"the reference begins with {observation!r}, the batched form with {episode.first!r}",
    )
    for step, (action, expected) in enumerate(zip(episode.actions, episode.results, strict=True)):
        found = env.step(action if action.ndim else action.item())[:4]
        for name, one, other in zip(("observation", "reward", "terminated", "truncated"), found, expected, strict=True):
            _require(_agree(one, other), f"step {step}: {name} of the reference is {one!r}, of the batched form {other!r}")


def _agree(reference: Any, found: Any) -> bool:
    reference, found = np.asarray(reference), np.asarray(found)
    return bool(reference.dtype == found.dtype and np.array_equal(reference, found))
