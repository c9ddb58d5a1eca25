"""Robust planning: the best policy against the worst transitions of an ambiguity set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from morl.errors import CapabilityError
from robust.tabular.ambiguity.base import Index, PairByPair, SARectangular, SRectangular
from robust.tabular.fixed_point import Array, Chain, Choice, IntArray, fixed_point
from robust.tabular.mdp import TabularMDP, checked_policy, checked_tolerance
from robust.tabular.ties import first_best


@overload
def robust_value_iteration(
    mdp: TabularMDP, ambiguity: SARectangular, *, tolerance: float = ..., optimistic: bool = ...
) -> tuple[Array, IntArray]: ...
@overload
def robust_value_iteration(
    mdp: TabularMDP, ambiguity: SRectangular, *, tolerance: float = ..., optimistic: bool = ...
) -> tuple[Array, Array]: ...
def robust_value_iteration(
    mdp: TabularMDP, ambiguity: SARectangular | SRectangular, *, tolerance: float = 1e-10, optimistic: bool = False
) -> tuple[Array, Any]:
    r"""Robust values and a policy that attains them.

    .. math:: V(s) = \max_a \min_{p \in \mathcal P(s, a)} \sum_{s'} p(s') \big(r(s, a, s') + \gamma V(s')\big)

    With an s-rectangular set the maximum is over action probabilities and the minimum over the distributions of all
    actions of a state.

    Args:
        mdp: The process; its transitions are the nominal model.
        ambiguity: What nature may choose from, such as :class:`robust.tabular.L1`.
        tolerance: Largest error of the values in the maximum norm, return units.
        optimistic: Let nature help instead: an upper bound on what any model of the set allows. Only sa-rectangular.

    Returns:
        Values ``(S,)`` and the policy: actions ``(S,)`` for sa-rectangular sets (among equals the lowest index), action
        probabilities ``(S, A)`` for s-rectangular ones.

    Raises:
        ShapeError: The set does not fit the process.
        ConfigurationError: ``tolerance`` is not positive.
        CapabilityError: ``optimistic`` with an s-rectangular set.

    Source:
        Iyengar 2005, theorem 3.2; Wiesemann, Kuhn, Rustem 2013. Deviations: see ``fixed_point``.

    Example:
        >>> from robust.tabular import L1
        >>> mdp = TabularMDP([[[0.5, 0.5]]], [[[1.0, 2.0]]], 0.9, successors=[[[0, 0]]])
        >>> [float(robust_value_iteration(mdp, L1(b))[0][0].round(6)) for b in (0.0, 0.5, 1.0)]
        [15.0, 12.5, 10.0]
    """
    checked_tolerance(tolerance)
    check_fits(mdp, ambiguity)
    if ambiguity.rectangularity == "s":
        if optimistic:
            raise CapabilityError(
                f"optimistic=True with {type(ambiguity).__name__}: nature would spend the whole budget on one action; "
                "use the sa-rectangular set of the same radius, which gives the same values"
            )
        s_set = ambiguity

        def s_sweep(v: Array) -> tuple[Array, tuple[Array, Array]]:
            swept, policy, transitions = s_set.maximin(_full_outcomes(mdp, v), mdp.transitions)
            return swept, (policy, transitions)

        values, (policy, _) = _solved(mdp, s_sweep, lambda _, choice: chain_of(mdp, *choice), tolerance)
        return values, policy
    sa_set: SARectangular = _Optimistic(ambiguity) if optimistic else ambiguity

    def sweep(v: Array) -> tuple[Array, IntArray]:
        worth = action_values(mdp, sa_set, v)
        actions = worth.argmax(axis=1)
        return worth[np.arange(len(worth)), actions], actions

    values, _ = _solved(mdp, sweep, lambda v, actions: _worst_chain(mdp, sa_set, v, actions), tolerance)
    return values, first_best(action_values(mdp, sa_set, values), slack=tolerance)


def robust_policy_evaluation(
    mdp: TabularMDP, policy: npt.ArrayLike, ambiguity: SARectangular | SRectangular, *, tolerance: float = 1e-10
) -> Array:
    """Value of a policy against the worst transitions of an ambiguity set.

    Args:
        mdp: The process; its transitions are the nominal model.
        policy: Actions ``(S,)``, or action probabilities ``(S, A)``.
        ambiguity: What nature may choose from.
        tolerance: Largest error of the values in the maximum norm, return units.

    Returns:
        Values ``(S,)``, return units.

    Raises:
        ShapeError: The set or the policy does not fit the process.
        ConfigurationError: ``policy`` is no policy of the process, or ``tolerance`` is not positive.

    Source:
        Iyengar 2005, lemma 3.3: for a stationary policy it makes no difference whether nature chooses once or anew at
        every step. Deviations: none.
    """
    return _evaluate(mdp, _checked(mdp, policy, ambiguity, tolerance), ambiguity, tolerance)


def robust_vector_policy_evaluation(
    mdp: TabularMDP, policy: npt.ArrayLike, ambiguity: SARectangular | SRectangular, *, tolerance: float = 1e-10
) -> Array:
    """Worst value of a policy in each objective on its own: robustify, then scalarise.

    Each objective meets its own worst transitions, so a weighted sum of the result is at most the worst weighted sum
    (``robust_policy_evaluation(mdp.scalarized(weights), ...)``: scalarise, then robustify).

    Args:
        mdp: A process with vector rewards; its transitions are the nominal model.
        policy: Actions ``(S,)``, or action probabilities ``(S, A)``.
        ambiguity: What nature may choose from.
        tolerance: Largest error of the values in the maximum norm, return units.

    Returns:
        Values ``(S, m)``, return units.

    Raises:
        ShapeError: The set or the policy does not fit the process.
        ConfigurationError: The process has no vector rewards, ``policy`` is no policy of it, or ``tolerance`` is not
            positive.
    """
    checked, vectors = _checked(mdp, policy, ambiguity, tolerance), mdp.require_vector_rewards()
    columns = [_evaluate(mdp.with_rewards(vectors[..., j]), checked, ambiguity, tolerance) for j in range(vectors.shape[-1])]
    return np.stack(columns, axis=-1)


def worst_case(
    mdp: TabularMDP, policy: npt.ArrayLike, ambiguity: SARectangular | SRectangular, *, tolerance: float = 1e-10
) -> TabularMDP:
    """The process with the transitions of the set that are worst for a policy.

    Args:
        mdp: The process; its transitions are the nominal model.
        policy: Actions ``(S,)``, or action probabilities ``(S, A)``.
        ambiguity: What nature may choose from.
        tolerance: Largest error of the values that decide what is worst, return units.

    Returns:
        A process in which the policy's ordinary value is its robust value. Actions that the policy never takes keep the
        nominal model if the policy is given as actions.

    Raises:
        ShapeError: The set or the policy does not fit the process.
        ConfigurationError: ``policy`` is no policy of the process, or ``tolerance`` is not positive.
    """
    checked = _checked(mdp, policy, ambiguity, tolerance)
    values = _evaluate(mdp, checked, ambiguity, tolerance)
    if ambiguity.rectangularity == "s":
        probabilities = _as_probabilities(checked, mdp.num_actions)
        return mdp.with_transitions(ambiguity.response(_full_outcomes(mdp, values), mdp.transitions, probabilities))
    if checked.ndim == 2:
        return mdp.with_transitions(ambiguity.worst_distribution(outcomes(mdp, values)[0], mdp.transitions))
    index = (np.arange(mdp.num_states), checked)
    transitions = mdp.transitions.copy()
    transitions[index] = ambiguity.at(index).worst_distribution(outcomes(mdp, values, index)[0], mdp.transitions[index])
    return mdp.with_transitions(transitions)


def check_fits(mdp: TabularMDP, ambiguity: SARectangular | SRectangular) -> None:
    """Refuse a set that does not fit a process.

    Raises:
        ShapeError: Its arrays have other shapes.
        ConfigurationError: It does not hold the nominal model.
        CapabilityError: It lets nature move to states that the process does not list.
    """
    ambiguity.check(mdp.transitions)
    reaches_all = getattr(ambiguity, "support", None) == "simplex" and getattr(ambiguity, "radius", None)
    if reaches_all and mdp.is_sparse and mdp.successors is not None:
        name = type(ambiguity).__name__
        raise CapabilityError(
            f"{name}(support='simplex') lets nature move to any state, but a process from sparse matrices lists only those "
            f"with a probability; use {name}(..., support='nominal'), or dense transitions (S, A, S)"
        )


def _checked(
    mdp: TabularMDP, policy: npt.ArrayLike, ambiguity: SARectangular | SRectangular, tolerance: float
) -> npt.NDArray[Any]:
    """A policy to be evaluated, once the set and the tolerance are known to be usable too."""
    check_fits(mdp, ambiguity)
    checked_tolerance(tolerance)
    return checked_policy(mdp, policy)


def outcomes(mdp: TabularMDP, values: Array, index: Index = ...) -> tuple[Array, Array]:
    """What each outcome of some state-action pairs is worth.

    Args:
        mdp: The process.
        values: Values of the states, ``(S,)``.
        index: Which pairs; all by default.

    Returns:
        Worth ``(..., b)``, or ``(S,)`` where all pairs share it, and what the pair itself adds, ``(...)``.
    """
    ahead = mdp.gamma * (values if mdp.successors is None else values[mdp.successors[index]])
    rewards = mdp.rewards[index]
    if mdp.rewards.ndim == 3:
        return rewards + ahead, np.zeros(rewards.shape[:-1])
    return ahead, rewards


def chain_of(mdp: TabularMDP, policy: npt.NDArray[Any], transitions: Array) -> Chain:
    """The Markov chain of a policy.

    Args:
        mdp: Its rewards, and where the outcomes lead.
        policy: Actions ``(S,)``, or action probabilities ``(S, A)``.
        transitions: Probabilities of all pairs ``(S, A, b)``, or of those that the actions choose ``(S, b)``.

    Returns:
        The chain.
    """
    per_outcome = mdp.rewards.ndim == 3
    if policy.ndim == 1:
        index = (np.arange(len(policy)), policy)
        rows = transitions if transitions.ndim == 2 else transitions[index]
        expected = np.einsum("sb,sb->s", rows, mdp.rewards[index]) if per_outcome else mdp.rewards[index]
        return Chain(rows, expected, None if mdp.successors is None else mdp.successors[index])
    rewards = np.einsum("sab,sab->sa", transitions, mdp.rewards) if per_outcome else mdp.rewards
    expected = np.einsum("sa,sa->s", policy, rewards)
    if mdp.successors is None:
        return Chain(np.einsum("sa,sab->sb", policy, transitions), expected, None)
    flat = (len(policy), -1)
    return Chain((policy[..., None] * transitions).reshape(flat), expected, mdp.successors.reshape(flat))


@dataclass(frozen=True)
class _Optimistic(PairByPair):
    """The same set with nature on our side; what fits that fits this."""

    ambiguity: SARectangular

    def at(self, index: Index) -> _Optimistic:
        return _Optimistic(self.ambiguity.at(index))

    def worst_value(self, outcomes: Array, nominal: Array) -> Array:
        return -self.ambiguity.worst_value(-outcomes, nominal)

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        return self.ambiguity.worst_distribution(-outcomes, nominal)


def action_values(mdp: TabularMDP, ambiguity: SARectangular, values: Array) -> Array:
    """Robust action values, ``(S, A)``."""
    worth, offset = outcomes(mdp, values)
    return offset + ambiguity.worst_value(worth, mdp.transitions)


def _solved(
    mdp: TabularMDP,
    sweep: Callable[[Array], tuple[Array, Choice]],
    chain: Callable[[Array, Choice], Chain],
    tolerance: float,
) -> tuple[Array, Choice]:
    """The fixed point of a process, from below."""
    start = np.full(mdp.num_states, mdp.rewards.min() / (1 - mdp.gamma))
    return fixed_point(sweep, chain, start=start, gamma=mdp.gamma, tolerance=tolerance)


def _worst_chain(mdp: TabularMDP, ambiguity: SARectangular, values: Array, policy: npt.NDArray[Any]) -> Chain:
    """The chain of a policy with nature's answer to some values."""
    index: Index = (np.arange(mdp.num_states), policy) if policy.ndim == 1 else ...
    rows = ambiguity.at(index).worst_distribution(outcomes(mdp, values, index)[0], mdp.transitions[index])
    return chain_of(mdp, policy, rows)


