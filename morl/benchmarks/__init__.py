"""Benchmarks: what is agreed about each environment, so that results can be compared.

Reference points, names and units of the objectives, the usual discount, and known Pareto fronts. Numbers that come from a
publication say so; the others say how they were chosen.
"""

from morl.benchmarks.benchmark import Benchmark, benchmark, benchmark_ids
from morl.benchmarks.known_fronts import KnownFront
from morl.benchmarks.table import VERSION

__all__ = ["VERSION", "Benchmark", "KnownFront", "benchmark", "benchmark_ids"]
