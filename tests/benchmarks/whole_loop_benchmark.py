"""MORL/D with MOSAC on halfcheetah, whole loop: environment steps per second against the main peer, and where the time goes.

``PEER_PYTHON=/path/to/python`` names the interpreter of an environment with ``morl-baselines==1.3.0`` (see
``peer_process.py``); without it only our own figures are measured. Both sides do one gradient update per environment step
with the same networks, batch, population and shared store, on the same number of threads (``THREADS``, default 2), and take
turns; each measurement is a process of its own. Medians are reported.

Run as a script for the table, or with pytest.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

ENV = "mo-halfcheetah-v5"
MEMBERS = 6
THREADS = os.environ.get("THREADS", "2")
PEER = os.environ.get("PEER_PYTHON")
TURNS = int(os.environ.get("TURNS", "3"))
WORKLOADS = {(256, 256): 2.3, (256, 128): 3.5, (64, 128): 8.0}
"""Width and batch size, and the ratio over the peer that must be reached."""
EVALUATION_MUST = 6.0
OTHER_MUST = 0.10


def own(width: int, batch_size: int) -> dict[str, float]:
    """Measure ourselves, in this process."""
    import torch

    from morl.cooperation import SharedReplay
    from morl.evaluation import Evaluation
    from morl.experiments.machine import computing_threads
    from morl.problem import make_problem
    from morl.solvers import MORLD, MOSAC

    torch.set_num_threads(int(THREADS))
    problem = make_problem({"id": ENV, "max_episode_steps": 300})
    solver = MORLD(
        solver=MOSAC(hidden=(width, width), batch_size=batch_size, learning_starts=20, capacity=100_000),
        num_members=MEMBERS,
        cooperation=(SharedReplay(),),
        exchange_period=10**9,
    )
    # As many of the threads as a run would use.
    torch.set_num_threads(computing_threads(solver))
    learner = solver.make_evaluating(problem, None, seed=0, device=torch.device("cpu"), evaluation=Evaluation(episodes=5))
    learner.learn(MEMBERS * 40)
    rounds = 300 if width > 64 else 1500
    start = time.perf_counter()
    learner.learn(MEMBERS * rounds)
    rate = MEMBERS * rounds / (time.perf_counter() - start)
    evaluator = learner.record.evaluator
    evaluator(learner.policies())
    steps, start = evaluator.env_steps, time.perf_counter()
    evaluator(learner.policies())
    return {
        "steps_per_second": rate,
        "seconds_per_evaluation_step": (time.perf_counter() - start) / (evaluator.env_steps - steps),
    }


def measured(command: list[str]) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": THREADS, "MKL_NUM_THREADS": THREADS, "PYTHONPATH": str(Path.cwd())}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment)
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def compare(width: int, batch_size: int) -> dict[str, Any]:
    """Take turns; medians of both sides and of the ratios."""
    here = Path(__file__).resolve()
    steps = "600" if width > 64 else "1000"
    theirs = [
        str(PEER), str(here.with_name("peer_process.py")), "--env", ENV, "--width", str(width), "--batch-size", str(batch_size),
        "--steps", steps, "--threads", THREADS,
    ]  # fmt: skip
    ours = [sys.executable, str(here), "own", str(width), str(batch_size)]
    turns = [(measured(ours), measured(theirs) if PEER else None) for _ in range(TURNS)]
    row: dict[str, Any] = {"width": width, "batch": batch_size}
    for name in ("steps_per_second", "seconds_per_evaluation_step"):
        row[f"own_{name}"] = statistics.median(mine[name] for mine, _ in turns)
        if PEER:
            row[f"peer_{name}"] = statistics.median(other[name] for _, other in turns if other)
            row[f"ratio_{name}"] = statistics.median(mine[name] / other[name] for mine, other in turns if other)
    return row


def other_share() -> float:
    """Share of a run's wall time that is none of acting, stepping, learning and evaluating."""
    from morl.cooperation import SharedReplay
    from morl.solvers import MORLD, MOSAC

    solver = MORLD(solver=MOSAC(hidden=(64, 64)), num_members=MEMBERS, cooperation=(SharedReplay(),), exchange_period=5_000)
    with tempfile.TemporaryDirectory() as folder:
        result = solver.run(ENV, env_steps=20_000, seed=0, out=Path(folder) / "run")
    clocks = result.manifest["wall_time"]
    return float(clocks["other"] / clocks["total"])


@pytest.mark.skipif(PEER is None, reason="PEER_PYTHON names no interpreter with morl-baselines")
@pytest.mark.parametrize(("width", "batch_size"), WORKLOADS)
def test_whole_loop_against_the_peer(width: int, batch_size: int) -> None:
    row = compare(width, batch_size)
    assert row["ratio_steps_per_second"] >= WORKLOADS[width, batch_size], row
    assert 1 / row["ratio_seconds_per_evaluation_step"] >= EVALUATION_MUST, row


def test_other_time_is_small() -> None:
    assert other_share() < OTHER_MUST


def main() -> None:
    if sys.argv[1:2] == ["own"]:
        sys.stdout.write(json.dumps(own(int(sys.argv[2]), int(sys.argv[3]))) + "\n")
        return
    for width, batch_size in WORKLOADS:
        sys.stdout.write(json.dumps(compare(width, batch_size)) + "\n")
        sys.stdout.flush()
    sys.stdout.write(json.dumps({"other_share": other_share()}) + "\n")


if __name__ == "__main__":
    main()
