"""Sparse connected graphs that look like underground railways."""

from __future__ import annotations

import numpy as np

from envs.arrays import Integers

_EDGES_PER_NODE = 1.4  # the published networks have 29, 56, 82, 108 and 133 edges for 20, 40, 60, 80 and 100 nodes


def underground(num_nodes: int, rng: np.random.Generator) -> Integers:
    """Edges of a random connected graph in the plane.

    Nodes are uniform in a square; edges are those of the shortest spanning tree, and then the shortest others until there are
    1.4 per node.

    Args:
        num_nodes: At least 1.
        rng: Where the nodes come from.

    Returns:
        ``(E, 2)``, each edge once, the smaller node first.
    """
    place = rng.random((num_nodes, 2))
    distance = np.sqrt(((place[:, None] - place) ** 2).sum(-1))
    joined = np.zeros((num_nodes, num_nodes), np.bool_)
    # Prim: the nearest node outside the tree joins it.
    nearest, parent = distance[0].copy(), np.zeros(num_nodes, np.int64)
    nearest[0] = np.inf
    inside = np.arange(num_nodes) == 0
    for _ in range(num_nodes - 1):
        node = int(nearest.argmin())
        joined[node, parent[node]] = joined[parent[node], node] = True
        inside[node] = True
        closer = distance[node] < nearest
        parent[closer] = node
        nearest = np.where(inside, np.inf, np.minimum(nearest, distance[node]))
    one, other = np.triu_indices(num_nodes, 1)
    wanted = min(round(_EDGES_PER_NODE * num_nodes), one.size)
    order = np.lexsort((distance[one, other], ~joined[one, other]))[:wanted]
    return np.stack([one[order], other[order]], axis=-1)
