"""Scalarizations: turn a vector value and a preference into one number to maximise, one variant per file."""

from morl.scalarizations.achievement import Achievement
from morl.scalarizations.augmented_chebyshev import AugmentedChebyshev
from morl.scalarizations.base import ChecksUtility, Scalarization, require_weighted_sum
from morl.scalarizations.chebyshev import Chebyshev
from morl.scalarizations.constrained import Constrained
from morl.scalarizations.pbi import PBI
from morl.scalarizations.saturate import Saturate
from morl.scalarizations.smooth_chebyshev import SmoothChebyshev
from morl.scalarizations.weighted_sum import WeightedSum

__all__ = [
    "PBI",
    "Achievement",
    "AugmentedChebyshev",
    "Chebyshev",
    "ChecksUtility",
    "Constrained",
    "Saturate",
    "Scalarization",
    "SmoothChebyshev",
    "WeightedSum",
    "require_weighted_sum",
]
