"""Reports and pictures of walks in coverage worlds."""

from morl.coverage.coverage_map import coverage_map
from morl.coverage.walk_report import walk_of, walk_report

__all__ = ["coverage_map", "walk_of", "walk_report"]
