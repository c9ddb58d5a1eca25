"""Greedy over sites: go where a step of travel gains most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from morl.planners.planner import Planner, Walks, walk


@dataclass(frozen=True, kw_only=True)
class TravelGreedy(Planner):
    """Choose the site of largest gain per step of travel, walk there on a shortest path, and choose again.

    It sees beyond the next step, so it does not stop among equal neighbours as :class:`Greedy` does. Gains are evaluated
    lazily: they only fall, and distances are known, so an old gain over the present distance is an upper bound.
    """

    def _plan(self, walks: Walks) -> dict[str, Any]:
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import shortest_path

        walks.require_deterministic("greedy over sites")
        successors = walks.successors.numpy()
        number, num_actions = successors.shape
        origins = np.repeat(np.arange(number), num_actions)
        edges = csr_array((np.ones(origins.size), (origins, successors.ravel())), shape=(number, number))
        distances, before = shortest_path(edges, unweighted=True, return_predecessors=True)
        # Staying, where that is possible, takes a step as well.
        np.fill_diagonal(distances, np.where((successors == np.arange(number)[:, None]).any(1), 1.0, np.inf))
        state, node = walks.begin(1), walks.start
        stale = walks.scalar(walks.function.gains(state)[0]).numpy().copy()
        actions: list[int] = []
        while len(actions) < walks.horizon:
            reachable = distances[node] <= walks.horizon - len(actions)
            fresh = np.zeros(number, np.bool_)
            while True:
                rate = np.where(reachable, stale / distances[node], -1.0)
                target = int(rate.argmax())
                if fresh[target]:
                    break
                stale[target] = float(walks.scalar(walks.function.gain(state, torch.tensor([target])))[0])
                fresh[target] = True
            path = [target]
            while target != node and before[node, path[-1]] != node:
                path.append(int(before[node, path[-1]]))
            for following in reversed(path):
                actions.append(int(np.flatnonzero(successors[node] == following)[0]))
                walks.function.advance(state, torch.tensor([following]))
                node = following
        return {"status": "heuristic", **walk(walks, np.array(actions))}
