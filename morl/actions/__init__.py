"""Action optimisers: who finds the best action of a combinatorial set under a Q-network."""

from __future__ import annotations

from morl.actions.base import ActionMaximizer, ActionOptimizer, ActionProblem
from morl.actions.enumerate import Enumerate
from morl.actions.local_search import LocalSearch
from morl.actions.mip import MIP

__all__ = ["ActionMaximizer", "ActionOptimizer", "ActionProblem", "Enumerate", "LocalSearch", "MIP"]
