"""The policies that need no training, on the instances of the documentation: scores, intervals, bounds, decision times.

Run as a script with a folder as argument; writes one folder per problem and prints the tables.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs import cormab
from morl.cormab import BASELINES, Comparison, compare

SIZES: tuple[tuple[str, dict[str, int], int], ...] = (
    ("budget", {"num_arms": 20, "budget": 5}, 5),
    ("capacity", {"num_arms": 20, "budget": 5}, 5),
    ("scheduling", {"num_arms": 20, "budget": 5}, 5),
    ("path", {"num_arms": 20, "budget": 5}, 5),
    ("interventions", {"num_arms": 20, "budget": 5, "num_interventions": 10}, 5),
    ("capacity", {"num_arms": 40, "budget": 10}, 2),
    ("scheduling", {"num_arms": 40, "budget": 10}, 2),
)
EPISODES = 200


def measure(kind: str, sizes: dict[str, int], count: int, episodes: int = EPISODES) -> Comparison:
    """Compare all baselines on the first instances of a problem."""
    make: Any = getattr(cormab, f"{kind}_instance")
    return compare(BASELINES, [make(seed=seed, **sizes) for seed in range(count)], episodes=episodes)


@pytest.mark.parametrize(("kind", "sizes", "count"), SIZES[:3])
def test_look_ahead_is_near_the_bound(benchmark: Any, kind: str, sizes: dict[str, int], count: int) -> None:
    result = benchmark.pedantic(measure, args=(kind, sizes, count, 50), rounds=1)
    assert result.normalised[result.names.index("look-ahead")].mean() > 0.96


def main() -> None:
    """Print and write the tables."""
    for kind, sizes, count in SIZES:
        result = measure(kind, sizes, count)
        name = f"{kind}-{sizes['num_arms']}"
        result.save(Path(sys.argv[1]) / name)
        print(f"{name}: null {np.mean(result.null):.2f}, bound {np.mean(result.bound):.2f}", flush=True)  # noqa: T201
        for row in result.table[1:-1]:
            share = f"{row['normalised']:.3f} [{row['normalised_low']:.3f}, {row['normalised_high']:.3f}]"
            times = f"{row['decision_ms_mean']:.2f} ms, 95 % {row['decision_ms_p95']:.2f} ms"
            print(f"  {row['policy']:15s} {row['expected']:7.3f}  {share}  {times}", flush=True)  # noqa: T201
        best = max(("whittle index", "lagrange index", "look-ahead"), key=lambda p: _score(result, p))
        strongest = max(("sampling", "greedy", "myopic"), key=lambda p: _score(result, p))
        gain, low, high = result.difference(best, strongest)
        print(f"  {best} over {strongest}: {gain:+.1%} [{low:+.1%}, {high:+.1%}]", flush=True)  # noqa: T201


def _score(result: Comparison, name: str) -> float:
    return float(result.scores[result.names.index(name)].mean()) if name in result.names else -np.inf


if __name__ == "__main__":
    main()
