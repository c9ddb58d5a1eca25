"""Known Pareto fronts: computed by the environments themselves, corrected where they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownFront:
    """A Pareto front somebody worked out."""

    values: npt.NDArray[np.float64]
    """Non-dominated expected vector returns, ``(p, m)``, return units, in lexicographic order."""
    exact: bool
    """Whether no deterministic policy can do better;
    IGD and utility loss against an approximate front may mislead."""
    source: str
    """Where it comes from."""


def _front(points: Any, *, exact: bool, source: str) -> KnownFront:
    from morl.functional.dominance import non_dominated  # needs torch, which a list of environments does without

    values = np.asarray(points, dtype=np.float64)
    values = values[non_dominated(values)]
    return KnownFront(values=values[np.lexsort(values.T[::-1])], exact=exact, source=source)


def printed(env: Any, gamma: float) -> KnownFront:
    """The front an environment prints, where that is right: the enumerated outcomes of deterministic dynamics."""
    return _front(env.pareto_front(gamma=gamma), exact=True, source="mo-gymnasium, pareto_front(gamma)")


def minecart(env: Any, gamma: float) -> KnownFront:
    """Minecart's front assumes idealised routes; learned policies have beaten it."""
    return _front(env.pareto_front(gamma=gamma), exact=False, source="mo-gymnasium, pareto_front(gamma): idealised routes")


_SAFE_ROUND_TRIP = 18
"""Steps of the shortest route that collects gold and gem and meets no enemy."""
_SMALLEST_GAMMA_CHECKED = 0.97
"""Down to here the front equals what set-valued value iteration finds; below it, short risky routes add points."""


def resource_gathering(env: Any, gamma: float) -> KnownFront:
    """The printed front, with two corrections.

    Every printed value is discounted once too often: the reward of an episode's n-th step counts ``gamma ** (n - 1)``. And one
    route is missing: gold (entered from its far side), then gem, then home in 18 steps without meeting an enemy.
    """
    routes = np.asarray(env.pareto_front(gamma=gamma), dtype=np.float64) / gamma
    both = gamma ** (_SAFE_ROUND_TRIP - 1)
    return _front(
        np.vstack([routes, [[0.0, both, both]]]),
        exact=gamma >= _SMALLEST_GAMMA_CHECKED,
        source="mo-gymnasium, pareto_front(gamma), discounted once less, with the missing 18-step safe route to both resources",
    )


FRONTS: Mapping[str, Callable[[Any, float], KnownFront]] = {
    "deep-sea-treasure-v0": printed,
    "deep-sea-treasure-concave-v0": printed,
    "deep-sea-treasure-mirrored-v0": printed,
    "fruit-tree-v0": printed,
    "resource-gathering-v0": resource_gathering,
    "minecart-v0": minecart,
    "minecart-deterministic-v0": minecart,
    "minecart-rgb-v0": minecart,
}
"""From environment id to the function of (unwrapped environment, gamma) that gives its front."""
