"""Indicators: how good a set of vector values is, one per file; maximisation everywhere."""

from morl.indicators.cardinality import cardinality
from morl.indicators.expected_utility import expected_utility
from morl.indicators.hypervolume import hypervolume, hypervolume_estimate
from morl.indicators.igd import igd
from morl.indicators.igd_plus import igd_plus
from morl.indicators.maximum_utility_loss import maximum_utility_loss
from morl.indicators.sparsity import sparsity
from morl.indicators.volume import Volume

__all__ = [
    "Volume",
    "cardinality",
    "expected_utility",
    "hypervolume",
    "hypervolume_estimate",
    "igd",
    "igd_plus",
    "maximum_utility_loss",
    "sparsity",
]
