"""Stepping many restless bandits: one batch against a loop over single environments.

Run as a script for the figures, or with pytest-benchmark. Three ways to step the same instance: the batched form; the
environments that ``gymnasium.make`` gives, one after the other; and a plain environment written for one copy, with arrays over
its arms but without anything shared between copies, which is how such environments are usually written. All check the
feasibility of every action.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest

from envs import batched_form
from envs.cormab import Instance

KINDS = ("budget", "capacity", "scheduling", "path", "interventions")
COPIES, STEPS, TARGET = 2048, 20, 50.0
LOOPED = 64
TURNS = 5


class PlainBandit(gymnasium.Env[Any, Any]):
    """One copy: states, one uniform number per arm, and a look-up of the constraint."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.action_space = gymnasium.spaces.MultiBinary(instance.num_actions)
        self.observation_space = gymnasium.spaces.MultiDiscrete(np.full(instance.num_arms, instance.num_states))
        self.arms = np.arange(instance.num_arms)
        self.cumulative = np.cumsum(instance.transitions, axis=-1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.states = self.np_random.integers(0, 2, self.instance.num_arms)
        self.elapsed = 0
        return self.states, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self.instance.constraint.contains(action[None])[0]:
            raise ValueError("infeasible")
        levels = self.instance.levels(action[None])[0]
        chance = self.np_random.random(self.arms.size)
        self.states = (chance[:, None] >= self.cumulative[self.arms, levels, self.states]).sum(axis=1)
        self.elapsed += 1
        return self.states, float(self.instance.rewards[self.arms, self.states].sum()), False, self.elapsed >= 20, {}


def seconds_per_step(kind: str) -> dict[str, float]:
    """Seconds per environment step of the three ways, the best of a few turns that alternate."""
    batched = batched_form(f"cormab/{kind}-v0", COPIES)
    assert batched is not None
    instance = batched.instance  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    actions = instance.constraint.sample(rng, STEPS * COPIES).reshape(STEPS, COPIES, -1)
    rows = np.arange(COPIES)
    single = [gymnasium.make(f"cormab/{kind}-v0", instance=instance) for _ in range(LOOPED)]
    plain = [PlainBandit(instance) for _ in range(LOOPED)]

    def batch() -> None:
        for action in actions:
            batched.step(rows, action)

    def loop(copies: list[Any]) -> Callable[[], None]:
        def run() -> None:
            for action in actions:
                for env, chosen in zip(copies, action, strict=False):
                    env.step(chosen)

        return run

    def begin(copies: list[Any]) -> Callable[[], None]:
        def reset() -> None:
            for seed, env in enumerate(copies):
                env.reset(seed=seed)

        return reset

    ways = {
        "batched": (lambda: batched.reset(rows, rows), batch, COPIES),
        "loop over gymnasium.make": (begin(single), loop(single), LOOPED),
        "loop over a plain environment": (begin(plain), loop(plain), LOOPED),
    }
    best = dict.fromkeys(ways, np.inf)
    for _ in range(TURNS):
        for name, (start, run, copies) in ways.items():
            start()
            began = time.perf_counter()
            run()
            best[name] = min(best[name], (time.perf_counter() - began) / (STEPS * copies))
    return best


@pytest.mark.parametrize("kind", KINDS)
def test_batched_stepping(benchmark: Any, kind: str) -> None:
    best = benchmark.pedantic(seconds_per_step, args=(kind,), rounds=1)
    assert best["loop over gymnasium.make"] / best["batched"] >= TARGET


if __name__ == "__main__":
    for problem in KINDS:
        found = seconds_per_step(problem)
        row = ", ".join(f"{name} {1 / value:,.0f} steps/s" for name, value in found.items())
        ratios = ", ".join(f"{value / found['batched']:.0f}x" for name, value in found.items() if name != "batched")
        print(f"{problem}: {row}; ratios {ratios}")  # noqa: T201
