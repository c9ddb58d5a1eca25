"""What a run of IWOCS in simulators says: rows of its history, bounds of every preference, a certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from envs.parameter_space import ParameterSpace
from morl.evaluation import Certificate, Table
from robust.iwocs.sub_problems import SubProblem
from robust.search.base import SearchResult
from robust.uncertainty.base import Array

if TYPE_CHECKING:
    from robust.iwocs.solver import IWOCS


def iteration_row(
    sub: SubProblem,
    iteration: int,
    result: SearchResult,
    shares: Sequence[float],
    spent: Mapping[str, int],
    space: ParameterSpace,
) -> dict[str, Any]:
    """A row of the history of one preference.

    Args:
        sub: The preference, after the iteration.
        iteration: Its number.
        result: What the search found.
        shares: How often the default policy and each specialist act in the worst model.
        spent: Environment steps so far, by purpose.
        space: Names of the models' parameters.
    """
    numbered = list(enumerate(sub.specialists, 1))
    return {
        "preference": sub.uid,
        "iteration": iteration,
        "specialists": len(sub.specialists),
        "worst_value": result.value,
        "lower": sub.lower,
        "upper": sub.upper,
        "gap": sub.gap,
        "status": sub.status,
        **{f"worst_{name}": value for name, value in space.mapping(result.params).items()},
        "evaluations": result.evaluations,
        "training_steps": spent["training"],
        "search_steps": spent["search"],
        "usage_default": shares[0],
        **{f"usage_{j}": share for j, share in enumerate(shares[1:], 1)},
        **{f"{what}_{j}": getattr(s, what) for what in ("value", "reached", "threshold") for j, s in numbered},
        **{f"kernel_{j}_{name}": value for j, s in numbered for name, value in space.mapping(np.array(s.model)).items()},
    }


def bounds_of(subs: Sequence[SubProblem], weights: Array) -> Table:
    """One row per preference; ``weights (n, m)``."""
    return [
        {
            "preference": sub.uid,
            **{f"weight_{k}": float(w) for k, w in enumerate(own)},
            "lower": sub.lower,
            "verified": sub.verified,
            "upper": sub.upper,
            "gap": sub.gap,
            "status": "budget" if sub.status == "running" else sub.status,
            "specialists": len(sub.specialists),
        }
        for sub, own in zip(subs, weights, strict=True)
    ]


def certificate_of(sub: SubProblem, solver: IWOCS) -> Certificate:
    """What is known of the value of a preference's best policy."""
    if sub.lower is None:
        return Certificate(
            lower=-np.inf,
            upper=np.inf,
            gap=np.inf,
            status="budget",
            semantics=(
                "nothing is known: the budget ended before the first search, which comes after default_steps "
                f"({solver.default_steps:,} environment steps per preference); raise env_steps or lower default_steps"
            ),
        )
    upper = np.inf if sub.upper is None else sub.upper
    lower = sub.lower if sub.verified is None else sub.verified
    where = "the search found" if sub.verified is None else "a closed grid has, in fresh episodes"
    return Certificate(
        lower=lower,
        upper=upper,
        gap=upper - lower,
        status="budget" if sub.status == "running" else sub.status,
        semantics=(
            f"estimates: return in the worst model that {where}, and smallest over the specialists' models of the best "
            f"return seen there; static models, discount {solver.search_gamma:g}, {solver.rollouts} episodes each"
        ),
    )
