"""Upper bounds of what any policy can reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from morl.planners.lazy_greedy import lazy_greedy, repeats_gain
from morl.planners.modular_policy import backward_induction
from morl.planners.planner import Walks


def upper_bounds(env: Any, weights: Sequence[float] | None = None) -> dict[str, float]:
    r"""Bound the value of all policies, those that remember everything included.

    Three ways, and the ``best`` of them:

    - ``moves``: a gain is at most the gain given the node before alone, so
      :math:`J \le F(s_0) + \max \mathbb{E} \sum_h F(s_{h+1} \mid s_h)`, by backward induction;
    - ``sites``: as many visits anywhere that can be reached, by the bound of :func:`~morl.planners.lazy_greedy`;
    - ``everything``: all that can be reached, if second visits gain nothing.

    The linear relaxation of :class:`~morl.planners.MixedInteger` is often sharper, and slower.

    Args:
        env: A coverage world.
        weights: Of the objectives; may be left out if there is one.

    Returns:
        Bounds by name; they count the start, as values of plans do.

    Raises:
        SetFunctionLawError: The set function is not monotone or not submodular, so these are no bounds; says on which sets.
    """
    walks = Walks.of(env, weights)
    reached = walks.reachable().any(0).nonzero()[:, 0]
    # This one first: it refuses a function without diminishing returns.
    picked = lazy_greedy(
        walks.function, walks.horizon, given=[walks.start], candidates=reached.tolist(), weights=walks.weights.tolist()
    )
    first = float(walks.scalar(walks.begin(1)["value"]))
    bounds = {"moves": first + float(backward_induction(walks, walks.move_gains())[0][0, walks.start])}
    bounds["sites"] = picked.bound
    if not repeats_gain(walks.function):
        bounds["everything"] = float(walks.scalar(walks.function.trajectory_gains(reached[None]).sum(1)))
    return {**bounds, "best": min(bounds.values())}
