"""Curvature: how far a set function is from a sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from envs.coverage.checks import check_set_function
from envs.coverage.set_functions import SetFunction
from envs.coverage.set_functions.set_function import require_set_function
from morl.planners.planner import Walks, elements_of, objective_weights

_CHUNK = 64


def curvature(function: SetFunction, elements: Sequence[int] | None = None, *, weights: Sequence[float] | None = None) -> float:
    r"""Curvature :math:`c = 1 - \min_{v} F(v \mid S \setminus v) / F(\{v\})` over elements worth something alone.

    0 if and only if ``F`` is modular on ``S``; 1 if some element adds nothing to the others. Then
    :math:`(1 - c) \sum_{s \in A} F(\{s\}) \le F(A) \le \sum_{s \in A} F(\{s\})`.

    Args:
        function: Monotone and submodular.
        elements: The ground set ``S``; None for all. Over pairs of node and time, of which one node has several, the curvature
            of a function that ignores time is 1: take nodes, of those that can be reached, and see :func:`guarantee`.
        weights: Of the objectives; may be left out if there is one.

    Raises:
        ConfigurationError: An element is not in the ground set.
        ShapeError: Not one nonnegative weight per objective.

    Source:
        Conforti and Cornuéjols 1984.
    """
    require_set_function(function)
    scale = objective_weights(function, weights)
    given = range(function.num_elements) if elements is None else elements
    ground = torch.from_numpy(np.unique(elements_of(function, given, "elements")))
    number = ground.shape[0]
    alone = (function.singletons()[ground] * scale).sum(-1)
    last = torch.zeros(number, dtype=torch.float64)
    for some in torch.arange(number).split(_CHUNK):
        # Every order ends with another element.
        orders = ground[(some[:, None] + 1 + torch.arange(number)) % number]
        last[some] = (function.trajectory_gains(orders)[:, -1] * scale).sum(-1)
    worth = alone > 0
    return float(1.0 - (last[worth] / alone[worth]).min().clamp(0.0, 1.0)) if bool(worth.any()) else 0.0


def guarantee(env: Any, weights: Sequence[float] | None = None) -> float:
    """Share of the optimum that the exact policy of the modular relaxation is sure to reach.

    ``1 - c`` with the curvature of the nodes that can be reached, if none of them can be visited twice; else 0: the modular sum
    pays for the second visit, so it promises nothing.

    Args:
        env: A coverage world.
        weights: Of the objectives; may be left out if there is one.

    Raises:
        SetFunctionLawError: The set function is not monotone or not submodular, so nothing is guaranteed; says on which sets.
    """
    walks = Walks.of(env, weights)
    check_set_function(walks.function)
    times = walks.reachable().sum(0)
    if int(times.max()) > 1:
        return 0.0
    return 1.0 - curvature(walks.function, times.nonzero()[:, 0].tolist(), weights=walks.weights.tolist())
