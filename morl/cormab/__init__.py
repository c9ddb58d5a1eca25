"""Restless bandits with combinatorial actions: bounds, baselines, and comparisons on equal terms."""

from __future__ import annotations

from morl.cormab.arm_values import discounted_values, horizon_action_values, indexable, whittle_indices
from morl.cormab.comparison import BASELINES, Comparison, compare
from morl.cormab.oracle import LevelOracle
from morl.cormab.relaxation import Relaxation, relax

__all__ = [
    "BASELINES",
    "Comparison",
    "LevelOracle",
    "Relaxation",
    "compare",
    "discounted_values",
    "horizon_action_values",
    "indexable",
    "relax",
    "whittle_indices",
]
