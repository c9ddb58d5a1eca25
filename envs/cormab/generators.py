"""Random instances with the published distributions, one function per kind of constraint.

The same ``seed`` gives the same arms in the four kinds where each arm has an action of its own.

.. [Xu2025] L. Xu, B. Wilder, E. Khalil, M. Tambe. Reinforcement learning with combinatorial actions for coupled restless
   bandits. ICLR 2025. arXiv:2503.01919.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arguments import whole
from envs.arrays import Flags, Floats, Integers
from envs.cormab.constraints import Budget, Capacity, Constraint, ExactCount, Path, Scheduling
from envs.cormab.graphs import underground
from envs.cormab.instance import Instance

_STATES = 4
_SLOTS, _ARM_SLOTS, _WORKER_SLOTS = 5, 2, 3
_LINKED = 3  # arms that one intervention reaches
_WEIGHT = 3.0  # what a linked intervention adds to an arm's score
_MOST_ARMS = 100_000
"""Of a generated instance; larger ones can be given."""
_MOST_NODES = 2_000
"""Of a generated graph, all pairs of whose nodes are compared; larger ones can be given."""


def up_down(up: npt.ArrayLike) -> Floats:
    """Transitions of arms that move one state up or down.

    Args:
        up: Probability of moving up, ``(J, L)``; arms stay where they are at the ends.

    Returns:
        ``(J, L, 4, 4)``.
    """
    states = np.arange(_STATES)
    higher = np.eye(_STATES)[np.minimum(states + 1, _STATES - 1)]
    lower = np.eye(_STATES)[np.maximum(states - 1, 0)]
    p = np.asarray(up, np.float64)[..., None, None]
    return p * higher + (1.0 - p) * lower


def _streams(seed: int, num_arms: int, budget: int) -> list[np.random.Generator]:
    whole("num_arms", num_arms, least=1, most=_MOST_ARMS)
    if not 0 <= budget <= num_arms:
        raise ValueError(f"budget is {budget} for {num_arms} arms; expected 0 to num_arms")
    whole("budget", budget, least=0)
    whole("instance_seed", seed, least=0)
    # Arms, constraint and order come from streams of their own.
    return [np.random.default_rng([seed, stream]) for stream in range(3)]


def _arm_rewards(rng: np.random.Generator, num_arms: int, good: int) -> Floats:
    """Pay by state: the good arms pay less and less on the way to a large reward, so a greedy policy passes them by."""
    is_good = np.arange(num_arms) < good
    way = np.where(is_good[:, None], [0.2, 0.15, 0.1], [0.1, 0.15, 0.2])
    top = np.where(is_good, rng.integers(4, 7, num_arms), rng.integers(1, 4, num_arms))
    return np.concatenate([way, top[:, None]], axis=1)


def _order(rng: np.random.Generator, num_arms: int, paper_order: bool) -> Integers:
    """Arms in random order, so that an arm's number does not give away how good it is."""
    return np.arange(num_arms) if paper_order else rng.permutation(num_arms)


def _one_action_per_arm(
    constraint: Constraint,
    rng_arms: np.random.Generator,
    rng_order: np.random.Generator,
    good: int,
    paper_order: bool,
    action_costs: Integers | None = None,
) -> Instance:
    size = constraint.num_actions
    up = np.stack([rng_arms.uniform(0.0, 0.2, size), rng_arms.uniform(0.7, 0.9, size)], axis=1)
    rewards = _arm_rewards(rng_arms, size, good)
    order = _order(rng_order, size, paper_order)
    return Instance(
        transitions=up_down(up)[order],
        rewards=rewards[order],
        constraint=constraint,
        groups=(order >= good).astype(np.int64),
        action_costs=None if action_costs is None else action_costs.astype(np.float64),
    )


def budget_instance(*, num_arms: int = 20, budget: int = 5, seed: int = 0, paper_order: bool = False) -> Instance:
    """At most ``budget`` arms are pulled.

    Args:
        num_arms: ``J``.
        budget: Most arms pulled; as many arms are good ones.
        seed: Of the instance.
        paper_order: Put the good arms first, as published, instead of in random order.
    """
    arms, _, order = _streams(seed, num_arms, budget)
    return _one_action_per_arm(Budget(num_arms, budget), arms, order, budget, paper_order)


def capacity_instance(*, num_arms: int = 20, budget: int = 5, seed: int = 0, paper_order: bool = False) -> Instance:
    """Arms with costs 2 to 6 are shared out to ``budget`` workers with capacities 2 to 7.

    Args:
        num_arms: ``J``.
        budget: Number of workers; as many arms are good ones.
        seed: Of the instance.
        paper_order: Put the good arms first, as published, instead of in random order.
    """
    arms, rng, order = _streams(seed, num_arms, budget)
    constraint = Capacity(rng.integers(2, 7, num_arms), rng.integers(2, 8, budget))
    return _one_action_per_arm(constraint, arms, order, budget, paper_order, constraint.costs)


def scheduling_instance(
    *, num_arms: int = 20, budget: int = 5, distinct_workers: bool = True, seed: int = 0, paper_order: bool = False
) -> Instance:
    """Each pulled arm is visited twice, by ``budget`` workers, in 5 slots of which an arm has 2 free and a worker 3.

    Arms tend to be free late and workers early.

    Args:
        num_arms: ``J``.
        budget: Number of workers and most arms pulled; as many arms are good ones.
        distinct_workers: Whether the two visits to an arm are made by two workers.
        seed: Of the instance.
        paper_order: Put the good arms first, as published, instead of in random order.
    """
    arms, rng, order = _streams(seed, num_arms, budget)
    late, early = np.sort(rng.random(_SLOTS)), np.sort(rng.random(_SLOTS))[::-1]
    constraint = Scheduling(
        _free_slots(rng, late, num_arms, _ARM_SLOTS), _free_slots(rng, early, budget, _WORKER_SLOTS), budget, distinct_workers
    )
    return _one_action_per_arm(constraint, arms, order, budget, paper_order)


