"""Quality against time of the shipped configurations: what each reaches, after how many steps and seconds, over seeds.

``python tests/benchmarks/learning_benchmark.py [CONFIG ...] [--seeds 3] [--runs FOLDER]`` trains every configuration once per
seed in a process of its own with one computing thread and prints one line per configuration; with ``--runs``, finished runs
in that folder are read instead of made again. Seconds count from the first environment step, evaluation included.
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
}
"""Hypervolume that must be reached; None where the number of points counts."""


def train(config: str, seed: int, out: Path) -> None:
    """Run one configuration in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "morl", "run", str(CONFIGS / f"{config}.yaml"), f"seed={seed}", "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def read(run: Path, level: float | None) -> dict[str, float | None]:
    """Final figures of a run, and when it reached a hypervolume."""
    metrics, timing = (list(csv.DictReader((run / f"{name}.csv").open())) for name in ("metrics", "timing"))
    summary = json.loads((run / "summary.json").read_text())
    reached = [
        (int(row["env_steps"]), float(clock["total"]))
        for row, clock in zip(metrics, timing, strict=True)
        if level is not None and float(row["hypervolume"]) >= level
    ]
    found = summary["indicators"]
    return {
        "hypervolume": found["hypervolume"],
        "population": found["population_hypervolume"],
        "fresh": found.get("fresh_hypervolume"),
        "cardinality": found["cardinality"],
        "steps": float(summary["env_steps"]),
        "seconds": float(timing[-1]["total"]),
        "level_steps": reached[0][0] if reached else None,
        "level_seconds": reached[0][1] if reached else None,
    }


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
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.runs or Path(temporary)
        for config in options.configs:
            level = LEVELS[config]
            runs = []
            for seed in range(options.seeds):
                out = folder / f"{config.replace('/', '-')}-{seed}"
                if not (out / "summary.json").exists():
                    train(config, seed, out)
                runs.append(read(out, level))
            columns = {key: [run[key] for run in runs] for key in runs[0]}
            digits = 0 if (columns["hypervolume"][0] or 0) > 100 else 3
            line = (
                f"{config}: hypervolume {spread(columns['hypervolume'], digits)}, fresh {spread(columns['fresh'], digits)}, "
                f"population {spread(columns['population'], digits)}, points {spread(columns['cardinality'])}; "
                f"{columns['steps'][0]:,.0f} steps in {spread(columns['seconds'])} s; level {level} at "
                f"{spread(columns['level_steps'])} steps, {spread(columns['level_seconds'], 1)} s\n"
            )
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
