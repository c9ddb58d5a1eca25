"""Returns of one policy in 100 transition models: one batched roll-out against a loop over gymnasium's environments.

Run as a script for the figures, or with pytest-benchmark. Both sides play the same number of steps in the same models, a closed
10 x 10 grid over two parameters, with the same linear policy; episodes do not end before. MuJoCo's side may use all cores.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

import gymnasium
import numpy as np

import envs

TARGETS = {"parametric/pendulum-v0": 10.0, "parametric/half-cheetah-v0": 1.7}
STEPS = {"parametric/pendulum-v0": 200, "parametric/half-cheetah-v0": 50}
TURNS = 5


def grid(env_id: str) -> Any:
    """100 models ``(100, 2)``."""
    space = envs.batched_form(env_id, 1).parameter_space
    return np.array(list(itertools.product(*np.linspace(space.low, space.high, 10).T)))


def batched(batch: Any, models: Any, policy: Any, steps: int) -> Any:
    """Returns ``(100,)`` by one roll-out."""
    rows = np.arange(len(models))
    observations, total = batch.reset(rows, np.zeros(len(rows), np.int64), models), np.zeros(len(rows))
    for _ in range(steps):
        observations, rewards, _, _ = batch.step(rows, np.clip(observations @ policy, -1, 1))
        total += rewards[:, 0]
    return total


def set_pendulum(env: Any, model: Any) -> None:
    env.m, env.l = model


def set_cheetah(env: Any, model: Any) -> None:
    env.model.geom_friction[:, 0], env.model.body("torso").mass[0] = model


def looped(env: Any, setter: Any, models: Any, policy: Any, steps: int) -> Any:
    """Returns ``(100,)`` by a loop."""
    total = np.zeros(len(models))
    for i, model in enumerate(models):
        setter(env.unwrapped, model)
        observation, _ = env.reset(seed=0)
        for _ in range(steps):
            observation, reward, *_ = env.step(np.clip(observation @ policy, -1, 1))
            total[i] += reward
    return total


ORIGINALS = {
    "parametric/pendulum-v0": ("Pendulum-v1", set_pendulum),
    "parametric/half-cheetah-v0": ("HalfCheetah-v5", set_cheetah),
}


def figures(env_id: str) -> dict[str, float]:
    """Median seconds of both sides and their ratio."""
    models, steps = grid(env_id), STEPS[env_id]
    batch = envs.batched_form(env_id, len(models))
    original, setter = ORIGINALS[env_id]
    env = gymnasium.make(original)
    shape = (batch.observation_space.shape[0], batch.action_space.shape[0])
    policy = 0.1 * np.random.default_rng(0).normal(size=shape)
    turns = []
    for _ in range(TURNS):
        start = time.perf_counter()
        batched(batch, models, policy, steps)
        middle = time.perf_counter()
        looped(env, setter, models, policy, steps)
        turns.append((middle - start, time.perf_counter() - middle))
    own, loop = np.median(turns, axis=0)
    return {"batched_seconds": own, "loop_seconds": loop, "ratio": float(np.median([b / a for a, b in turns]))}


def check(benchmark: Any, env_id: str) -> None:
    found = benchmark.pedantic(figures, args=(env_id,), rounds=1)
    benchmark.extra_info.update(found)
    assert found["ratio"] >= TARGETS[env_id]


def test_pendulum(benchmark):
    check(benchmark, "parametric/pendulum-v0")


def test_half_cheetah(benchmark):
    check(benchmark, "parametric/half-cheetah-v0")


def main() -> None:
    """Print the figures."""
    print("threads for MuJoCo:", os.environ.get("OMP_NUM_THREADS", "all cores"))  # noqa: T201
    for env_id in TARGETS:
        for name, value in figures(env_id).items():
            print(f"{env_id:30s} {name:16s} {value:10.4g}")  # noqa: T201


if __name__ == "__main__":
    main()
