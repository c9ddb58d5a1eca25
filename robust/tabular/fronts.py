"""Robust Pareto fronts of processes with vector rewards, in both orders of scalarising and robustifying."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError, ShapeError
from robust.tabular.ambiguity.base import SARectangular, SRectangular
from robust.tabular.mdp import Array, IntArray, TabularMDP, checked_tolerance, read_numbers
from robust.tabular.robust_planning import check_fits, robust_value_iteration, robust_vector_policy_evaluation


class WeightedFront(NamedTuple):
    """Scalarise, then robustify: the best policy for each weight vector against one worst model of the weighted sum."""

    values: Array
    """Guaranteed weighted sum at the start state, ``(n,)``."""
    policies: IntArray
    """Actions, ``(n, S)``."""
    vectors: Array
    """Each policy's worst value in each objective on its own, ``(n, m)``: a weighted sum of them is at most ``values``."""


class WorstCaseFront(NamedTuple):
    """Robustify, then compare: policies whose worst values in each objective no other policy dominates."""

    values: Array
    """Worst value in each objective on its own at the start state, ``(p, m)``, in descending order of the first."""
    policies: IntArray
    """Actions, ``(p, S)``."""


def weighted_front(
    mdp: TabularMDP, ambiguity: SARectangular, weights: npt.ArrayLike, *, start_state: int = 0, tolerance: float = 1e-10
) -> WeightedFront:
    r"""Best guaranteed weighted sums: :math:`\max_\pi \min_T w \cdot J_T(\pi)` for each :math:`w`.

    Args:
        mdp: A process with vector rewards; its transitions are the nominal model.
        ambiguity: What nature may choose from, sa-rectangular.
        weights: ``(n, m)``.
        start_state: Where values are compared.
        tolerance: Largest error of the values, return units.

    Returns:
        Values, policies and worst values in each objective, one per weight vector.

    Raises:
        ShapeError: ``weights`` has another shape, or the set does not fit the process.
        ConfigurationError: The process has no vector rewards, or ``tolerance`` is not positive.
        CapabilityError: The set is s-rectangular.
    """
    _require_pairs(ambiguity)
    array = read_numbers("weights", weights, "(n, m)").astype(np.float64)
    m = mdp.require_vector_rewards().shape[-1]
    if array.ndim != 2 or array.shape[1] != m:
        raise ShapeError(f"weights has shape {array.shape}: expected (n, {m}), one row per weight vector")
    solved = [robust_value_iteration(mdp.scalarized(w), ambiguity, tolerance=tolerance) for w in array]
    policies = np.array([policy for _, policy in solved]).reshape(len(array), mdp.num_states)
    vectors = [robust_vector_policy_evaluation(mdp, p, ambiguity, tolerance=tolerance)[start_state] for p in policies]
    return WeightedFront(
        values=np.array([values[start_state] for values, _ in solved]),
        policies=policies,
        vectors=np.array(vectors).reshape(len(array), m),
    )


def worst_case_front(
    mdp: TabularMDP,
    ambiguity: SARectangular,
    *,
    start_state: int = 0,
    tolerance: float = 1e-9,
    max_nodes: int = 10_000,
) -> WorstCaseFront:
    r"""All non-dominated :math:`(\min_T J^1_T(\pi), \dots, \min_T J^m_T(\pi))` of stationary deterministic policies.

    Each objective meets a model of its own, so a weighted sum of these vectors is no ordinary robust problem. The front is
    found by branch and bound over the actions of states: the robust optimum of each objective alone, with some states'
    actions fixed, bounds what such policies reach; a branch ends where a policy found already is as good as that in all
    objectives.

    Args:
        mdp: A process with vector rewards; its transitions are the nominal model.
        ambiguity: What nature may choose from, sa-rectangular.
        start_state: Where values are compared.
        tolerance: Points closer than this count as equal, return units.
        max_nodes: Partial policies after which the search is given up.

    Returns:
        The front, exact up to ``tolerance``; of policies with the same values one.

    Raises:
        ShapeError: The set does not fit the process.
        ConfigurationError: The process has no vector rewards, or ``tolerance`` is not positive.
        CapabilityError: The set is s-rectangular, or ``max_nodes`` were not enough.
    """
    _require_pairs(ambiguity)
    checked_tolerance(tolerance)
    check_fits(mdp, ambiguity)
    m, (states, actions) = mdp.require_vector_rewards().shape[-1], mdp.transitions.shape[:2]
    precision = tolerance / 10
    found: list[tuple[Array, IntArray]] = []
    # Fixing an action means that all actions of the state do the same.
    nodes = [np.tile(np.arange(actions), (states, 1))]
    for _ in range(max_nodes):
        if not nodes:
            break
        choice = nodes.pop()
        process, part = _restricted(mdp, choice), ambiguity.at((np.indices(choice.shape)[0], choice))
        rewards = process.require_vector_rewards()
        alone = [robust_value_iteration(process.with_rewards(rewards[..., j]), part, tolerance=precision) for j in range(m)]
        ideal = np.array([values[start_state] for values, _ in alone])
        if any((point >= ideal - tolerance).all() for point, _ in found):
            continue
        best = np.array([choice[np.arange(states), policy] for _, policy in alone])
        for policy in best:
            point = robust_vector_policy_evaluation(mdp, policy, ambiguity, tolerance=precision)[start_state]
            if not any((other >= point - tolerance).all() for other, _ in found):
                found = [(other, p) for other, p in found if not (point >= other - tolerance).all()] + [(point, policy)]
        if any((point >= ideal - tolerance).all() for point, _ in found):
            continue
        free = (choice != choice[:, :1]).any(axis=1)
        # Where the objectives disagree is where a decision says most; if nowhere, the ideal would have been reached.
        disagree = free & (best != best[0]).any(axis=0)
        state = int(np.flatnonzero(disagree if disagree.any() else free)[0])
        for action in range(actions):
            fixed = choice.copy()
            fixed[state] = action
            nodes.append(fixed)
    if nodes:
        raise CapabilityError(
            f"worst_case_front gave up after {max_nodes} partial policies; raise max_nodes, or scalarise first (weighted_front)"
        )
    found.sort(key=lambda entry: tuple(-entry[0]))
    return WorstCaseFront(values=np.array([point for point, _ in found]), policies=np.array([policy for _, policy in found]))


def _require_pairs(ambiguity: SARectangular | SRectangular) -> None:
    """Refuse sets whose policies are action probabilities."""
    if ambiguity.rectangularity != "sa":
        raise CapabilityError(
            f"{type(ambiguity).__name__} is s-rectangular, where policies are stochastic; use an sa-rectangular set such as L1"
        )


def _restricted(mdp: TabularMDP, choice: IntArray) -> TabularMDP:
    """The process in which action ``a`` of state ``s`` does what ``choice[s, a]`` does."""
    index = (np.indices(choice.shape)[0], choice)
    return TabularMDP(
        mdp.transitions[index],
        mdp.rewards[index],
        mdp.gamma,
        successors=None if mdp.successors is None else mdp.successors[index],
        vector_rewards=None if mdp.vector_rewards is None else mdp.vector_rewards[index],
    )
