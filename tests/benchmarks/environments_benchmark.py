"""Environment steps per second of the native batched forms, against mo-gymnasium's synchronous vector environment.

Run as a script for one line per environment, or with pytest-benchmark. Both sides play the same kind of random actions with
256 copies and reset what ends; they take turns, and the fastest turn of each counts, so that whatever else the machine does
hits both.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
import warnings
from collections.abc import Callable

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


def native_player(env_id: str) -> Callable[[int], float]:
    """A function that plays some steps in all copies and returns the seconds it took."""
    batched = batched_form(env_id, COPIES)
    assert batched is not None
    rows, rng = np.arange(COPIES), np.random.default_rng(0)
    batched.reset(rows, rows)
    episodes = COPIES

    def play(steps: int) -> float:
        nonlocal episodes
        plan = rng.integers(batched.action_space.n, size=(steps, COPIES))
        start = time.perf_counter()
        for actions in plan:
            _, _, terminated, truncated = batched.step(rows, actions)
            ended = rows[terminated | truncated]
            if ended.size:
                batched.reset(ended, episodes + ended)
                episodes += COPIES
        return time.perf_counter() - start

    return play


def peer_player(env_id: str) -> Callable[[int], float]:
    """The same in mo-gymnasium's vector environment, which resets by itself."""
    vector = MOSyncVectorEnv([lambda: mo_gymnasium.make(env_id) for _ in range(COPIES)])
    vector.reset(seed=0)
    rng = np.random.default_rng(0)

    def play(steps: int) -> float:
        plan = rng.integers(vector.single_action_space.n, size=(steps, COPIES))
        start = time.perf_counter()
        for actions in plan:
            vector.step(actions)
        return time.perf_counter() - start

    return play


def rates(env_id: str) -> tuple[float, float]:
    """Environment steps per second: native, and mo-gymnasium's."""
    native, peer = native_player(env_id), peer_player(env_id)
    # Away from the first steps, at which all copies begin together.
    native(300), peer(100)
    seconds = [(native(400) / 400, peer(20) / 20) for _ in range(TURNS)]
    fastest_native, fastest_peer = np.min(seconds, axis=0)
    return COPIES / fastest_native, COPIES / fastest_peer


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
    for env_id, target in TARGETS.items():
        native, peer = rates(env_id)
        line = (
            f"{env_id:28s} native {native:12,.0f}/s   mo-gymnasium {peer:10,.0f}/s   {native / peer:6.1f}x (target {target}x)"
        )
        print(line)  # noqa: T201


if __name__ == "__main__":
    main()
