"""What the options of SEQUOIA bring that are meant for integer programs: a gap tied to errors, and networks that solve faster.

    python -m tests.experiments.sequoia_options --out DIR gap [--arms 20] [--option NAME ...] [--instances 100 101]
    python -m tests.experiments.sequoia_options --out DIR train [--arms 40] ...
    python -m tests.experiments.sequoia_options --out DIR regress [--arms 40] ...
    python -m tests.experiments.sequoia_options --out DIR decide

Capacity, development instances. ``gap`` lets programs choose while learning, with several gaps. ``train`` learns by local
search with each option, and keeps the policies; ``regress`` fits networks to the expected rewards of random actions in random
states instead, with the learner's own gradient step. ``decide`` times the best action under all kept networks: alone, please.
Rows go to ``PART.csv``; those that are there are not measured again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from envs.cormab import Instance, capacity_instance
from morl.actions import MIP
from morl.cormab import BASELINES, compare
from morl.cormab.baselines import Learned
from morl.critics import values_of
from morl.evaluation import Table
from morl.experiments.tables import read_table, write_table
from morl.mip import Maximizer, pieces
from morl.policies import load_policy
from morl.problem import make_problem
from morl.solvers import SEQUOIA

PLAIN: dict[str, Any] = {"product_inputs": "none", "additive": False}
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "stability 0.1": {"stability": 0.1},
    "stability 1": {"stability": 1.0},
    "l1 10": {"l1": 10.0},
    "concave": {"q_model": "concave"},
    "one hidden layer": {"hidden": (16,)},
    "linear": {"q_model": "linear"},
}
"""Networks that learn in ``train`` and ``regress``; each also ``plain``: without products and without the sum over arms."""
NETWORKS = {**OPTIONS, **{f"plain, {name}": {**PLAIN, **change} for name, change in OPTIONS.items() if name != "linear"}}
GAPS: dict[str, dict[str, Any]] = {
    "local search": {},
    **{f"gap {gap}": {"training_optimizer": MIP(gap=gap, method="program")} for gap in (0.1, 0.02, 0.005)},
}
"""Who chooses while learning in ``gap``."""
SHORT: dict[str, Any] = {"hidden": (16,), "batch_size": 64, "learning_rate_decay": 840, "epsilon_decay_steps": 2_000}
"""Programs with two hidden layers take seconds each after the warm start, so that ``gap`` has one layer; and few steps."""
SHORT_STEPS = 4_000
HALF: dict[str, Any] = {"learning_rate_decay": 3_000, "epsilon_decay_steps": 6_000}
HALF_STEPS = 12_000
"""Half of ``configs/sequoia/capacity-40.yaml``, for ``train``."""
START = 0.2
STATES, LIMIT = 20, 10.0


def capacity(arms: int, number: int) -> tuple[Instance, Any]:
    """An instance and its environment."""
    instance = capacity_instance(num_arms=arms, budget=min(arms // 4, 20), seed=number)
    return instance, make_problem({"id": "cormab/capacity-v0", "instance": instance, "expected_rewards": True})


def score(policy: Any, instance: Instance) -> float:
    """Normalised score, 50 episodes; NaN for a hundred arms, where a comparison takes many minutes."""
    if instance.num_arms > 40:
        return float("nan")
    return float(compare({"sequoia": Learned(policy)}, [instance], episodes=50, start=START).normalised[0, 0])


def learn_by_programs(arms: int, number: int, option: str, folder: Path) -> dict[str, Any]:
    """A short training in which programs choose."""
    del folder
    instance, env = capacity(arms, number)
    learner = replace(SEQUOIA(**SHORT), **GAPS[option]).make(env, None, seed=0, device=torch.device("cpu"))
    asked: list[float] = []
    results: list[Any] = []
    inner: Any = learner.maximizer

    class Recorded:
        settings = getattr(inner, "settings", None)

        def __call__(self, problem: Any) -> Any:
            inner.settings = self.settings
            found = inner(problem)
            if isinstance(learner.solver.training_optimizer, MIP):
                asked.extend([self.settings.gap] * len(inner.results))  # type: ignore[union-attr]
                results.extend(inner.results)
            return found

    if isinstance(learner.solver.training_optimizer, MIP):
        learner.maximizer = Recorded()
    began = time.process_time()
    learner.learn(SHORT_STEPS)
    seconds = time.process_time() - began
    row: dict[str, Any] = {"normalised": score(learner.policies()[0], instance), "training_cpu_s": seconds}
    if results:
        tenth = max(len(asked) // 10, 1)
        row |= {
            "queries": len(results), "asked_mean": float(np.mean(asked)), "asked_first": float(np.mean(asked[:tenth])),
            "asked_last": float(np.mean(asked[-tenth:])), "left_mean": float(np.mean([r.gap for r in results])),
            "query_ms": float(np.mean([r.seconds for r in results])) * 1e3,
        }  # fmt: skip
    return row


def learn(arms: int, number: int, option: str, folder: Path) -> dict[str, Any]:
    """A training half as long as the shipped one, with an option."""
    instance, env = capacity(arms, number)
    learner = SEQUOIA(**{**HALF, **NETWORKS[option]}).make(env, None, seed=0, device=torch.device("cpu"))
    began = time.process_time()
    learner.learn(HALF_STEPS)
    seconds = time.process_time() - began
    [policy] = learner.policies()
    policy.save(folder)
    single = env.make_env()
    seen, _ = single.reset(seed=0)
    met = []
    for _ in range(STATES):
        met.append(seen)
        seen, *_ = single.step(policy.act(seen[None])[0])
    np.save(folder / "states.npy", np.stack(met))
    return {
        "normalised": score(policy, instance), "training_cpu_s": seconds,
        "open_units": float(learner.stats["open_units"].mean()), "units": sum(learner.solver.hidden),
    }  # fmt: skip


def regress(arms: int, number: int, option: str, folder: Path) -> dict[str, Any]:
    """A network that is fitted to expected rewards of random actions in random states; 8,000 samples, 1,500 steps."""
    instance, env = capacity(arms, number)
    solver = SEQUOIA(**{**NETWORKS[option], "learning_rate": 3e-3, "final_learning_rate": 3e-3})
    learner = solver.make(env, None, seed=0, device=torch.device("cpu"))
    rng = np.random.default_rng(0)
    states = rng.integers(4, size=(10_000, arms))
    actions = instance.constraint.sample(rng, len(states))
    rewards = torch.from_numpy(instance.expected_reward(states, actions)).float()
    learner.scale.fill_(float(rewards.std()))
    learner.offset.fill_(float(rewards.mean()))
    encoded = learner.encoder(torch.from_numpy(states))
    chosen = torch.from_numpy(actions).float()
    for _ in range(1_500):
        pick = torch.from_numpy(rng.integers(8_000, size=256))
        batch = {"observation": encoded[pick][None], "action": chosen[pick][None]}
        learner.gradient_step(slice(0, 1), batch, rewards[pick][None, :, None])
    held = slice(8_000, None)
    errors = values_of(learner, torch.from_numpy(states[held]), torch.from_numpy(actions[held]))[0, :, 0] - rewards[held]
    [policy] = learner.policies()
    policy.save(folder)
    np.save(folder / "states.npy", states[-STATES:])
    best = BASELINES["myopic"].prepare(instance, horizon=1, seed=0)(states[held], 0, rng)
    bounds = learner.net.fold(learner.online, encoded[None, held]).bounds()
    return {
        "r2": 1.0 - float(errors.square().mean() / rewards[held].var()),
        "of_best_reward": instance.expected_reward(states[held], policy.act(states[held])).mean()
        / instance.expected_reward(states[held], best).mean(),
        "open_units": float(sum(((low < 0) & (up > 0)).float().sum(-1).mean() for low, up in bounds)),
        "units": sum(learner.solver.hidden),
    }  # fmt: skip


def decide(folder: Path) -> dict[str, Any]:
    """Seconds and gaps of the best actions under a kept network, at a gap of 2 % and exact."""
    policy: Any = load_policy(folder)
    states = np.load(folder / "states.npy")
    folded = policy.folded(torch.from_numpy(states)[None])
    networks = [folded.network(0, place) for place in range(len(states))]
    maximizer = Maximizer(policy.constraint, method="program")
    row: dict[str, Any] = {}
    for label, gap in (("gap", 0.02), ("exact", 1e-6)):
        # Where nobody finishes within the limit a few states tell as much.
        seconds: list[float] = []
        gaps: list[float] = []
        for network in networks:
            if sum(seconds) < 5 * LIMIT:
                result = maximizer([network], pieces(1), gap=gap, time_limit=LIMIT)
                seconds.append(result.seconds)
                gaps.append(result.gap)
        row |= {
            f"{label}_queries": len(seconds), f"{label}_median_s": float(np.median(seconds)),
            f"{label}_p95_s": float(np.quantile(seconds, 0.95)),
            f"{label}_late": sum(second >= LIMIT for second in seconds),
            f"{label}_left_mean": float(np.mean(gaps)), f"{label}_left_most": float(np.max(gaps)),
        }  # fmt: skip
    return row


PARTS: dict[str, tuple[dict[str, Any], int, Callable[[int, int, str, Path], dict[str, Any]]]] = {
    "gap": (GAPS, 20, learn_by_programs),
    "train": (NETWORKS, 40, learn),
    "regress": (NETWORKS, 40, regress),
}
"""Options, arms, and what measures one of them."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "decide"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", type=int, default=None)
    parser.add_argument("--instances", type=int, nargs="*", default=[100, 101])
    parser.add_argument("--option", nargs="*", default=None)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{given.part}.csv"
    rows: Table = list(read_table(path)) if path.exists() else []
    done = {row["name"] for row in rows}

    def note(name: str, row: dict[str, Any]) -> None:
        rows.append({"name": name, **row})
        write_table(path, rows)
        sys.stdout.write(name + "  " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()) + "\n")
        sys.stdout.flush()

    if given.part == "decide":
        for file in sorted(given.out.glob("*/policy.json")):
            if file.parent.name not in done:
                note(file.parent.name, decide(file.parent))
        return
    options, arms, measured = PARTS[given.part]
    arms = given.arms or arms
    for option in given.option or options:
        for number in given.instances:
            name = f"{given.part} {arms} {number} {option}"
            if name not in done:
                note(name, measured(arms, number, option, given.out / name))


if __name__ == "__main__":
    main()
