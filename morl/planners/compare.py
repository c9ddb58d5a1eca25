"""Several planners on one world, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from morl.planners.beam_search import BeamSearch
from morl.planners.greedy import Greedy
from morl.planners.modular_policy import ModularPolicy
from morl.planners.planner import Planner, Walks
from morl.planners.travel_greedy import TravelGreedy

BASELINES: tuple[Planner, ...] = (Greedy(), ModularPolicy(), TravelGreedy(), BeamSearch())
"""What is compared with by default: seconds, not minutes."""


def compare(
    env: Any, planners: Sequence[Planner] | None = None, *, weights: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """Plan with several planners.

    Args:
        env: A coverage world.
        planners: Which; None for greedy, the exact modular policy and, unless the world slips, greedy over sites and beam
            search.
        weights: Of the objectives; may be left out if there is one.

    Returns:
        One row per planner, best value first: ``planner``, ``value``, ``standard_error``, ``bound``, ``status``, ``seconds``;
        values count the start.
    """
    if planners is None:
        stochastic = not Walks.of(env, weights).is_deterministic
        planners = [planner for planner in BASELINES if not (stochastic and isinstance(planner, BeamSearch | TravelGreedy))]
    plans = [planner.plan(env, weights) for planner in planners]
    return [plan.row() for plan in sorted(plans, key=lambda plan: -plan.value)]
