"""Quality against time of the shipped configurations: what each reaches, after how many steps and seconds, over seeds.

``python tests/benchmarks/learning_benchmark.py [CONFIG ...] [--seeds 3] [--runs FOLDER] [--csv FILE]`` trains every
configuration once per seed in a process of its own with one computing thread (``--threads``) and prints one line per
configuration; with ``--runs``, finished runs in that folder are read instead of made again, and with ``--csv`` every run
becomes a row of a file. Seconds count from the first environment step, evaluation included; gradient steps and environment
steps are summed over members.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import moocore
import numpy as np

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LEVELS = {
    "morld/deep-sea-treasure": 840.0,
    "morld/deep-sea-treasure-tabular": 850.0,
    "morld/deep-sea-treasure-concave": None,
    "morld/hopper-2obj": 88_356.0,
    "morld/hopper-2obj-moppo": 88_356.0,
    "morld/halfcheetah": 30_000.0,
    "morld/halfcheetah-256": 15_000.0,
    "morld/fruit-tree": 0.99 * 9302.3782,
    "morld/resource-gathering": 0.99 * 3.374,
    "marks/halfcheetah": 50_000.0,
    "marks/hopper-2obj": 128_000.0,
    "marks/hopper": 2.1e7,
    "marks/ant-2obj": 1.17e5,
    "marks/walker2d": None,
    "marks/minecart-deterministic": 700.0,
    "marks/minecart": 640.0,
    "marks/hopper-2obj-30000": 75_000.0,
}
"""Hypervolume that must be reached; None where the number of points counts, or where there is nothing to compare with."""
POPULATION_COUNTS = frozenset({"marks/hopper-2obj-30000"})
"""Where that of the last population must be reached, not that of the archive."""
CANDIDATES = 100
"""Policies that may be offered for the fresh figure."""


def train(config: str, seed: int, out: Path, threads: int) -> None:
    """Run one configuration in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [
        sys.executable, "-m", "morl", "run", str(CONFIGS / f"{config}.yaml"), f"seed={seed}", f"threads={threads}",
        "--out", str(out),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def read(run: Path, level: float | None, counted: str = "hypervolume") -> dict[str, float | None]:
    """Final figures of a run, and when it reached a hypervolume."""
    metrics, timing = (list(csv.DictReader((run / f"{name}.csv").open())) for name in ("metrics", "timing"))
    summary = json.loads((run / "summary.json").read_text())
    reached = [
        (int(row["env_steps"]), float(clock["total"]))
        for row, clock in zip(metrics, timing, strict=True)
        if level is not None and float(row[counted]) >= level
    ]
    found = summary["indicators"]
    return {
        "hypervolume": found["hypervolume"],
        "fresh_hypervolume": fresh_hypervolume(run, summary),
        "population_hypervolume": found["population_hypervolume"],
        "cardinality": found["cardinality"],
        "candidates": found.get("candidates", found["cardinality"]),
        "env_steps": float(summary["env_steps"]),
        "gradient_steps": float(metrics[-1]["gradient_steps"]) if metrics[-1].get("gradient_steps") else None,
        "seconds": float(timing[-1]["total"]),
        "level_env_steps": reached[0][0] if reached else None,
        "level_seconds": reached[0][1] if reached else None,
    }


def fresh_hypervolume(run: Path, summary: dict[str, Any]) -> float | None:
    """Hypervolume of at most ``CANDIDATES`` policies in fresh episodes; more are thinned by what they were archived with."""
    found: float | None = summary["indicators"].get("fresh_hypervolume")
    if found is None or summary["indicators"]["cardinality"] <= CANDIDATES:
        return found
    names = summary["objectives"]
    rows = list(csv.DictReader((run / "tables" / "fresh_evaluation.csv").open()))
    archived, fresh = (
        np.array([[float(row[name + suffix]) for name in names] for row in rows]) for suffix in ("_archived", "")
    )
    reference = np.array(summary["reference_point"])
    kept = np.arange(len(rows))
    while len(kept) > CANDIDATES:
        contributions = moocore.hv_contributions(archived[kept], ref=reference, maximise=True)
        kept = np.delete(kept, contributions.argmin())
    return float(moocore.hypervolume(fresh[kept], ref=reference, maximise=True))


def spread(values: list[float | None], digits: int = 0) -> str:
    """Mean and range; how many there are if some are missing."""
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    text = f"{statistics.mean(known):,.{digits}f} ({min(known):,.{digits}f} to {max(known):,.{digits}f})"
    return text if len(known) == len(values) else f"{text}, {len(known)} of {len(values)}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", default=list(LEVELS), metavar="CONFIG")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.runs or Path(temporary)
        for config in options.configs:
            level = LEVELS[config]
            counted = "population_hypervolume" if config in POPULATION_COUNTS else "hypervolume"
            runs = []
            for seed in range(options.seeds):
                out = folder / f"{config.replace('/', '-')}-{seed}"
                if not (out / "summary.json").exists():
                    train(config, seed, out, options.threads)
                runs.append(read(out, level, counted))
                rows.append({"config": config, "seed": seed, **runs[-1], "level": level})
            columns = {key: [run[key] for run in runs] for key in runs[0]}
            digits = 0 if (columns["hypervolume"][0] or 0) > 100 else 3
            line = (
                f"{config}: hypervolume {spread(columns['hypervolume'], digits)}, "
                f"fresh {spread(columns['fresh_hypervolume'], digits)}, "
                f"population {spread(columns['population_hypervolume'], digits)}, points {spread(columns['cardinality'])}; "
                f"{columns['env_steps'][0]:,.0f} steps, gradient steps {spread(columns['gradient_steps'])}, in "
                f"{spread(columns['seconds'])} s; level {level} at {spread(columns['level_env_steps'])} steps, "
                f"{spread(columns['level_seconds'], 1)} s\n"
            )
            sys.stdout.write(line)
            sys.stdout.flush()
            if options.csv is not None:
                with options.csv.open("w", newline="") as file:
                    writer = csv.DictWriter(file, list(rows[0]))
                    writer.writeheader()
                    writer.writerows(rows)


if __name__ == "__main__":
    main()
