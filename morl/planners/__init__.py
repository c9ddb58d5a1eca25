"""Planners and bounds for walks rewarded by a set function: baselines, and the truth where it can be had."""

from morl.planners.beam_search import BeamSearch
from morl.planners.bounds import upper_bounds
from morl.planners.compare import compare
from morl.planners.curvature import curvature, guarantee
from morl.planners.exhaustive import Exhaustive
from morl.planners.greedy import Greedy
from morl.planners.lazy_greedy import Picks, lazy_greedy
from morl.planners.mixed_integer import MixedInteger
from morl.planners.modular_policy import ModularPolicy
from morl.planners.planner import Plan, Planner, Walks
from morl.planners.travel_greedy import TravelGreedy

__all__ = [
    "Planner",
    "Plan",
    "Walks",
    "Greedy",
    "TravelGreedy",
    "BeamSearch",
    "ModularPolicy",
    "MixedInteger",
    "Exhaustive",
    "compare",
    "lazy_greedy",
    "Picks",
    "upper_bounds",
    "curvature",
    "guarantee",
]
