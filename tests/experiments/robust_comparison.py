"""Compare IWOCS with training in the nominal model and with domain randomisation, at equal environment steps.

The configurations are the shipped ones (``iwocs/NAME``); they are not touched here. Independent repetitions are members of
one batched population: each has its own networks, episodes, searches and specialists. They draw their updates' batches from
one generator, and a search also evaluates the models that other repetitions were trained in.

    python -m tests.experiments.robust_comparison pendulum --repetitions 5 --out DIR

writes ``table.csv`` (one row per method and repetition), ``iterations.csv`` and ``maps.npz``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from morl.experiments.config import load_config
from morl.experiments.tables import Table, write_table
from morl.problem import make_problem
from morl.solvers.base import evaluator_of
from morl.task import Task, Utility
from robust.evaluation import bootstrap_interval, interquartile_mean, summarise, usage
from robust.policies import CompositePolicy
from robust.randomisation import RandomisedProblem
from robust.search import GridSearch

CPU = torch.device("cpu")
EPISODES = 10
POINTS = 10


def say(text: str) -> None:
    """One line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def task(count: int) -> Task:
    """The same scalar problem for every member."""
    return Task(utility=Utility(weights=torch.ones(count, 1)))


def train(learner: Any, steps: int, name: str) -> None:
    """Train to the end of a budget, or to the learner's own end."""
    start, spent, told = time.perf_counter(), 0, 0
    while spent < steps and not getattr(learner, "is_finished", False):
        found = learner.learn(min(steps - spent, max(5_000, learner.round_steps)))
        spent += found.get("training", 0) + found.get("search", 0)
        if spent - told >= 20_000:
            told = spent
            say(f"{name}: {spent:,} of {steps:,} steps, {time.perf_counter() - start:.0f} s")


def main() -> None:
    """Train everything and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    config, n, seed = load_config(f"iwocs/{arguments.name}"), arguments.repetitions, arguments.seed
    solver, problem = config.solver, make_problem(config.env)

    iwocs = solver.make(problem, task(n), seed=seed, device=CPU)
    train(iwocs, 10**9, "iwocs")
    write_table(arguments.out / "iterations.csv", iwocs.history)
    each = (iwocs.spent["training"] + iwocs.spent["search"]) // n
    say(f"iwocs: {iwocs.spent}; {each:,} steps for each repetition")

    policies = {"IWOCS": iwocs.policies()}
    # What every composite falls back to: domain randomisation for the default policy's share of the steps.
    defaults = [iwocs._policy(type(sub)(uid=sub.uid, default=sub.default), None, []) for sub in iwocs.subs]
    policies["default policy"] = defaults
    region = solver.region(problem)
    nominal = torch.from_numpy(region.nominal).expand(n, -1)
    # Members without a model draw one for every episode.
    both = Task(utility=task(2 * n).utility, dynamics=torch.cat([nominal, torch.full_like(nominal, torch.nan)]))
    learner = solver.solver.make(RandomisedProblem(problem, region), both, seed=seed, device=CPU)
    train(learner, each * 2 * n, "baselines")
    policies["nominal"], policies["domain randomisation"] = learner.policies()[:n], learner.policies()[n:]

    judge = evaluator_of(solver, problem, device=CPU)
    judge.gamma = 1.0
    models = GridSearch(points_per_dimension=POINTS).models(region)
    table: Table = []
    maps: dict[str, Any] = {"models": models}
    for name, some in policies.items():
        found = np.concatenate(
            [judge([policy], dynamics=torch.from_numpy(models), episodes=EPISODES).discounted.mean((2, 3)) for policy in some]
        )
        maps[name] = found
        for i, values in enumerate(found):
            summary = summarise(values)
            row = {"method": name, "repetition": i, "worst": summary.worst, "cvar": summary.cvar, "mean": summary.mean}
            worst = models[values.argmin()]
            row |= {f"worst_{key}": value for key, value in problem.spec.parameter_space.mapping(worst).items()}
            if isinstance(some[i], CompositePolicy):
                row["usage_default"] = float(usage(problem, some[i], models)[0][:, 0].mean())
            table.append(row)
        worst_values = [values.min() for values in found]
        low, high = bootstrap_interval(worst_values)
        say(
            f"{name}: worst case mean {np.mean(worst_values):.1f} [{low:.1f}, {high:.1f}], interquartile mean "
            f"{interquartile_mean(worst_values):.1f}, average over models {found.mean():.1f}",
        )
    write_table(arguments.out / "table.csv", table)
    np.savez(arguments.out / "maps.npz", **maps)


if __name__ == "__main__":
    main()
