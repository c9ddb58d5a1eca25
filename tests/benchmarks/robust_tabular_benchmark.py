"""Robust value iteration with an L1 set: against a Python loop over state-action pairs and against linear programs.

Run as a script for the figures, or with pytest-benchmark. All three find the robust values of one process with 200 states and
10 actions to the same precision by plain sweeps or, here, by sweeps with Newton steps; of the linear programs one sweep over
some pairs is timed and scaled up.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import math
import resource
import time
from typing import Any

import numpy as np
from scipy.optimize import linprog

from robust.tabular import L1, TabularMDP, robust_value_iteration

RADIUS, GAMMA, TOLERANCE = 0.2, 0.95, 1e-6
TARGET_LOOP, TARGET_PROGRAMS, TARGET_SECONDS, TARGET_GIB = 40, 5_000, 15.0, 2.0
TURNS = 5


def dense_process() -> TabularMDP:
    """200 states, 10 actions, every state possible."""
    rng = np.random.default_rng(0)
    return TabularMDP(rng.dirichlet(np.ones(200), size=(200, 10)), rng.random((200, 10)), GAMMA)


def large_process() -> TabularMDP:
    """10,000 states, 10 actions, 20 successors each."""
    rng = np.random.default_rng(0)
    size = (10_000, 10, 20)
    transitions = rng.dirichlet(np.ones(20), size=size[:2])
    return TabularMDP(transitions, rng.random(size[:2]), GAMMA, successors=rng.integers(0, size[0], size=size))


def looped_sweep(mdp: TabularMDP, values: Any) -> Any:
    """One sweep with a Python loop over state-action pairs; each inner problem is solved with numpy."""
    result = np.empty(mdp.rewards.shape)
    z = mdp.gamma * values
    for s in range(mdp.num_states):
        for a in range(mdp.num_actions):
            p = mdp.transitions[s, a].copy()
            worst = z.argmin()
            moved = min(RADIUS / 2, 1.0 - p[worst])
            p[worst] += moved
            for j in np.argsort(-z):
                taken = min(moved, p[j])
                p[j] -= taken
                moved -= taken
                if moved <= 0:
                    break
            result[s, a] = mdp.rewards[s, a] + p @ z
    return result.max(axis=1)


def program(z: Any, q: Any) -> float:
    """One inner problem as a linear program."""
    b, eye = len(q), np.eye(len(q))
    constraints = np.block([[eye, -eye], [-eye, -eye], [np.zeros((1, b)), np.ones((1, b))]])
    right = np.concatenate([q, -q, [RADIUS]])
    total = np.concatenate([np.ones(b), np.zeros(b)])[None]
    return float(linprog(np.concatenate([z, np.zeros(b)]), constraints, right, total, [1.0], (0, None)).fun)


def seconds_of(action: Any) -> float:
    """Wall seconds of a call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def figures() -> dict[str, float]:
    """Seconds for the whole solve by each way, and their ratios."""
    mdp = dense_process()
    values, _ = robust_value_iteration(mdp, L1(RADIUS), tolerance=TOLERANCE)
    assert np.abs(looped_sweep(mdp, values) - values).max() <= TOLERANCE
    some = [(s, s % 10) for s in range(0, 200, 50)]
    for s, a in some:
        exact = L1(RADIUS).worst_value(values, mdp.transitions[s, a][None])[0]
        assert abs(program(values, mdp.transitions[s, a]) - exact) < 1e-6
    # Plain sweeps from zero until the error is within the tolerance.
    sweeps = math.ceil(math.log(TOLERANCE / np.abs(values).max()) / math.log(GAMMA))
    turns = []
    for _ in range(TURNS):
        own = seconds_of(lambda: robust_value_iteration(mdp, L1(RADIUS), tolerance=TOLERANCE))
        own_sweep = seconds_of(lambda: L1(RADIUS).worst_value(GAMMA * values, mdp.transitions))
        turns.append((own, own_sweep, seconds_of(lambda: looped_sweep(mdp, values))))
    own, own_sweep, loop = np.median(turns, axis=0)
    per_program = seconds_of(lambda: [program(values, mdp.transitions[s, a]) for s, a in some]) / len(some)
    programs = per_program * mdp.rewards.size
    return {
        "sweeps": sweeps,
        "seconds": own,
        "sweep_seconds": own_sweep,
        "loop_sweep_seconds": loop,
        "program_sweep_seconds": programs,
        "loop_ratio": loop * sweeps / own,
        "loop_sweep_ratio": loop / own_sweep,
        "program_ratio": programs * sweeps / own,
        "program_sweep_ratio": programs / own_sweep,
    }


def large_figures() -> tuple[float, float]:
    """Seconds for the large process, and the largest memory of this process so far in GiB."""
    mdp = large_process()
    seconds = seconds_of(lambda: robust_value_iteration(mdp, L1(RADIUS), tolerance=TOLERANCE))
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def test_against_a_loop_and_linear_programs(benchmark):
    found = figures()
    benchmark.extra_info.update(found)
    benchmark.pedantic(robust_value_iteration, args=(dense_process(), L1(RADIUS)), rounds=3)
    assert found["loop_sweep_ratio"] >= TARGET_LOOP
    assert found["program_sweep_ratio"] >= TARGET_PROGRAMS


def test_large(benchmark):
    seconds, gib = benchmark.pedantic(large_figures, rounds=1)
    benchmark.extra_info.update(seconds=seconds, gib=gib)
    assert seconds <= TARGET_SECONDS
    assert gib <= TARGET_GIB


def main() -> None:
    """Print the figures."""
    large_seconds, gib = large_figures()
    for name, value in (figures() | {"large_seconds": large_seconds, "large_gib": gib}).items():
        print(f"{name:24s} {value:12.6g}")  # noqa: T201


if __name__ == "__main__":
    main()
