"""Coverage on any networkx graph."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from envs.arguments import whole
from envs.arrays import Floats, is_sparse
from envs.coverage.graph_world import GraphWorld, Observation
from envs.coverage.set_functions.coverage import Coverage
from envs.coverage.set_functions.set_function import SetFunction
from envs.drawing import graph_places

_MOST_NODES = 100_000
"""Of a random graph; larger ones can be given."""


class Graph(GraphWorld):
    """``coverage/graph-v0``: walk on a graph and see the nodes near by.

    Action 0 stays; action ``i`` goes to the ``i``-th neighbour in the order of the graph, or stays if there are fewer. The
    nodes' ``weight`` attributes say what they are worth, 1 where there is none. Positions are one-hot.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        graph: Any = None,
        instance_seed: int = 0,
        num_nodes: int = 60,
        start: Any = None,
        radius: int = 1,
        horizon: int = 20,
        slip: float = 0.0,
        observation: Observation = "markov",
        set_function: SetFunction | None = None,
        vector_reward: bool = False,
        max_episode_steps: int | None = None,
    ) -> None:
        """Read the graph.

        Args:
            num_envs: Number of rows of the batch.
            graph: A ``networkx.Graph`` or ``DiGraph``; or a mapping from each node to its successors, one way each; or a
                sequence of edges, pairs of nodes, both ways; or a sparse adjacency matrix ``(V, V)``. None for a random small
                world of 60 nodes with 4 neighbours each.
                Every move takes one step: weights and other attributes of edges do not count.
            instance_seed: Which random graph, if ``graph`` is None.
            num_nodes: Size of the random graph, at least 5.
            start: First node, in the graph's own names; None for its first.
            radius: How many edges away one sees, 0 for the own node only.
            horizon: Actions per episode.
            slip: Probability of a random action.
            observation: See :class:`~envs.coverage.graph_world.GraphWorld`.
            set_function: Over the nodes in the order of the graph, in place of the worth of the nodes seen.
            vector_reward: Pay gymnasium an array ``(1,)`` also if there is one objective, in place of a number.
            max_episode_steps: Episodes are truncated at this length.

        Raises:
            ValueError: It is no graph, or empty, or a node cannot be reached from the start.
        """
        import networkx

        if graph is None:
            if num_nodes < 5:
                raise ValueError(f"num_nodes is {num_nodes}; expected at least 5 for a random graph")
            whole("num_nodes", num_nodes, least=5, most=_MOST_NODES)
            seed = whole("instance_seed", instance_seed, least=0, most=2**32 - 1)
            graph = networkx.connected_watts_strogatz_graph(num_nodes, 4, 0.1, tries=1000, seed=seed)
        else:
            graph = _as_networkx(graph)
        self.graph = graph
        """The networkx graph."""
        self.names = list(graph.nodes)
        """The graph's names of the nodes ``0 .. V - 1``."""
        if not self.names:
            raise ValueError("the graph has no nodes")
        if radius < 0:
            raise ValueError(f"radius is {radius}; expected at least 0")
        if start is None:
            start = self.names[0]
        if start not in graph:
            raise ValueError(f"start is {start!r}, which is not a node of the graph")
        reached = networkx.descendants(graph, start) | {start}
        if len(reached) < len(self.names):
            missing = [name for name in self.names if name not in reached]
            raise ValueError(
                f"the graph is not connected: {len(missing)} of {len(self.names)} nodes, such as {missing[0]!r}, cannot be "
                f"reached from {start!r}; keep one component, graph.subgraph(networkx.descendants(graph, start) | {{start}})"
            )
        number = {name: index for index, name in enumerate(self.names)}
        neighbours = [[number[other] for other in graph.neighbors(name) if other != name] for name in self.names]
        width = max(map(len, neighbours))
        successors = [[index, *near, *[index] * (width - len(near))] for index, near in enumerate(neighbours)]
        if set_function is None:
            near = networkx.all_pairs_shortest_path_length(graph, cutoff=radius)
            cover = [[number[other] for other in lengths] for _, lengths in near]
            set_function = Coverage(cover, [graph.nodes[name].get("weight", 1.0) for name in self.names])
        super().__init__(
            num_envs,
            successors=np.array(successors),
            features=np.eye(len(self.names)),
            start=number[start],
            set_function=set_function,
            horizon=horizon,
            slip=slip,
            observation=observation,
            vector_reward=vector_reward,
            max_episode_steps=max_episode_steps,
        )

    @property
    def node_names(self) -> list[str]:
        """The graph's own names, as text."""
        return [str(name) for name in self.names]

    @cached_property
    def _places(self) -> Floats:
        return graph_places(self.graph)


def _as_networkx(graph: Any) -> Any:
    """A networkx graph from what describes one; nodes in the order in which they are named."""
    import networkx

    if isinstance(graph, networkx.Graph):
        return graph
    if is_sparse(graph) and graph.ndim == 2 and graph.shape[0] == graph.shape[1]:
        return networkx.from_scipy_sparse_array(graph, create_using=networkx.DiGraph)
    try:
        if isinstance(graph, Mapping):
            made = networkx.DiGraph()
            made.add_nodes_from(graph)
            if any(isinstance(others, str) for others in graph.values()):
                raise ValueError("a name is not a list of names")
            made.add_edges_from((node, other) for node, others in graph.items() for other in others)
            return made
        edges = [(one, other) for one, other in (graph.tolist() if hasattr(graph, "tolist") else graph)]
        return networkx.Graph(edges)
    except (TypeError, ValueError, networkx.NetworkXError):
        raise ValueError(
            f"graph is {str(graph)[:80]!r}; expected a networkx graph, a mapping such as {{'a': ['b'], 'b': ['a']}}, or edges "
            "such as [('a', 'b')]"
        ) from None
