"""Exact robust Markov decision processes on tables: the ground truth of everything robust.

References:
    [Iyengar2005] G. Iyengar, "Robust dynamic programming", Mathematics of Operations Research 30(2), 2005.

    [NilimElGhaoui2005] A. Nilim, L. El Ghaoui, "Robust control of Markov decision processes with uncertain transition
    matrices", Operations Research 53(5), 2005.

    [WiesemannKuhnRustem2013] W. Wiesemann, D. Kuhn, B. Rustem, "Robust Markov decision processes", Mathematics of
    Operations Research 38(1), 2013.

    [HoPetrikWiesemann2018] C. P. Ho, M. Petrik, W. Wiesemann, "Fast Bellman updates for robust MDPs", ICML 2018.
"""

from robust.tabular.ambiguity import KL, L1, Box, Finite, SARectangular, SRectangular, SRectangularL1
from robust.tabular.fronts import WeightedFront, WorstCaseFront, weighted_front, worst_case_front
from robust.tabular.mdp import TabularMDP
from robust.tabular.planning import policy_evaluation, value_iteration, vector_policy_evaluation
from robust.tabular.robust_planning import (
    robust_policy_evaluation,
    robust_value_iteration,
    robust_vector_policy_evaluation,
    worst_case,
)

__all__ = [
    "TabularMDP",
    "policy_evaluation",
    "value_iteration",
    "vector_policy_evaluation",
    "robust_policy_evaluation",
    "robust_value_iteration",
    "robust_vector_policy_evaluation",
    "worst_case",
    "WeightedFront",
    "WorstCaseFront",
    "weighted_front",
    "worst_case_front",
    "Box",
    "Finite",
    "KL",
    "L1",
    "SARectangular",
    "SRectangular",
    "SRectangularL1",
]
