"""What lies between the policies of a front: relatives and strangers, judged in fresh episodes.

    python -m tests.experiments.interpolation_gain [--env continuous/two-targets-v0] [--seeds 5] [--steps 60000]

prints one table. Strangers are six MOPPO members that never meet; relatives are the same with parameters handed on to the next
two in the first sweep (``HardTransfer(payload="all")``, ``KNearest(k=2)``). Hypervolumes are those of fresh episodes of each
policy, before and after; ``more training`` spends as many steps as interpolation did on training the members further. Barriers
are in units of the front's range of the weighted return, and of pairs of different members only.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import torch

from morl.cooperation import HardTransfer
from morl.cooperation.neighbourhood import KNearest
from morl.evaluation import Evaluation
from morl.experiments.interpolation import interpolate
from morl.experiments.result import RunResult
from morl.indicators import hypervolume
from morl.solvers import MOPPO, MORLD

KINDS: dict[str, Any] = {"strangers": (), "relatives": (HardTransfer(payload="all"),)}


def trained(env: str, kind: str, seed: int, steps: int, more: int = 0) -> RunResult:
    """A run of six members with twelve exchanges, and ``more`` steps."""
    solver = MOPPO(hidden=(64, 64), rows_per_member=4, horizon=128, epochs=10, minibatch_size=256)
    outer = MORLD(
        solver=solver, num_members=6, exchange_period=max(steps // 12, 1), cooperation=KINDS[kind], neighbourhood=KNearest(k=2)
    )
    return outer.run(env, env_steps=steps + more, seed=seed, evaluation=Evaluation(period=10 * steps))


def fresh_hypervolume(result: RunResult, episodes: int) -> float:
    """Of the archive, from the run's reference point, in episodes that had no part in choosing it."""
    judge = result.judge
    policies = [entry.policy for entry in result.entries]
    values = judge(policies, weights=result.weights, episodes=episodes, first_episode=judge.evaluation.episodes).mean()
    return hypervolume(values, result.summary["reference_point"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="continuous/two-targets-v0")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--fresh", type=int, default=20)
    parser.add_argument("--between", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = sys.stdout.write
    out(f"{given.env}, {given.steps:,} steps, {given.between} between\n")
    columns = (
        "kind",
        "seed",
        "front",
        "pairs",
        "valleys",
        "same member",
        "median barrier of others",
        "kept",
        "before",
        "after",
    )
    out(f"| {' | '.join((*columns, 'gain %', 'price', 'more training'))} |\n")
    for kind in KINDS:
        for seed in range(given.seeds):
            result = trained(given.env, kind, seed, given.steps)
            found = interpolate(result, between=given.between)
            before, after = (fresh_hypervolume(each, given.fresh) for each in (result, found.result))
            longer = fresh_hypervolume(trained(given.env, kind, seed, given.steps, found.env_steps), given.fresh)
            others = [pair for pair in found.pairs if pair.members[0] != pair.members[1]]
            relative = [pair.barrier / np.ptp(result.front @ pair.weights.mean(0)) for pair in others]
            own = [pair.barrier < 0 for pair in found.pairs if pair.members[0] == pair.members[1]]
            out(
                f"| {kind} | {seed} | {len(result.front)} | {len(found.pairs)} | {found.valleys} | {sum(own)} of {len(own)} | "
                f"{np.median(relative):.2f} ({len(others)}) | "
                f"{found.added} of {found.tried} | {before:,.5g} | {after:,.5g} | {100 * (after / before - 1):.1f} | "
                f"{found.env_steps:,} | {100 * (longer / before - 1):.1f} |\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
