"""Which credit, baseline and observation SubPO needs: all combinations on small worlds with known optima, 20 seeds each.

    python -m tests.experiments.subpo_ablation [--members 20]

prints one table. The seeds are members of one population, which never exchange anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats

from envs.coverage import Grid, Hub
from morl.evaluation import Evaluation, Evaluator
from morl.solvers.subpo import SubPO
from morl.task import Task, Utility
from tests.morl.solvers.walks import problem_of

CPU = torch.device("cpu")
OBSERVATIONS = ("markov", "history", "summary")
BATCHES = 100
WORLDS: dict[str, tuple[Callable[[int, str], Any], float | None]] = {
    "grid": (lambda n, seen: Grid(n, rows=5, columns=5, start=(2, 2), horizon=6, observation=seen), 16.0),  # type: ignore[arg-type]
    "slippery grid": (
        lambda n, seen: Grid(n, rows=5, columns=5, start=(2, 2), horizon=6, slip=0.3, observation=seen),  # type: ignore[arg-type]
        None,
    ),
    "hub": (lambda n, seen: Hub(n, observation=seen), 2.0),  # type: ignore[arg-type]
}
"""World and optimum over all policies; the slippery grid's is computed."""
SETTINGS = [
    (credit, baseline)
    for credit in ("to_go", "total", "one_step")
    for baseline in ("none", "leave_one_out", "critic")
    if credit == "to_go" or baseline != "critic"  # a critic predicts what is still to come
]


def run(world: str, credit: Any, baseline: Any, seen: str, members: int) -> list[float]:
    """What the most likely actions of every member are worth after training, the start included."""
    make = WORLDS[world][0]
    problem = problem_of(lambda n: make(n, seen))
    batched: Any = make(1, seen)
    solver = SubPO(
        hidden=(32,), rows_per_member=32, learning_rate=0.02, credit=credit, baseline=baseline, entropy_coefficient=0.1,
        entropy_steps=BATCHES * 32 * batched.horizon * 4 // 5,
    )  # fmt: skip
    task = Task(utility=Utility(weights=torch.ones(members, 1)))
    learner = solver.make(problem, task, seed=0, device=CPU)
    learner.learn(BATCHES * learner.n * 32 * batched.horizon)
    episodes = 1 if (batched.executed().max(-1) == 1.0).all() else 400
    judge = Evaluator(problem, Evaluation(episodes=episodes, max_rows=4000), gamma=1.0, device=CPU)
    returns = judge(learner.policies()).undiscounted
    return [float(x) + float(batched.start_value[0]) for x in returns.reshape(members, -1).mean(1)]


def optimum(world: str) -> float:
    """Over all policies, by dynamic programming over histories where it is not known."""
    from morl.planners import Exhaustive

    make, value = WORLDS[world]
    return value if value is not None else Exhaustive().plan(make(1, "markov")).value


def cell(values: list[float], best: float) -> str:
    """Mean part of the optimum and half the width of its 95 % interval (Student)."""
    parts = np.array(values) / best
    half = stats.t.ppf(0.975, len(parts) - 1) * parts.std(ddof=1) / len(parts) ** 0.5
    return f"{parts.mean():.3f} ± {half:.3f}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=20)
    members = parser.parse_args().members
    torch.set_num_threads(1)
    for world in WORLDS:
        best = optimum(world)
        sys.stdout.write(f"\n{world}, optimum {best:.3f}\n| credit | baseline | {' | '.join(OBSERVATIONS)} |\n")
        for credit, baseline in SETTINGS:
            cells = [cell(run(world, credit, baseline, seen, members), best) for seen in OBSERVATIONS]
            sys.stdout.write(f"| `{credit}` | `{baseline}` | {' | '.join(cells)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
