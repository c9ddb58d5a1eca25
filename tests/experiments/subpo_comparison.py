"""Compare SubPO with planners, with ModPO and with other credits on the coverage worlds, at the shipped configurations.

    python -m tests.experiments.subpo_comparison --out DIR [--seeds 5] [--jobs 2] [WORLD ...]

writes ``runs.csv`` (one row per world, method and seed), ``planners.csv`` and ``curves.png``: learning curves divided by the
proved optimum, or by the best value that is known where there is no proof. Values count the start.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from envs import batched_form
from morl.experiments.config import load_config
from morl.experiments.plots import PALETTE, styled
from morl.experiments.run_plots import save_figure
from morl.experiments.tables import Table, read_table, write_table
from morl.problem import make_problem
from morl.solvers.base import evaluator_of

CPU = torch.device("cpu")
SINGLE = {"coverage": 162.0, "two-rooms": 68.0, "items": 21.0, "hub": 2.0}
"""Worlds with one instance, and their optima (the hub's over all policies)."""
FIELDS = ("gp", "experiment-design")
"""Worlds that come as ten instances."""
METHODS: dict[str, dict[str, Any]] = {
    "subpo": {},
    "modpo": {"reward": "modular"},
    "total": {"credit": "total"},
    "one_step": {"credit": "one_step"},
    "no_memory": {"network": "perceptron"},
}


def jobs(worlds: Iterable[str], seeds: int, methods: Iterable[str]) -> list[tuple[str, int, str, int]]:
    """World, instance, method and seed of every run; a method is left out where it makes no difference."""
    found = []
    for world in worlds:
        for method in methods:
            if (method == "no_memory") != (world == "hub") and method != "subpo":
                continue
            if world in FIELDS:
                found += [(world, instance, method, instance % seeds) for instance in range(10)]
            else:
                found += [(world, 0, method, seed) for seed in range(seeds)]
    return found


def train(job: tuple[str, int, str, int]) -> Table:
    """One run: its learning curve."""
    torch.set_num_threads(1)
    world, instance, method, seed = job
    config = load_config(f"subpo/{world}")
    assert not isinstance(config.env, str)
    env: dict[str, Any] = {**config.env, **({"instance_seed": instance} if world in FIELDS else {})}
    problem = make_problem(env, evaluation=config.evaluation)
    solver: Any = replace(config.solver, **METHODS[method])  # type: ignore[type-var]
    start = float(problem.make_batched(1).start_value[0])  # type: ignore[misc]
    began = time.process_time()
    learner = solver.make(problem, None, seed=seed, device=CPU)
    judge, rows, spent = evaluator_of(solver, problem, device=CPU), [], 0
    unit = learner.round_steps  # a batch of whole episodes
    while config.env_steps - spent >= unit:
        budget = max(unit, round(config.env_steps / 25 / unit) * unit)
        spent += learner.learn(min(budget, config.env_steps - spent))["training"]
        value = float(judge(learner.policies()).undiscounted.mean())
        rows.append(
            {
                "world": world, "instance": instance, "method": method, "seed": seed, "env_steps": spent,
                "value": value + start, "sampled": float(learner.batch_returns.mean()) + start,
                "cpu_seconds": time.process_time() - began,
            }
        )  # fmt: skip
    return rows


def plan(world: str, instance: int) -> Table:
    """What the planners reach."""
    from morl.planners import compare

    torch.set_num_threads(1)
    config = load_config(f"subpo/{world}")
    assert not isinstance(config.env, str)
    given = {**config.env, **({"instance_seed": instance} if world in FIELDS else {})}
    env = batched_form(given.pop("id"), 1, **given)
    return [{"world": world, "instance": instance, **row} for row in compare(env)]


def interval(values: list[float]) -> str:
    """Mean and half the width of its 95 % interval over runs (normal approximation)."""
    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{np.mean(values):.2f} ± {1.96 * spread:.2f}"


def best_known(world: str, instance: int, plans: Table, runs: Table) -> float:
    """The optimum, or the best value that anybody found."""
    if world in SINGLE:
        return SINGLE[world]
    values = [row["value"] for row in [*plans, *runs] if row["world"] == world and row["instance"] == instance]
    return max(values)


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
        axes.set_title(world, loc="left", fontsize=10)
        axes.set(xlabel="environment steps", ylim=(0, 1.03))
        axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 0))
    panels[0].set_ylabel("value / best known")
    panels[0].legend(loc="lower right", fontsize=8)
    for axes in panels[len(worlds) :]:
        axes.set_visible(False)
    return figure


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", nargs="*", metavar="WORLD", default=[*SINGLE, *FIELDS])
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
            for instance in range(10) if world in FIELDS else (0,):
                if (world, instance) not in planned:
                    plans += plan(world, instance)
                    write_table(files["planners"], plans)
    for world in given.worlds:
        for method in METHODS:
            mine = [row for row in runs if row["world"] == world and row["method"] == method]
            ends = [max(group, key=lambda row: row["env_steps"]) for group in _grouped(mine)]
            if ends:
                scaled = [row["value"] / best_known(world, row["instance"], plans, runs) for row in ends]
                seconds = max(row["cpu_seconds"] for row in ends)
                text = f"{world:18} {method:10} n={len(ends):2} value {interval([r['value'] for r in ends])}"
                sys.stdout.write(f"{text} / best known {interval(scaled)} cpu {seconds:.0f} s\n")
    save_figure(curves(runs, plans), given.out / "curves.png")


def _grouped(rows: Table) -> list[Table]:
    """Rows of each run."""
    groups: dict[Any, Table] = {}
    for row in rows:
        groups.setdefault((row["instance"], row["seed"]), []).append(row)
    return list(groups.values())


if __name__ == "__main__":
    main()
