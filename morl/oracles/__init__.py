"""Oracles: exact answers about finite environments, which learned ones can be held against."""

from morl.oracles.box_decomposition import Box, BoxDecomposition, Decomposition, MaxMinOracle, box_decomposition
from morl.oracles.convex_hull_value_iteration import convex_hull_value_iteration
from morl.oracles.enumeration import Enumeration, enumerate_policies
from morl.oracles.occupancy import Mixture, PiecewiseLinear, best_mixture, best_mixture_smooth
from morl.oracles.pareto_value_iteration import pareto_value_iteration
from morl.oracles.process import Process, Source, read_process
from morl.oracles.random_worlds import random_process
from morl.oracles.referent_search import Referents, ReferentSearch, referent_search
from morl.oracles.reward_aware_value_iteration import ExpectedUtility, RewardAwarePolicy, reward_aware_value_iteration
from morl.oracles.value_sets import ValueSet

__all__ = [
    "Source",
    "Process",
    "read_process",
    "random_process",
    "ValueSet",
    "pareto_value_iteration",
    "convex_hull_value_iteration",
    "Enumeration",
    "enumerate_policies",
    "Mixture",
    "PiecewiseLinear",
    "best_mixture",
    "best_mixture_smooth",
    "ExpectedUtility",
    "RewardAwarePolicy",
    "reward_aware_value_iteration",
    "Box",
    "BoxDecomposition",
    "Decomposition",
    "MaxMinOracle",
    "box_decomposition",
    "Referents",
    "ReferentSearch",
    "referent_search",
]