def _free_slots(rng: np.random.Generator, weights: Floats, rows: int, count: int) -> Flags:
    """Draw ``count`` slots for each row, without replacement and with these weights."""
    free = np.zeros((rows, _SLOTS), np.bool_)
    for row in range(rows):
        free[row, rng.choice(_SLOTS, count, replace=False, p=weights / weights.sum())] = True
    return free


def path_instance(
    *,
    num_arms: int = 20,
    budget: int = 5,
    graph: Any = None,
    source: Any = None,
    max_edges: int | None = None,
    seed: int = 0,
    paper_order: bool = False,
) -> Instance:
    """Arms on the nodes of a graph; those that are pulled lie on one round trip.

    Args:
        num_arms: ``J``; that of ``graph`` if one is given.
        budget: Most arms pulled; as many arms are good ones.
        graph: An undirected ``networkx.Graph``; None for a generated one (:func:`envs.cormab.graphs.underground`).
        source: Where round trips begin, a node of ``graph``; None for its first node, or a random one of a generated graph.
        max_edges: Most edges of the round trip; None for twice the budget.
        seed: Of the instance, the generated graph included.
        paper_order: Put the good arms first, as published, instead of in random order.
    """
    if graph is not None:
        num_arms = len(graph)
    elif source is not None:
        raise ValueError("source is a node of your own graph; give graph as well")
    arms, rng, order = _streams(seed, num_arms, budget)
    longest = 2 * budget if max_edges is None else max_edges
    if graph is None:
        edges = underground(whole("num_arms of a generated graph", num_arms, least=1, most=_MOST_NODES), rng)
        constraint = Path(num_arms, edges, int(rng.integers(num_arms)), budget, longest)
    else:
        constraint = Path.from_graph(graph, source, budget=budget, max_edges=longest)
    return _one_action_per_arm(constraint, arms, order, budget, paper_order)


def interventions_instance(
    *, num_arms: int = 20, budget: int = 5, num_interventions: int = 10, seed: int = 0, paper_order: bool = False
) -> Instance:
    r"""Exactly ``budget`` interventions are chosen, each of which reaches several arms.

    An arm with :math:`l` of its interventions chosen moves up with probability

    .. math:: 0.98 \Big( \frac{A}{1 + e^{-(3 b l - x)}} - \frac{A}{1 + e^{x}} \Big) + 0.01 .

    Some arms respond only once two or three of their interventions are chosen together, the others to the first but weakly.
    Where there are too few arms for every group of interventions to have arms of its own, groups share arms; the published
    generator stops with an error.

    Args:
        num_arms: ``J``.
        budget: Number of interventions chosen, below ``num_interventions``; as many arms pay well.
        num_interventions: ``N``.
        seed: Of the instance.
        paper_order: Put the arms that pay well first, as published, instead of in random order.
    """
    if not 0 <= budget < num_interventions:
        raise ValueError(f"budget is {budget} for {num_interventions} interventions; expected 0 to num_interventions - 1")
    whole("num_interventions", num_interventions, least=1)
    rng_arms, rng, rng_order = _streams(seed, num_arms, min(budget, num_arms))
    rewards = _arm_rewards(rng_arms, num_arms, budget)
    first = math.ceil(num_arms * budget / num_interventions)
    strong = np.arange(num_arms) >= first
    height = np.where(strong, rng.uniform(0.7, 1.0, num_arms), rng.uniform(0.2, 0.5, num_arms)).round(1)
    slope = np.where(strong, rng.uniform(1.4, 1.9, num_arms).round(1), 1.0)
    shift = np.where(strong, rng.integers(9, 11, num_arms), rng.integers(1, 3, num_arms))
    link = np.zeros((num_arms, num_interventions), np.int64)
    chosen = rng.permutation(num_interventions)
    _link(link, chosen[:budget], np.flatnonzero(strong), rng)
    _link(link, chosen[budget:], np.flatnonzero(~strong), rng)
    score = _WEIGHT * np.arange(link.sum(1).max() + 1)
    up = response(score, height[:, None], slope[:, None], shift[:, None])
    order = _order(rng_order, num_arms, paper_order)
    return Instance(
        transitions=up_down(up)[order],
        rewards=rewards[order],
        constraint=ExactCount(num_interventions, budget),
        link=link[order],
        groups=(order >= budget).astype(np.int64),
    )


def response(score: npt.ArrayLike, height: npt.ArrayLike, slope: npt.ArrayLike, shift: npt.ArrayLike) -> Floats:
    """Probability of moving up for the score of the chosen interventions; the arguments broadcast. 0.01 for score 0."""
    v, a, b, x = (np.asarray(part, np.float64) for part in (score, height, slope, shift))
    return 0.98 * (a / (1.0 + np.exp(x - b * v)) - a / (1.0 + np.exp(x))) + 0.01


def _link(link: Integers, chosen: Integers, arms: Integers, rng: np.random.Generator) -> None:
    """Let groups of three interventions reach the same three arms, and each one left over three of its own."""
    whole = len(chosen) - len(chosen) % 3
    for group in [*chosen[:whole].reshape(-1, 3), *chosen[whole:, None]]:
        # Arms that few interventions reach come first, in random order: unused ones as long as there are any.
        drawn = rng.permutation(arms)
        drawn = drawn[np.argsort(link[drawn].sum(1), kind="stable")][:_LINKED]
        link[np.ix_(drawn, group)] = 1
