"""Train SEQUOIA on the instances of the documentation, at the shipped configurations, and compare it with every baseline.

    python -m tests.experiments.sequoia_comparison --out DIR [--seeds 1] [--variants sequoia ...] [PROBLEM ...]

writes ``scores.csv`` (one row per problem, instance, policy and training seed) and prints the tables. Rows that are already
there are not measured again. A problem is a domain and a number of arms, such as ``path-20``; all policies of an instance meet
the same first states and the same luck.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from envs import cormab
from envs.cormab import Instance
from morl.cormab import BASELINES, compare
from morl.cormab.baselines import Learned
from morl.cormab.intervals import bootstrap_interval
from morl.evaluation import Table
from morl.experiments.config import load_config
from morl.experiments.tables import read_table, write_table
from morl.seeding import stream

PROBLEMS = {
    **dict.fromkeys(("budget-20", "capacity-20", "scheduling-20", "path-20", "interventions-20"), 5),
    **dict.fromkeys(("capacity-40", "scheduling-40"), 2),
}
"""Problems and how many instances each has."""
PAPER_BASELINES = ("sampling", "greedy", "myopic")
VARIANTS: dict[str, dict[str, Any]] = {
    "sequoia": {},
    "new action in every step": {"exploration_steps": 1.0},
    "no additive part": {"additive": False},
    "frozen target": {"target_period": 10**9},
    "one-step values only": {"gamma": 0.0},
    "learning rate gone after a tenth": {"learning_rate_decay": 400, "final_learning_rate": 1e-6},
    "published settings": {},
}
"""Changes of the shipped configurations. The last takes solver and number of steps from ``configs/sequoia/paper.yaml``
instead; the three before it are what the published settings amount to, one by one."""
START = 0.2
"""Probability that an arm begins in state 1 and not in 0, as published."""


def instance_of(problem: str, number: int) -> tuple[Any, Instance]:
    """The configuration of a problem, and one of its instances."""
    domain, arms = problem.split("-")
    config = load_config(f"sequoia/{domain}" if arms == "20" else f"sequoia/{problem}")
    assert not isinstance(config.env, str)
    sizes = {key: config.env[key] for key in ("num_arms", "budget")}
    return config, getattr(cormab, f"{domain}_instance")(seed=number, **sizes)


def train(config: Any, instance: Instance, variant: str, seed: int) -> tuple[Any, float]:
    """The policy that a run hands out, and the processor time of the run, seconds: training and evaluation."""
    env = {**config.env, "instance": instance}
    for key in ("num_arms", "budget", "instance_seed"):
        env.pop(key)
    used: Any = load_config("sequoia/paper") if variant == "published settings" else config
    solver = replace(used.solver, comparison_episodes=0, **VARIANTS[variant])
    began = time.process_time()
    result = solver.run(env, env_steps=used.env_steps, seed=seed, evaluation=used.evaluation)
    return result.policy(), time.process_time() - began


def measure(problem: str, number: int, missing: Sequence[tuple[str, int]], episodes: int) -> Table:
    """Rows of the policies of one instance that are asked for: names and training seeds, -1 for those that need no training."""
    config, instance = instance_of(problem, number)
    contenders: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for name, seed in missing:
        if seed < 0:
            contenders[name] = BASELINES[name]
        else:
            policy, seconds[f"{name}/{seed}"] = train(config, instance, name, seed)
            contenders[f"{name}/{seed}"] = Learned(policy)
    result = compare(contenders, [instance], episodes=episodes, start=START)
    rows = []
    for place, name in enumerate(result.names):
        label, _, trained = name.partition("/")
        times = result.decision_seconds[place, 0] * 1e3
        rows.append(
            {
                "problem": problem, "instance": number, "policy": label, "seed": int(trained or -1),
                "score": float(result.scores[place, 0]), "null": float(result.null[0]), "bound": float(result.bound[0]),
                "normalised": float(result.normalised[place, 0]), "infeasible": int(result.infeasible[place, 0]),
                "decision_ms_mean": float(times.mean()), "decision_ms_p95": float(np.quantile(times, 0.95)),
                "training_cpu_s": seconds.get(name, 0.0),
            }
        )  # fmt: skip
    # What does not exist for an instance is written too, so that it is not tried again.
    there = {(row["policy"], row["seed"]) for row in rows}
    return rows + [
        {"problem": problem, "instance": number, "policy": name, "seed": seed, "score": None}
        for name, seed in missing
        if (name, seed) not in there
    ]


def summary(rows: Table, problem: str) -> list[str]:
    """The lines that are printed about one problem."""
    mine = [row for row in rows if row["problem"] == problem and row["score"] is not None]
    numbers = sorted({row["instance"] for row in mine})
    policies = list(dict.fromkeys(row["policy"] for row in mine))

    def per_instance(policy: str, field: str) -> np.ndarray[Any, Any]:
        """Means over training seeds, by instance; NaN where there is none."""
        found = [[r[field] for r in mine if r["policy"] == policy and r["instance"] == number] for number in numbers]
        return np.array([np.mean(values) if values else np.nan for values in found])

    def interval(values: np.ndarray[Any, Any]) -> str:
        low, high = bootstrap_interval(values, stream(0, "sequoia-comparison"))
        return f"[{low:.3f}, {high:.3f}]"

    scores = {policy: per_instance(policy, "score") for policy in policies}
    room = [f"{problem}: {len(numbers)} instances"]
    planners = [scores[name] for name in ("whittle index", "lagrange index", "look-ahead", "sequoia") if name in scores]
    for policy in policies:
        runs = [row for row in mine if row["policy"] == policy]
        share = per_instance(policy, "normalised")
        line = f"  {policy:34}{np.nanmean(scores[policy]):8.3f}  {np.nanmean(share):.3f} {interval(share)} least"
        line += f" {min(row['normalised'] for row in runs):.3f}  {np.mean([row['decision_ms_mean'] for row in runs]):7.2f} ms"
        line += f" p95 {np.mean([row['decision_ms_p95'] for row in runs]):7.2f} ms"
        line += f"  infeasible {sum(row['infeasible'] for row in runs)}"
        if runs[0]["seed"] >= 0 and "myopic" in scores:
            best = np.nanmax(planners, axis=0)
            way = np.nansum(scores[policy] - scores["myopic"]) / np.nansum(best - scores["myopic"])
            rivals = {name: scores[name] for name in PAPER_BASELINES if name in scores}
            strongest = max(rivals, key=lambda name: float(np.mean(rivals[name])))
            gain = np.nansum(scores[policy] - rivals[strongest]) / np.nansum(rivals[strongest])
            per = (scores[policy] - rivals[strongest]) / rivals[strongest].mean()
            line += f"  way {way:.2f}  {gain:+.1%} {interval(per)} over {strongest}"
            line += f"  training {np.mean([row['training_cpu_s'] for row in runs]):.0f} s, most"
            line += f" {max(row['training_cpu_s'] for row in runs):.0f} s, {len(runs)} runs"
        room.append(line)
    return room


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", default=list(PROBLEMS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1, help="training seeds")
    parser.add_argument("--variants", nargs="*", default=["sequoia"], choices=list(VARIANTS))
    parser.add_argument("--instances", type=int, default=None, help="only the first ones")
    parser.add_argument("--episodes", type=int, default=50)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "scores.csv"
    rows = list(read_table(path)) if path.exists() else []
    wanted = [*((name, -1) for name in BASELINES), *((name, seed) for name in given.variants for seed in range(given.seeds))]
    for problem in given.problems:
        for number in range(given.instances or PROBLEMS[problem]):
            done = {(row["policy"], row["seed"]) for row in rows if (row["problem"], row["instance"]) == (problem, number)}
            missing = [pair for pair in wanted if pair not in done]
            if missing:
                rows += measure(problem, number, missing, given.episodes)
                write_table(path, rows)
                sys.stdout.write(f"{problem} {number}\n")
                sys.stdout.flush()
        sys.stdout.write("\n".join(summary(rows, problem)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
