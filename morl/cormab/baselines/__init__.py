"""Policies to compare a learned one with: from doing nothing to the optimum. All act for a batch of environments at once."""

from __future__ import annotations

from morl.cormab.baselines.base import Contender, Decision
from morl.cormab.baselines.greedy import Greedy
from morl.cormab.baselines.iterative_q import IterativeQ
from morl.cormab.baselines.joint_optimum import JointOptimum
from morl.cormab.baselines.lagrange_index import LagrangeIndex
from morl.cormab.baselines.learned import Learned
from morl.cormab.baselines.look_ahead import LookAhead
from morl.cormab.baselines.myopic import Myopic
from morl.cormab.baselines.null import Null
from morl.cormab.baselines.random import Random
from morl.cormab.baselines.sampling import Sampling
from morl.cormab.baselines.trained import Trained
from morl.cormab.baselines.whittle_index import WhittleIndex

__all__ = [
    "Contender",
    "Decision",
    "Greedy",
    "IterativeQ",
    "JointOptimum",
    "LagrangeIndex",
    "Learned",
    "LookAhead",
    "Myopic",
    "Null",
    "Random",
    "Sampling",
    "Trained",
    "WhittleIndex",
]