def _full_outcomes(mdp: TabularMDP, values: Array) -> Array:
    """Worth of all outcomes with the pair's own reward, ``(S, A, b)``."""
    worth, offset = outcomes(mdp, values)
    return np.broadcast_to(worth, mdp.transitions.shape) + offset[..., None]


def _as_probabilities(policy: npt.NDArray[Any], num_actions: int) -> Array:
    """A policy as action probabilities, ``(S, A)``."""
    return np.eye(num_actions)[policy] if policy.ndim == 1 else policy


def _evaluate(mdp: TabularMDP, policy: npt.NDArray[Any], ambiguity: SARectangular | SRectangular, tolerance: float) -> Array:
    """Robust values ``(S,)`` of a checked policy."""
    if ambiguity.rectangularity == "s":
        s_set, probabilities = ambiguity, _as_probabilities(policy, mdp.num_actions)

        def s_sweep(v: Array) -> tuple[Array, Array]:
            worth = _full_outcomes(mdp, v)
            rows = s_set.response(worth, mdp.transitions, probabilities)
            return np.einsum("sa,sab,sab->s", probabilities, rows, worth), rows

        return _solved(mdp, s_sweep, lambda _, rows: chain_of(mdp, probabilities, rows), tolerance)[0]
    index: Index = (np.arange(mdp.num_states), policy) if policy.ndim == 1 else ...
    sa_set = ambiguity.at(index)
    nominal = mdp.transitions[index]

    def sweep(v: Array) -> tuple[Array, None]:
        worth, offset = outcomes(mdp, v, index)
        result = offset + sa_set.worst_value(worth, nominal)
        return (result if policy.ndim == 1 else np.einsum("sa,sa->s", policy, result)), None

    return _solved(mdp, sweep, lambda v, _: _worst_chain(mdp, ambiguity, v, policy), tolerance)[0]
