"""Environment steps per second of the native batched forms, against the synchronous vector environments of the originals.

Run as a script for one line per environment, or with pytest-benchmark; ``robots`` as an argument leaves out the small worlds.
Both sides play the same kind of random actions and reset what ends; they take turns, and the fastest turn of each counts, in
time of the processor, so that whatever else the machine does counts little, and the same for both. Small worlds have 256
copies. Robots have 1, 8 and 48 and compute in one thread: their physics is the original's, so that only what surrounds it can
be faster.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import mo_gymnasium
import numpy as np
import pytest
from mo_gymnasium.wrappers.vector import MOSyncVectorEnv

from envs import batched_form

COPIES = 256
TURNS = 7
# Environment and the ratio that must be reached.
TARGETS = {
    "deep-sea-treasure-v0": 30,
    "fruit-tree-v0": 30,
    "resource-gathering-v0": 30,
    "four-room-v0": 30,
    "minecart-v0": 10,
    "minecart-deterministic-v0": 10,
}
ROBOTS = (
    *("HalfCheetah", "Hopper", "Walker2d", "Ant", "Humanoid", "HumanoidStandup", "Swimmer", "Reacher", "Pusher"),
    *("InvertedPendulum", "InvertedDoublePendulum"),
    *("mo-halfcheetah", "mo-hopper", "mo-walker2d", "mo-ant", "mo-humanoid", "mo-swimmer", "mo-reacher"),
)
ROBOT_COPIES = (1, 8, 48)
ROBOT_TURNS = 9
ROBOT_STEPS = 240
"""Of all copies together in one turn."""


def planned(space: gymnasium.Space[Any], rng: np.random.Generator, steps: int, copies: int) -> np.ndarray:
    """Random actions ``(steps, copies, ...)``."""
    if isinstance(space, gymnasium.spaces.Box):
        return rng.uniform(space.low, space.high, (steps, copies, *space.shape)).astype(np.float32)
    return rng.integers(space.n, size=(steps, copies))


def native_player(env_id: str, copies: int = COPIES) -> Callable[[int], float]:
    """A function that plays some steps in all copies and returns the seconds it took."""
    batched = batched_form(env_id, copies)
    assert batched is not None
    rows, rng = np.arange(copies), np.random.default_rng(0)
    batched.reset(rows, rows)
    episodes = copies

    def play(steps: int) -> float:
        nonlocal episodes
        plan = planned(batched.action_space, rng, steps, copies)
        start = time.process_time()
        for actions in plan:
            _, _, terminated, truncated = batched.step(rows, actions)
            ended = rows[terminated | truncated]
            if ended.size:
                batched.reset(ended, episodes + ended)
                episodes += copies
        return time.process_time() - start

    return play


def peer_player(env_id: str, copies: int = COPIES) -> Callable[[int], float]:
    """The same in a vector environment of gymnasium or mo-gymnasium, which resets by itself."""
    is_scalar = gymnasium.spec(env_id).entry_point.startswith("gymnasium.")
    kind, make = (gymnasium.vector.SyncVectorEnv, gymnasium.make) if is_scalar else (MOSyncVectorEnv, mo_gymnasium.make)
    vector = kind([lambda: make(env_id) for _ in range(copies)])
    vector.reset(seed=0)
    rng = np.random.default_rng(0)

    def play(steps: int) -> float:
        plan = planned(vector.single_action_space, rng, steps, copies)
        start = time.process_time()
        for actions in plan:
            vector.step(actions)
        return time.process_time() - start

    return play


def rates(env_id: str) -> tuple[float, float]:
    """Environment steps per second: native, and mo-gymnasium's."""
    native, peer = native_player(env_id), peer_player(env_id)
    # Away from the first steps, at which all copies begin together.
    native(300), peer(100)
    seconds = [(native(400) / 400, peer(20) / 20) for _ in range(TURNS)]
    fastest_native, fastest_peer = np.min(seconds, axis=0)
    return COPIES / fastest_native, COPIES / fastest_peer


def robot_rates(env_id: str, copies: int) -> tuple[float, float]:
    """Environment steps per second of a robot: batched, and the original's."""
    native, peer = native_player(env_id, copies), peer_player(env_id, copies)
    steps = max(ROBOT_STEPS // copies, 5)
    native(steps), peer(steps)
    seconds = [(native(steps), peer(steps)) for _ in range(ROBOT_TURNS)]
    fastest_native, fastest_peer = np.min(seconds, axis=0)
    return steps * copies / fastest_native, steps * copies / fastest_peer


@pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")
@pytest.mark.parametrize("env_id", TARGETS)
def test_steps_per_second(benchmark, env_id):
    native, peer = rates(env_id)
    benchmark.extra_info.update(native=native, peer=peer, ratio=native / peer, target=TARGETS[env_id])
    benchmark.pedantic(native_player(env_id), args=(400,), rounds=3)
    assert native / peer >= TARGETS[env_id]


def main() -> None:
    """Print one line per environment."""
    warnings.simplefilter("ignore")
    for env_id, target in () if "robots" in sys.argv else TARGETS.items():
        native, peer = rates(env_id)
        line = (
            f"{env_id:28s} native {native:12,.0f}/s   mo-gymnasium {peer:10,.0f}/s   {native / peer:6.1f}x (target {target}x)"
        )
        print(line)  # noqa: T201
    for robot in ROBOTS:
        line = f"{robot:24s}"
        for copies in ROBOT_COPIES:
            native, peer = robot_rates(f"{robot}-v5", copies)
            line += f"   {copies:2d}: {native:8,.0f}/s, original {peer:8,.0f}/s, {native / peer:4.2f}x"
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
