"""Arms on the nodes of a graph, visited on one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from envs.arguments import whole
from envs.arrays import Flags, Integers
from envs.cormab.constraints.base import Actions, DownwardClosed, integers
from envs.cormab.constraints.rows import LinearRows, RowBuilder

_MOST_EXACT = 16  # stops above which the table of sub-tours would not fit
_TABLE = 1 << 22
_LONGEST_WALK = 64  # times the number of nodes; two see all of them


@dataclass(frozen=True, eq=False)
class Path(DownwardClosed):
    """The arms that are pulled lie on one closed walk from the source, of at most ``max_edges`` edges.

    The walk may pass a node several times and may visit nodes that are not pulled. At most ``budget`` arms are pulled.
    """

    num_nodes: int
    """Number of nodes, each with one arm, ``J``."""
    edges: Integers
    """Undirected edges, ``(E, 2)``, as pairs of nodes from 0."""
    source: int
    """Where the walk begins and ends."""
    budget: int
    """Most arms that may be pulled."""
    max_edges: int
    """Most edges of the walk."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_nodes", whole("num_nodes", self.num_nodes, least=1))
        object.__setattr__(self, "source", whole("source", self.source, least=0, most=self.num_nodes - 1))
        object.__setattr__(self, "budget", whole("budget", self.budget, least=0))
        object.__setattr__(self, "max_edges", whole("max_edges", self.max_edges, least=0))
        edges = integers("edges", np.asarray(self.edges).reshape(-1, 2), (None, 2), least=0)
        if edges.size and edges.max() >= self.num_nodes:
            raise ValueError(f"edges names the node {edges.max()}; expected nodes from 0 to {self.num_nodes - 1}")
        object.__setattr__(self, "edges", edges)

    @classmethod
    def from_graph(cls, graph: Any, source: Any = None, *, budget: int, max_edges: int) -> Self:
        """Take the graph of another library.

        Args:
            graph: An undirected ``networkx.Graph``; arm ``j`` is the ``j``-th of ``graph.nodes``. Attributes are ignored.
            source: A node of it; None for the first one.
            budget: Most arms that may be pulled.
            max_edges: Most edges of the walk.

        Raises:
            ValueError: It is not such a graph, or directed, or ``source`` is not in it.
        """
        if not hasattr(graph, "is_directed"):
            raise ValueError(f"graph is a {type(graph).__name__}; expected a networkx.Graph: networkx.Graph(edges) makes one")
        if graph.is_directed():
            raise ValueError("graph is directed; a round trip needs an undirected one: pass graph.to_undirected()")
        number = {node: index for index, node in enumerate(graph.nodes)}
        if not number:
            raise ValueError("graph has no nodes; expected at least one")
        first = next(iter(number)) if source is None else source
        if first not in number:
            raise ValueError(f"source {source!r} is not a node of the graph")
        edges = np.array([(number[one], number[other]) for one, other in graph.edges()], np.int64).reshape(-1, 2)
        return cls(len(number), edges, number[first], budget, max_edges)

    @property
    def num_actions(self) -> int:
        """Number of nodes, ``J``."""
        return self.num_nodes

    @cached_property
    def _adjacent(self) -> Flags:
        adjacent = np.zeros((self.num_nodes, self.num_nodes), np.bool_)
        adjacent[self.edges[:, 0], self.edges[:, 1]] = True
        adjacent |= adjacent.T
        # An edge from a node to itself leads nowhere. Waiting is only allowed at the source: shorter walks are walks too.
        np.fill_diagonal(adjacent, False)
        return adjacent

    @cached_property
    def distances(self) -> Integers:
        """Edges on a shortest way between any two nodes, ``(J, J)``; ``max_edges + 1`` if there are more than that."""
        far = self.max_edges + 1
        distance = np.where(self._adjacent, 1, far)
        np.fill_diagonal(distance, 0)
        for middle in range(self.num_nodes):
            np.minimum(distance, distance[:, middle, None] + distance[middle], out=distance)
        np.minimum(distance, far, out=distance)
        return distance

    def rows(self) -> LinearRows:
        """Directed edges of the round trip, and a flow along them that brings one unit to each arm that is pulled.

        Some closed walk of at most ``max_edges`` edges visits given nodes exactly if there are as many directed edges, each at
        most once, that leave every node as often as they enter it and connect the given nodes to the source: a shortest closed
        walk passes no edge three times, and where it passes an edge twice it may as well go there and back. A cycle apart
        from the source, which would cost nothing in a model that only balances the steps, is reached by no flow. Only edges by
        which the source can be left and reached again in time are there.
        """
        return self._rows

    @cached_property
    def _rows(self) -> LinearRows:
        # More than there are nodes, and longer than a walk that sees all of them, says no more.
        budget, max_edges = min(self.budget, self.num_nodes), min(self.max_edges, 2 * self.num_nodes)
        builder = RowBuilder(self.num_nodes)
        nodes, source, home = np.arange(self.num_nodes), self.source, self.distances[self.source]
        others = nodes[nodes != source]
        start, end = np.nonzero(self._adjacent & (home[:, None] + 1 + home <= self.max_edges))
        used = builder.variables(np.ones(start.size), integer=True)
        onward = end != source
        flow = builder.variables(np.full(onward.sum(), budget), integer=False)
        builder.entries(builder.rows(-np.inf, budget, 1), nodes, 1.0)
        builder.entries(builder.rows(-np.inf, max_edges, 1), used, 1.0)
        balance = builder.rows(0.0, 0.0, self.num_nodes)
        builder.entries(balance[start], used, -1.0)
        builder.entries(balance[end], used, 1.0)
        entered, delivered = np.full((2, self.num_nodes), -1)
        entered[others] = builder.rows(-np.inf, 0.0, others.size)
        delivered[others] = builder.rows(0.0, 0.0, others.size)
        builder.entries(entered[others], others, 1.0)
        builder.entries(entered[end[onward]], used[onward], -1.0)
        builder.entries(delivered[others], others, -1.0)
        builder.entries(delivered[end[onward]], flow, 1.0)
        inner = start[onward] != source
        builder.entries(delivered[start[onward][inner]], flow[inner], -1.0)
        along = builder.rows(-np.inf, 0.0, flow.size)
        builder.entries(along, flow, 1.0)
        builder.entries(along, used[onward], -float(budget))
        return builder.build()

    def _contains(self, actions: Actions) -> Flags:
        within: Flags = np.count_nonzero(actions, axis=1) <= self.budget
        within &= (2 * np.where(actions, self.distances[self.source], 0)).max(axis=1) <= self.max_edges
        stops = actions.copy()
        stops[:, self.source] = False
        open_rows = np.flatnonzero(within)
        short = self._nearest_first(stops[open_rows]) <= self.max_edges
        open_rows = open_rows[~short]
        if open_rows.size:
            asked, place = np.unique(stops[open_rows], axis=0, return_inverse=True)
            within[open_rows] = self._exact(asked)[place.reshape(-1)]
        return within

    def _assignment(self, action: Flags) -> list[dict[str, int]]:
        """The nodes of a round trip in order, and whether an arm is pulled there, 0 or 1, on the first visit."""
        left = action.copy()
        steps = []
        for step, node in enumerate(self._round_trip(action)):
            steps.append({"step": step, "node": node, "pulled": int(left[node])})
            left[node] = False
        return steps

    def _round_trip(self, action: Flags) -> list[int]:
        """Nodes of a closed walk of at most ``max_edges`` edges that visits a feasible action's."""
        stops = action.copy()
        stops[self.source] = False
        walk = [self.source]
        if self._nearest_first(stops[None])[0] <= self.max_edges:
            while stops.any():
                self._go(walk, int(np.where(stops, self.distances[walk[-1]], self.max_edges + 2).argmin()))
                stops[walk] = False
            self._go(walk, self.source)
            return walk
        rows = self.rows()
        values = rows.complete(action)
        if values is None:
            raise RuntimeError("Path: no round trip for a feasible action; please report this")
        # The used edges form circuits that meet each other; the walk takes them one inside the other.
        home = self.distances[self.source]
        start, end = np.nonzero(self._adjacent & (home[:, None] + 1 + home <= self.max_edges))
        onward: dict[int, list[int]] = {}
        for edge in np.flatnonzero(values[: start.size] > 0.5):
            onward.setdefault(int(start[edge]), []).append(int(end[edge]))
        walk = []
        stack = [self.source]
        while stack:
            if onward.get(stack[-1]):
                stack.append(onward[stack[-1]].pop())
            else:
                walk.append(stack.pop())
        return walk[::-1]

    def _go(self, walk: list[int], target: int) -> None:
        """Continue a walk to a node on a shortest way."""
        while walk[-1] != target:
            nearer = self._adjacent[walk[-1]] & (self.distances[target] == self.distances[target, walk[-1]] - 1)
            walk.append(int(nearer.argmax()))

    def _nearest_first(self, stops: Actions) -> Integers:
        """Length of the round trip that always goes to the nearest stop next, ``(B,)``."""
        far = self.max_edges + 1
        left = stops.copy()
        here = np.full(len(stops), self.source)
        length = np.zeros(len(stops), np.int64)
        each = np.arange(len(stops))
        for _ in range(int(np.count_nonzero(stops, axis=1).max(initial=0))):
            ways = np.where(left, self.distances[here], far)
            going = left.any(axis=1)
            following = np.where(going, ways.argmin(axis=1), here)
            length += self.distances[here, following]
            left[each, following] = False
            here = following
        length += self.distances[here, self.source]
        return length

    def _exact(self, stops: Actions) -> Flags:
        """Whether the shortest round trip is short enough, ``(B,)``: dynamic programming over sets of stops."""
        answers = np.zeros(len(stops), np.bool_)
        sizes = np.count_nonzero(stops, axis=1)
        for size in np.unique(sizes):
            rows = np.flatnonzero(sizes == size)
            if size > _MOST_EXACT:
                null = np.zeros(self.num_nodes)
                answers[rows] = [self.rows().solve(null, fixed=stops[row]) is not None for row in rows]
                continue
            block = max(1, _TABLE // max(1, int(size) << int(size)))
            for first in range(0, rows.size, block):
                part = rows[first : first + block]
                nodes = np.nonzero(stops[part])[1].reshape(part.size, int(size))
                answers[part] = self._shortest(nodes) <= self.max_edges
        return answers

    def _shortest(self, nodes: Integers) -> Integers:
        """Shortest round trip through the same number of nodes in each row, ``(B, k) -> (B,)``."""
        count, size = nodes.shape
        between = self.distances[nodes[:, :, None], nodes[:, None, :]]
        home = self.distances[self.source][nodes]
        best = np.full((count, 1 << size, size), 4 * self.max_edges + 4, np.int64)
        for last in range(size):
            best[:, 1 << last, last] = home[:, last]
        sets = np.arange(1 << size)
        members = ((sets[:, None] >> np.arange(size)) & 1).sum(1)
        for number in range(2, size + 1):
            of_size = sets[members == number]
            for last in range(size):
                holding = of_size[(of_size >> last) & 1 == 1]
                # The set without its last stop, plus the way from wherever that ended.
                best[:, holding, last] = (best[:, holding ^ (1 << last)] + between[:, None, :, last]).min(axis=2)
        shortest: Integers = (best[:, -1] + home).min(axis=1)
        return shortest

    def sample_large(self, rng: np.random.Generator, size: int) -> Actions:
        """Nodes of a random closed walk, that turns back in time; of more than the budget a random part."""
        home = self.distances[self.source]
        moves = self._adjacent.copy()
        moves[self.source, self.source] = True
        here = np.full(size, self.source)
        visited = np.zeros((size, self.num_nodes), np.bool_)
        visited[:, self.source] = True
        each = np.arange(size)
        # Each walk prefers new nodes more or less, never so much that a way becomes impossible.
        eager = rng.random((size, 1))
        steps = min(self.max_edges, _LONGEST_WALK * self.num_nodes)
        for step in range(steps):
            allowed = moves[here] & (home <= steps - 1 - step)
            score = rng.random((size, self.num_nodes)) + eager * ~visited
            here = np.where(allowed, score, -1.0).argmax(axis=1)
            visited[each, here] = True
        order = np.argsort(np.where(visited, rng.random((size, self.num_nodes)), 2.0), axis=1)
        chosen = np.zeros_like(visited)
        np.put_along_axis(chosen, order[:, : self.budget], True, axis=1)
        return chosen & visited
