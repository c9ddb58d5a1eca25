"""Compare SubPO with planners, with ModPO and with other credits on the coverage worlds, at the shipped configurations.

    python -m tests.experiments.subpo_comparison --out DIR [--seeds 5] [--jobs 2] [WORLD ...]

writes ``runs.csv`` (one row per world, method and seed), ``planners.csv`` and ``curves.png``: learning curves divided by the
proved optimum, or by the best value that is known where there is no proof. Values count the start.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from envs import batched_form
from morl.coverage.walk_report import walk_of
from morl.evaluation import Evaluation, Table, evaluator_of
from morl.experiments.config import load_config
from morl.experiments.plots import PALETTE, styled
from morl.experiments.run_plots import save_figure
from morl.experiments.tables import read_table, write_table
from morl.problem import Problem, make_problem
from morl.protocols import Policy

CPU = torch.device("cpu")
SINGLE = {"coverage": 162.0, "two-rooms": 68.0, "hub": 2.0}
"""Worlds with one instance, and their optima (the hub's over all policies)."""
INSTANCES = {"items": 5, "gp": 10, "experiment-design": 10}
"""How many instances of each other world, ``instance_seed`` from 0 on."""
METHODS: dict[str, dict[str, Any]] = {
    "subpo": {},
    "no_planner": {"warm_start": ()},
    "modpo": {"reward": "modular", "imitation": 0.0, "warm_start": ()},
    "total": {"credit": "total"},
    "one_step": {"credit": "one_step"},
    "no_memory": {"network": "perceptron"},
}


def jobs(worlds: Iterable[str], seeds: int, methods: Iterable[str]) -> list[tuple[str, int, str, int]]:
    """World, instance, method and seed of every run; a method is left out where it makes no difference."""
    found = []
    for world in worlds:
        for method in methods:
            special = {"hub": "no_memory", "gp": "no_planner"}
            if method in special.values() and special.get(world) != method:
                continue
            if world == "hub" and method not in ("subpo", "no_memory"):
                continue
            found += [(world, instance, method, seed) for instance in range(INSTANCES.get(world, 1)) for seed in range(seeds)]
    return found


def train(job: tuple[str, int, str, int]) -> Table:
    """One run: its learning curve."""
    torch.set_num_threads(1)
    world, instance, method, seed = job
    config = load_config(f"subpo/{world}")
    assert not isinstance(config.env, str)
    env: dict[str, Any] = {**config.env, **({"instance_seed": instance} if world in INSTANCES else {})}
    problem = make_problem(env)
    solver: Any = replace(config.solver, **METHODS[method])  # type: ignore[type-var]
    start = float(problem.make_batched(1).start_value[0])  # type: ignore[misc]
    began = time.process_time()
    learner = solver.make(problem, None, seed=seed, device=CPU)
    judge, rows, spent = _judge(solver, problem), [], 0
    unit = learner.next_round()  # a batch of whole episodes
    while config.env_steps - spent >= unit:
        budget = max(unit, round(config.env_steps / 25 / unit) * unit)
        spent += learner.learn(min(budget, config.env_steps - spent))["training"]
        rows.append(
            {
                "world": world, "instance": instance, "method": method, "seed": seed, "env_steps": spent,
                "value": judge(learner.policies()[0]), "sampled": float(learner.batch_returns.mean()) + start,
                "cpu_seconds": time.process_time() - began,
            }
        )  # fmt: skip
    return rows


def _judge(solver: Any, problem: Problem) -> Callable[[Policy], float]:
    """What a policy's most likely actions are worth: of their walk where there is one, else on average over episodes."""
    world: Any = problem.make_batched(1)  # type: ignore[misc]
    if (world.executed().max(-1) == 1.0).all():
        return lambda policy: float(world.set_function.trajectory_gains(torch.from_numpy(walk_of(problem, policy))[None]).sum())
    evaluator = evaluator_of(solver, problem, Evaluation(), device=CPU)
    return lambda policy: float(evaluator([policy]).undiscounted.mean() + world.start_value[0])


def plan(world: str, instance: int) -> Table:
    """What the planners reach, and what is known of the optimum."""
    from envs.coverage import known_value
    from morl.planners import compare

    torch.set_num_threads(1)
    config = load_config(f"subpo/{world}")
    assert not isinstance(config.env, str)
    given = {**config.env, **({"instance_seed": instance} if world in INSTANCES else {})}
    env = batched_form(given.pop("id"), 1, **given)
    rows = compare(env)
    if (known := known_value(env)) is not None:
        rows.append({"planner": "best_known", "value": known.value, "bound": known.bound, "status": known.method})
    names = ("planner", "value", "bound", "status", "seconds")
    return [{"world": world, "instance": instance, **{name: row.get(name) for name in names}} for row in rows]


def interval(groups: list[list[float]]) -> str:
    """Mean, and half the width of its 95 % interval (Student): over instances, or over seeds if there is one instance."""
    values = groups[0] if len(groups) == 1 else [float(np.mean(group)) for group in groups]
    half = float("nan")
    if len(values) > 1:
        half = float(stats.t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{np.mean(values):.2f} ± {half:.2f}"


def best_known(world: str, instance: int, plans: Table, runs: Table) -> float:
    """The optimum, or the best value that anybody found."""
    if world in SINGLE:
        return SINGLE[world]
    return max(float(row["value"]) for row in [*plans, *runs] if row["world"] == world and row["instance"] == instance)


@styled
def curves(runs: Table, plans: Table) -> Any:
    """Learning curves, divided by the best known value; the band is the range over runs."""
    from matplotlib.figure import Figure

    worlds = list(dict.fromkeys(row["world"] for row in runs))
    figure = Figure(figsize=(3.4 * min(len(worlds), 3), 2.8 * -(-len(worlds) // 3)), layout="constrained")
    panels = figure.subplots(-(-len(worlds) // 3), min(len(worlds), 3), squeeze=False).ravel()
    for axes, world in zip(panels, worlds, strict=False):
        for colour, method in zip(PALETTE, METHODS, strict=False):
            mine = [row for row in runs if row["world"] == world and row["method"] == method]
            steps = sorted({row["env_steps"] for row in mine})
            if not steps:
                continue
            parts = [
                [row["value"] / best_known(world, row["instance"], plans, runs) for row in mine if row["env_steps"] == step]
                for step in steps
            ]
            axes.plot(steps, [np.mean(part) for part in parts], color=colour, label=method.replace("_", " "))
            axes.fill_between(steps, [min(p) for p in parts], [max(p) for p in parts], color=colour, alpha=0.15, lw=0)
        greedy = [row for row in plans if row["world"] == world and row["planner"] == "greedy"]
        if greedy:
            level = np.mean([row["value"] / best_known(world, row["instance"], plans, runs) for row in greedy])
            axes.axhline(level, color="#6F6F6F", ls=":", label="greedy")
        axes.legend(loc="lower right", fontsize=8)
        axes.set_title(world, loc="left", fontsize=10)
        axes.set(xlabel="environment steps", ylim=(0, 1.03))
        axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
    panels[0].set_ylabel("value / best known")
    for axes in panels[len(worlds) :]:
        axes.set_visible(False)
    return figure


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", nargs="*", metavar="WORLD", default=[*SINGLE, *INSTANCES])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--plan", action="store_true", help="run the planners as well")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    files = {name: given.out / f"{name}.csv" for name in ("runs", "planners")}
    runs, plans = (list(read_table(path)) if path.exists() else [] for path in files.values())
    done = {(row["world"], row["instance"], row["method"], row["seed"]) for row in runs}
    todo = [job for job in jobs(given.worlds, given.seeds, given.methods) if job not in done]
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        for rows in pool.map(train, todo):
            runs += rows
            write_table(files["runs"], runs)
            last = rows[-1]
            sys.stdout.write(" ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in last.items()) + "\n")
            sys.stdout.flush()
    if given.plan:
        planned = {(row["world"], row["instance"]) for row in plans}
        for world in given.worlds:
            for instance in range(INSTANCES.get(world, 1)):
                if (world, instance) not in planned:
                    plans += plan(world, instance)
                    write_table(files["planners"], plans)
    for world in given.worlds:
        for method in METHODS:
            _summarise(world, method, runs, plans)
    save_figure(curves(runs, plans), given.out / "curves.png")


def _summarise(world: str, method: str, runs: Table, plans: Table) -> None:
    """Print what came out at the end of training."""
    mine = [row for row in runs if row["world"] == world and row["method"] == method]
    ends = [max(group, key=lambda row: row["env_steps"]) for group in _grouped(mine)]
    if not ends:
        return
    instances = sorted({row["instance"] for row in ends})
    found = [[row["value"] for row in ends if row["instance"] == instance] for instance in instances]
    scaled = [[v / best_known(world, k, plans, runs) for v in group] for k, group in zip(instances, found, strict=True)]
    seconds = max(row["cpu_seconds"] for row in ends)
    text = f"{world:18} {method:10} n={len(ends):2} value {interval(found)} / best known {interval(scaled)} cpu {seconds:.0f} s"
    sys.stdout.write(text + "\n")
    for k, group in zip(instances, found, strict=True):
        others = {row["planner"]: row["value"] for row in plans if row["world"] == world and row["instance"] == k}
        known = "  ".join(f"{name} {value:.3f}" for name, value in others.items())
        sys.stdout.write(f"    instance {k}: {interval([group])}, {min(group):.3f} to {max(group):.3f}  {known}\n")


def _grouped(rows: Table) -> list[Table]:
    """Rows of each run."""
    groups: dict[Any, Table] = {}
    for row in rows:
        groups.setdefault((row["instance"], row["seed"]), []).append(row)
    return list(groups.values())


if __name__ == "__main__":
    main()
