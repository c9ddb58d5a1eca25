"""What a crossover costs, and what cloning gives back.

    python -m tests.experiments.crossover_cost [--seeds 5]

prints a table for each of two worlds: six members are trained alone; each is then crossed with its neighbour of the next higher
index, from the same state, with different numbers of cloning steps. Figures are returns weighted by the weights of the replaced
member, means over five pairs of 20 episodes each, and over seeds, with the standard deviation between seeds.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import torch

from morl.evaluation import Evaluation, evaluator_of
from morl.problem import make_problem
from morl.solvers import MODQN, MORLD, MOSAC

PARENTS = {"source": slice(0, -1), "target": slice(1, None)}
CPU, MEMBERS = torch.device("cpu"), 6
WORLDS: dict[str, tuple[Any, int]] = {
    "continuous/two-targets-v0": (MOSAC(hidden=(64, 64), learning_starts=200), 30_000),
    "deep-sea-treasure-v0": (MODQN(learning_starts=200, epsilon_decay_steps=3_000), 30_000),
}
CLONE_STEPS = (0, 30, 300, 1_000)


def worth(env: str, policies: Any, weights: torch.Tensor) -> float:
    """Mean weighted return of policies ``p`` by weights ``(p, m)``."""
    judge = evaluator_of(WORLDS[env][0], make_problem(env), Evaluation(episodes=20), device=CPU)
    by = weights.double().numpy()
    return float((judge(policies, weights=by).mean() * by).sum(1).mean())


def after_one(env: str, seed: int) -> dict[str, float]:
    """What parents and children are worth by the targets' weights."""
    solver, steps = WORLDS[env]

    def made() -> Any:
        return MORLD(solver=solver, num_members=MEMBERS).make(make_problem(env), None, seed=seed, device=CPU).inner

    trained = made()
    weights = trained.task.utility.weights[1:]
    found = {"untrained": worth(env, trained.policies()[1:], weights)}
    trained.learn(steps)
    found |= {name: worth(env, trained.policies()[some], weights) for name, some in PARENTS.items()}
    state = trained.state()
    for clone_steps in CLONE_STEPS:
        children = []
        for target in range(1, MEMBERS):
            learner = made()
            learner.load_state(state)
            learner.cross(target - 1, target, occasion=0, clone_steps=clone_steps)
            children.append(learner.policies()[target])
        found[f"child, {clone_steps:,} steps"] = worth(env, children, weights)
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for env, (solver, steps) in WORLDS.items():
        runs = [after_one(env, seed) for seed in range(given.seeds)]
        sys.stdout.write(f"{env}, {type(solver).__name__}, {steps:,} steps\n")
        for name in runs[0]:
            each = np.array([run[name] for run in runs])
            sys.stdout.write(f"| {name} | {each.mean():.3f} | {each.std(ddof=1):.3f} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
