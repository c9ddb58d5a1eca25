"""Sets of feasible actions, each written once for sampling, checking, planning and integer programs."""

from __future__ import annotations

from envs.cormab.constraints.base import Constraint, DownwardClosed
from envs.cormab.constraints.budget import Budget
from envs.cormab.constraints.capacity import Capacity
from envs.cormab.constraints.exact_count import ExactCount
from envs.cormab.constraints.linear import Linear
from envs.cormab.constraints.path import Path
from envs.cormab.constraints.rows import LinearModel, LinearRows
from envs.cormab.constraints.scheduling import Scheduling

__all__ = [
    "Constraint",
    "DownwardClosed",
    "LinearModel",
    "LinearRows",
    "Budget",
    "Capacity",
    "ExactCount",
    "Linear",
    "Path",
    "Scheduling",
]
