"""Ablation of MORL/D's taxonomy on one cheap environment: what sharing, moving weights and the schedule bring.

``python tests/experiments/morld_ablation.py [--seeds 10] [--env-steps 40000] [--processes 2] [--runs FOLDER] [--csv FILE]``
changes one part of a base configuration at a time (deep Q-learning on the convex deep-sea-treasure, ten members, shared
replay), runs it over seeds, each run in a process of its own with one computing thread, and prints mean and 95 % bootstrap
interval of the archive's and the population's hypervolume, the points found, and the difference to the base over the same
seeds. Finished runs in the folder are read instead of made again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]

BASE = """\
env: deep-sea-treasure-v0
solver:
  name: morld
  num_members: 10
  exchange_period: 4_000
  cooperation: [shared_replay]
  solver:
    name: modqn
    learning_starts: 100
    epsilon_decay_steps: 2_000
    updates_per_step: 0.5
    rows_per_member: 2
evaluation:
  episodes: 1
threads: 1
"""

VARIANTS: dict[str, tuple[str, ...]] = {
    "base: shared replay, fixed weights, synchronous": (),
    "sharing: none": ("solver.cooperation=[]",),
    "sharing: hard transfer": ("solver.cooperation=[hard_transfer]",),
    "sharing: hard transfer and shared replay": ("solver.cooperation=[hard_transfer,shared_replay]",),
    "sharing: one conditioned network": ("solver.cooperation=[]", "solver.solver.network=conditioned"),
    "weights: PSA": ("solver.weight_adaptation=psa",),
    "weights: AWA": ("solver.weight_adaptation=awa",),
    "weights: linear support": ("solver.weight_adaptation={name: linear_support, max_members: 10}", "solver.weights=extrema",
                                "solver.num_members=2"),
    "schedule: turn by turn": ("solver.schedule=turn_by_turn",),
}  # fmt: skip
"""What each variant changes of the base."""

INDICATORS = ("hypervolume", "population_hypervolume", "cardinality")


def train(job: tuple[Path, Path, int, int, Sequence[str]]) -> None:
    """One run, unless it is there."""
    config, out, seed, env_steps, changes = job
    if (out / "summary.json").exists():
        return
    command = [
        sys.executable, "-m", "morl", "run", str(config), f"seed={seed}", f"env_steps={env_steps}", *changes, "--out", str(out),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


def read(out: Path) -> Array:
    """Final indicators of a run, ``(3,)``."""
    found = json.loads((out / "summary.json").read_text())["indicators"]
    return np.array([found[name] for name in INDICATORS], dtype=np.float64)


def interval(values: Array) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % bootstrap interval."""
    if np.ptp(values) == 0:
        return (float(values[0]),) * 3
    found = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(0), n_resamples=10_000).confidence_interval
    return float(values.mean()), float(found.low), float(found.high)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--env-steps", type=int, default=40_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.runs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "base.yaml"
        config.write_text(BASE)
        places = {
            name: [folder / f"{i:02d}-{seed}" for seed in range(options.seeds)] for i, name in enumerate(VARIANTS)
        }  # fmt: skip
        jobs = [
            (config, place, seed, options.env_steps, VARIANTS[name])
            for name in VARIANTS for seed, place in enumerate(places[name])
        ]  # fmt: skip
        with ThreadPoolExecutor(options.processes) as pool:
            list(pool.map(train, jobs))
        found = {name: np.stack([read(place) for place in places[name]]) for name in VARIANTS}
    base, rows = next(iter(found.values())), []
    for name, values in found.items():
        row: dict[str, object] = {"variant": name, "seeds": len(values), "env_steps": options.env_steps}
        for k, indicator in enumerate(INDICATORS):
            for suffix, numbers in (("", values[:, k]), ("_minus_base", values[:, k] - base[:, k])):
                keys = (f"{indicator}{suffix}", f"{indicator}{suffix}_low", f"{indicator}{suffix}_high")
                row |= dict(zip(keys, interval(numbers), strict=True))
        rows.append(row)
        sys.stdout.write(
            f"{name}: hypervolume {row['hypervolume']:.1f} ({row['hypervolume_low']:.1f} to {row['hypervolume_high']:.1f}), "
            f"minus base {row['hypervolume_minus_base']:.1f} ({row['hypervolume_minus_base_low']:.1f} to "
            f"{row['hypervolume_minus_base_high']:.1f}); population {row['population_hypervolume']:.1f}; "
            f"points {row['cardinality']:.1f}\n"
        )
    if options.csv is not None:
        with options.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
