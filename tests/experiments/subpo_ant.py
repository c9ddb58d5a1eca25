"""How the area that the ant covers grows over training, at the shipped configuration.

    python -m tests.experiments.subpo_ant --out DIR [--seeds 3]

writes ``ant.csv`` (one row per seed and tenth of the budget) and ``ant.png``. Seeds that are there already are kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from morl.evaluation import Evaluation, Evaluator, Table
from morl.experiments.config import load_config
from morl.experiments.plots import PALETTE, styled
from morl.experiments.run_plots import save_figure
from morl.experiments.tables import read_table, write_table
from morl.problem import make_problem

CPU = torch.device("cpu")
CELL = 0.1  # worth of a cell


def train(seed: int) -> Table:
    """New cells per episode of the policy's mean action, and of its samples, along one run."""
    config = load_config("subpo/ant")
    problem = make_problem(config.env)
    learner: Any = config.solver.make(problem, None, seed=seed, device=CPU)
    judge = Evaluator(problem, Evaluation(episodes=16), gamma=1.0, device=CPU)
    rows: Table = []
    spent, began = 0, time.process_time()
    while True:
        returns = judge(learner.policies()).undiscounted.ravel() / CELL
        rows.append(
            {
                "seed": seed, "env_steps": spent, "cells": float(returns.mean()), "lowest": float(returns.min()),
                "cpu_seconds": time.process_time() - began,
            }
        )  # fmt: skip
        sys.stdout.write(f"{rows[-1]}\n")
        sys.stdout.flush()
        done = (
            learner.learn(min(config.env_steps // 10, config.env_steps - spent))["training"] if spent < config.env_steps else 0
        )
        if not done:
            return rows
        spent += done


@styled
def curve(rows: Table) -> Any:
    """Each seed, their mean, and its 95 % interval (Student)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.subplots()
    steps = sorted({row["env_steps"] for row in rows})
    seeds = sorted({row["seed"] for row in rows})
    values = np.array([[row["cells"] for row in rows if row["seed"] == seed] for seed in seeds])
    axes.plot(steps, values.T, color=PALETTE[0], lw=0.7, alpha=0.5)
    mean = values.mean(0)
    axes.plot(steps, mean, color=PALETTE[0], lw=2)
    if len(seeds) > 2:  # the interval of two says nothing
        half = stats.t.ppf(0.975, len(seeds) - 1) * values.std(0, ddof=1) / len(seeds) ** 0.5
        axes.fill_between(steps, np.maximum(mean - half, 0), mean + half, color=PALETTE[0], alpha=0.15, lw=0)
    axes.set(xlabel="environment steps", ylabel="new cells per episode", ylim=(0, None))
    return figure


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "ant.csv"
    rows = list(read_table(path)) if path.exists() else []
    for seed in range(given.seeds):
        if seed not in {row["seed"] for row in rows}:
            rows += train(seed)
            write_table(path, rows)
    save_figure(curve(rows), given.out / "ant.png")


if __name__ == "__main__":
    main()
