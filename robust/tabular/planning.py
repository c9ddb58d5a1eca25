"""Ordinary planning: the best policy of one process, and what a given policy is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robust.tabular.ambiguity.nominal import Nominal
from robust.tabular.mdp import Array, IntArray, TabularMDP, checked_policy
from robust.tabular.robust_planning import chain_of, robust_value_iteration


def value_iteration(mdp: TabularMDP, *, tolerance: float = 1e-10) -> tuple[Array, IntArray]:
    """Optimal values and a policy that attains them.

    Args:
        mdp: The process.
        tolerance: Largest error of the values in the maximum norm, return units.

    Returns:
        Values ``(S,)`` and actions ``(S,)``; among equally good actions the one of lowest index.

    Raises:
        ConfigurationError: ``tolerance`` is not positive.

    Source:
        Bellman 1957. Deviations: sweeps alternate with solving the chain of the greedy policy.

    Example:
        >>> mdp = TabularMDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0.0, 0.0], [1.0, 1.0]], 0.5)
        >>> value_iteration(mdp)
        (array([1., 2.]), array([1, 0]))
    """
    return robust_value_iteration(mdp, Nominal(), tolerance=tolerance)


def policy_evaluation(mdp: TabularMDP, policy: npt.ArrayLike) -> Array:
    """Expected discounted return of a policy, by solving its linear system.

    Up to 1,000 states the system is solved directly, beyond that by sweeps until their change has fallen by ``1e-12``.

    Args:
        mdp: The process.
        policy: Actions ``(S,)``, or action probabilities ``(S, A)``.

    Returns:
        Values ``(S,)``, return units.

    Raises:
        ShapeError: ``policy`` has the wrong shape.
        ConfigurationError: ``policy`` holds an unknown action or a row that is no distribution.

    Example:
        >>> mdp = TabularMDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0.0, 0.0], [1.0, 1.0]], 0.5)
        >>> policy_evaluation(mdp, [0, 0])
        array([0., 2.])
    """
    return chain_of(mdp, checked_policy(mdp, policy), mdp.transitions).values(mdp.gamma)


def vector_policy_evaluation(mdp: TabularMDP, policy: npt.ArrayLike) -> Array:
    """Expected discounted vector return of a policy.

    Args:
        mdp: A process with vector rewards.
        policy: Actions ``(S,)``, or action probabilities ``(S, A)``.

    Returns:
        Values ``(S, m)``, return units.

    Raises:
        ShapeError: ``policy`` has the wrong shape.
        ConfigurationError: The process has no vector rewards, or ``policy`` is no policy of it.
    """
    vectors, checked = mdp.require_vector_rewards(), checked_policy(mdp, policy)
    chains = [chain_of(mdp.with_rewards(vectors[..., j]), checked, mdp.transitions) for j in range(vectors.shape[-1])]
    return chains[0]._replace(rewards=np.stack([chain.rewards for chain in chains], axis=-1)).values(mdp.gamma)
