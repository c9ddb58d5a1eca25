"""Search for the transition model in which a policy is worst."""

from robust.search.base import SearchResult, WorstCaseSearch, minimise, minimise_side_by_side
from robust.search.bayesian import BayesianSearch
from robust.search.cma_es import CMAESSearch
from robust.search.corners import CornerSearch
from robust.search.finite_differences import FiniteDifferenceSearch
from robust.search.grid import GridSearch
from robust.search.random import RandomSearch
from robust.search.sobol import SobolSearch

__all__ = [
    "BayesianSearch",
    "CMAESSearch",
    "CornerSearch",
    "FiniteDifferenceSearch",
    "GridSearch",
    "RandomSearch",
    "SearchResult",
    "SobolSearch",
    "WorstCaseSearch",
    "minimise",
    "minimise_side_by_side",
]
