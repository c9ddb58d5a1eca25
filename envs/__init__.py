"""Environments with vector rewards, and native batched forms of known ones.

Importing the package makes its ids known to gymnasium and loads no environment.
"""

from __future__ import annotations

from envs.protocols import BatchedEnv, ParametricDynamics, VectorReward
from envs.registry import batched_form, register
from envs.siblings import require_siblings

__all__ = ["BatchedEnv", "ParametricDynamics", "VectorReward", "batched_form", "register"]

require_siblings()
register()
