"""One policy, whole loop: environment steps per second against stable-baselines3, with the same sizes on one thread.

``SB3_PYTHON=/path/to/python`` names the interpreter of an environment with ``stable-baselines3==2.9.2`` and
``gymnasium[mujoco]`` (see ``sb3_process.py``); without it only our own figures are measured. Networks, batches, epochs,
environments and updates per environment step are equal on both sides; the sides take turns, and each measurement is a process
of its own. Medians are reported, and the median of the turns' ratios.

Run as a script for the table (names of rows as arguments choose some), or with pytest.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

THREADS = "1"
PEER = os.environ.get("SB3_PYTHON")
TURNS = int(os.environ.get("TURNS", "3"))


class Row(NamedTuple):
    """One comparison."""

    algorithm: str
    """The peer's name."""
    env: str
    envs: int
    """Environment copies."""
    width: int
    """Of two hidden layers."""
    batch_size: int
    warm_up: int
    """Environment steps before the clock starts."""
    steps: tuple[int, int]
    """Environment steps on the clock: ours and the peer's."""
    must: float
    """Ratio over the peer that must be reached."""


ROWS = {
    "ppo": Row("PPO", "HalfCheetah-v5", 8, 64, 256, 2_048, (8 * 2_048, 4 * 2_048), 2.5),
    "sac-256": Row("SAC", "HalfCheetah-v5", 1, 256, 256, 150, (600, 300), 1.8),
    "sac-64": Row("SAC", "HalfCheetah-v5", 1, 64, 128, 150, (2_000, 500), 4.0),
    "dqn": Row("DQN", "CartPole-v1", 1, 64, 128, 150, (4_000, 1_500), 3.0),
}


def own(row: Row) -> dict[str, float]:
    """Measure ourselves, in this process."""
    import torch

    from morl.problem import make_problem
    from morl.solvers import MODQN, MOPPO, MOSAC

    torch.set_num_threads(int(THREADS))
    sizes: dict[str, Any] = {"hidden": (row.width, row.width)}
    often: dict[str, Any] = {**sizes, "batch_size": row.batch_size, "learning_starts": 100, "capacity": 100_000}
    solvers: dict[str, Callable[[], Any]] = {
        "PPO": lambda: MOPPO(**sizes, rows_per_member=row.envs, horizon=256, epochs=10, minibatch_size=row.batch_size),
        "SAC": lambda: MOSAC(**often),
        "DQN": lambda: MODQN(**often),
    }
    learner = solvers[row.algorithm]().make(make_problem(row.env), None, seed=0, device=torch.device("cpu"))
    learner.learn(row.warm_up)
    start = time.perf_counter()
    steps = learner.learn(row.steps[0])["training"]
    return {"steps_per_second": steps / (time.perf_counter() - start)}


def measured(command: list[str]) -> float:
    """Run one measurement in a process of its own; environment steps per second."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": THREADS, "MKL_NUM_THREADS": THREADS, "PYTHONPATH": str(Path.cwd())}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["steps_per_second"])


def compare(name: str) -> dict[str, Any]:
    """Take turns; medians of both sides and of the ratios."""
    row, here = ROWS[name], Path(__file__).resolve()
    ours = [sys.executable, str(here), "own", name]
    theirs = [
        str(PEER), str(here.with_name("sb3_process.py")), "--algorithm", row.algorithm, "--env", row.env,
        "--envs", str(row.envs),
        "--width", str(row.width), "--batch-size", str(row.batch_size), "--warm-up", str(row.warm_up),
        "--steps", str(row.steps[1]), "--threads", THREADS,
    ]  # fmt: skip
    turns = [(measured(ours), measured(theirs) if PEER else None) for _ in range(TURNS)]
    found: dict[str, Any] = {"row": name, "must": row.must, "own": statistics.median(mine for mine, _ in turns)}
    if PEER:
        found["peer"] = statistics.median(other for _, other in turns if other)
        found["ratio"] = statistics.median(mine / other for mine, other in turns if other)
    return found


@pytest.mark.skipif(PEER is None, reason="SB3_PYTHON names no interpreter with stable-baselines3")
@pytest.mark.parametrize("name", ROWS)
def test_one_policy_against_the_peer(name: str) -> None:
    found = compare(name)
    assert found["ratio"] >= ROWS[name].must, found


def main() -> None:
    if sys.argv[1:2] == ["own"]:
        sys.stdout.write(json.dumps(own(ROWS[sys.argv[2]])) + "\n")
        return
    for name in sys.argv[1:] or ROWS:
        sys.stdout.write(json.dumps(compare(name)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
