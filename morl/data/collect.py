"""Record a data set with a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from morl.action_spaces import discrete_start
from morl.data.dataset import Dataset
from morl.data.episode import Episode, Header
from morl.data.recorder import Recorder
from morl.data.writer import DatasetWriter
from morl.errors import ConfigurationError
from morl.problem import EnvLike, Problem, make_problem
from morl.protocols import Policy, Transition
from morl.seeding import stream_seed, torch_stream

_MOST_ROWS = 64
_CPU = torch.device("cpu")


class _InMemory:
    """Keeps the episodes."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.episodes: list[Episode] = []

    def add(self, episode: Episode) -> None:
        self.episodes.append(episode)


def record(
    env: EnvLike | Problem,
    policy: Policy,
    *,
    episodes: int,
    weights: Any = None,
    seed: int = 0,
    deterministic: bool = True,
    gamma: float | None = None,
    number: int = -1,
    max_episode_steps: int = 10_000,
    out: str | Path | None = None,
) -> Dataset:
    """Let a policy act, and keep what happens.

    Args:
        env: A gymnasium id, a mapping with ``id`` and arguments, a callable that makes an environment, or a problem.
        policy: Who acts.
        episodes: How many episodes, at least 1.
        weights: Preference ``(m,)`` that it acts by and that is kept with each episode; None for none.
        seed: The episodes' seeds, and sampled actions, derive from it.
        deterministic: The most likely actions instead of sampled ones.
        gamma: Discount that the policy was made for, for the record; None if that is not known.
        number: What to call the policy in the data set.
        max_episode_steps: Longer episodes are cut there.
        out: Folder to write to, in the place of whatever data set is there; None keeps everything in memory.

    Returns:
        The data set.

    Raises:
        MorlError: The environment and the policy do not fit, or a fault occurred.
    """
    if episodes < 1 or max_episode_steps < 1:
        raise ConfigurationError(f"episodes and max_episode_steps must be at least 1, found {episodes} and {max_episode_steps}")
    problem = make_problem(env)
    header = Header.of(problem.spec, gamma=gamma, recorded_by={"policy": repr(policy), "seed": seed})
    sink = _InMemory(header) if out is None else DatasetWriter(out, header)
    recorder = Recorder(sink)
    m, start = problem.spec.num_objectives, discrete_start(problem.spec.action_space)
    known = torch.full((m,), float("nan")) if weights is None else torch.as_tensor(np.asarray(weights), dtype=torch.float32)
    rows = problem.rows(min(episodes, _MOST_ROWS), device=_CPU)
    generator = torch_stream(seed, "record/actions")
    for first in range(0, episodes, _MOST_ROWS):
        count = min(_MOST_ROWS, episodes - first)
        running = np.arange(count)
        seeds = [stream_seed(seed, "record/episode", 0, first + i) for i in range(count)]
        observations = rows.reset(running, seeds)
        recorder.begin(running, known.expand(count, -1), [number] * count)
        memory = policy.memory(count)
        for step in range(1, max_episode_steps + 1):
            actions = policy.act(observations, memory, weights=weights, deterministic=deterministic, generator=generator)
            following, rewards, terminated, truncated = rows.step(actions - start, running)
            truncated = truncated | (step == max_episode_steps)
            done = terminated | truncated
            recorder.step(Transition(running, observations, actions - start, rewards, following, terminated, truncated))
            if memory:
                memory = policy.observe(memory, observations, actions, rewards, following, done)
            left = ~done
            if not bool(left.any()):
                break
            running, observations = running[left.numpy()], following[left]
            memory = {name: part[left] for name, part in memory.items()}
    rows.close()
    if isinstance(sink, DatasetWriter):
        sink.publish()
        return Dataset.open(sink.path)
    return Dataset.of(header, sink.episodes)
