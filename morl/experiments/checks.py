"""What is looked at before a run goes on: saved counters, and the parameters of its policies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from morl.errors import CheckpointError, TrainingDiverged
from morl.experiments.units import Unit
from morl.protocols import Policy, State

_COUNTS = {"done": 0, "next_evaluation": 0, "next_checkpoint": 0, "period": 1, "checkpoint_period": 1, "threads": 1}
"""Counters that must be whole numbers, with their least values."""

ANOTHER = "it was changed, or written by another version; start a new run"
"""What may have happened to a checkpoint that makes no sense, and the remedy."""


def check_counters(state: State, unit: Unit) -> None:
    """Refuse a saved session whose counters make no sense, before anything counts on them.

    Args:
        state: Of :meth:`Session.state`.
        unit: What the run counts.

    Raises:
        CheckpointError: Names the counter and what it holds.
    """

    def require(good: bool, name: str) -> None:
        if not good:
            raise CheckpointError(f"the checkpoint says {name} = {state[name]!r:.80}, which cannot be: {ANOTHER}")

    for name, least in _COUNTS.items():
        require(type(state[name]) is int and state[name] >= least, name)
    spent, done = state["spent"], state["done"]
    require(isinstance(spent, dict) and all(type(count) is int and count >= 0 for count in spent.values()), "spent")
    require(spent.get("training", 0) + spent.get("search", 0) == done, "spent")
    for name in ("metrics", "timing"):
        rows = state[name]
        require(isinstance(rows, list) and all(isinstance(row, dict) for row in rows), name)
        steps = [row.get(unit) for row in rows]
        require(all(type(step) is int and 0 <= step <= done for step in steps) and steps == sorted(set(steps)), name)
    require(len(state["metrics"]) == len(state["timing"]), "timing")
    seconds = state["seconds"]
    require(isinstance(seconds, dict) and all(type(s) is float and math.isfinite(s) for s in seconds.values()), "seconds")
    require(isinstance(state["started_at"], str), "started_at")


def check_finite(policies: Sequence[Policy]) -> None:
    """Refuse policies that diverged.

    Args:
        policies: One per member.

    Raises:
        TrainingDiverged: A parameter is not finite; names it.
    """
    for i, policy in enumerate(policies):
        for name, tensor in policy.tensors().items():
            if not bool(torch.isfinite(tensor).all()):
                raise TrainingDiverged(
                    f"parameter {name} of member {i} became non-finite; lower learning_rate, or scale the rewards"
                )
