"""Exact dynamic programming over all arms together, for instances of a few arms."""

from __future__ import annotations

import numpy as np

from envs.arrays import Flags, Floats, Integers
from envs.cormab.instance import Instance

_MOST_ENTRIES = 50_000_000


def joint_states(instance: Instance) -> Integers:
    """All joint states, ``(K^J, J)``, the last arm counting fastest."""
    shape = (instance.num_states,) * instance.num_arms
    return np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=-1)


def action_values(instance: Instance, values: Floats, actions: Flags, gamma: float) -> Floats:
    """Expected reward of a step and discounted value of what follows.

    Args:
        instance: The problem.
        values: Of each joint state, ``(K^J,)``.
        actions: ``(A, N)``.
        gamma: Discount.

    Returns:
        ``(A, K^J)``.
    """
    arms, states = instance.num_arms, joint_states(instance)
    found = np.empty((len(actions), len(states)))
    for number, levels in enumerate(instance.levels(actions)):
        following = values.reshape((instance.num_states,) * arms)
        for arm in range(arms):
            # The axis of each arm in turn goes from next states to states; afterwards all are in order again.
            following = np.tensordot(following, instance.transitions[arm, levels[arm]], axes=(0, 1))
        pay = instance.arm_rewards[np.arange(arms), levels][np.arange(arms), states].sum(-1)
        found[number] = pay + gamma * following.ravel()
    return found


def feasible_actions(instance: Instance) -> Flags:
    """All feasible actions, ``(A, N)``.

    Raises:
        ValueError: There are too many, or too many joint states, for exact dynamic programming.
    """
    states = instance.num_states**instance.num_arms
    actions = instance.constraint.enumerate(max(0, _MOST_ENTRIES // states))
    if actions is None:
        raise ValueError(f"{states} joint states times the feasible actions are more than {_MOST_ENTRIES}; use fewer arms")
    return actions


def optimal_values(instance: Instance, gamma: float, *, tolerance: float = 1e-10) -> Floats:
    """Optimal values without horizon, by value iteration.

    Args:
        instance: A few arms.
        gamma: Discount, from 0 and below 1.
        tolerance: Largest error of a value.

    Returns:
        Expected discounted total reward from each joint state, ``(K^J,)``; states as in :func:`joint_states`.

    Raises:
        ValueError: ``gamma`` is out of range, or the instance is too large.
    """
    if not 0.0 <= gamma < 1.0:
        raise ValueError(f"gamma is {gamma}; expected at least 0 and below 1")
    actions = feasible_actions(instance)
    values = np.zeros(instance.num_states**instance.num_arms)
    while True:
        improved: Floats = action_values(instance, values, actions, gamma).max(axis=0)
        change = improved - values
        # The optimum lies between these values plus the least and the largest change that can still come.
        low, high = (gamma / (1.0 - gamma) * side for side in (change.min(), change.max()))
        values = improved
        if high - low <= 2.0 * tolerance:
            improved += (low + high) / 2.0
            return improved


def horizon_values(instance: Instance, horizon: int, *, greedy: bool = False) -> Floats:
    """Expected undiscounted total reward of ``horizon`` steps from each joint state, ``(K^J,)``.

    Args:
        instance: A few arms.
        horizon: Steps of an episode.
        greedy: Whether each step only maximises its own expected reward, instead of that of all steps to come.
    """
    actions = feasible_actions(instance)
    values = np.zeros(instance.num_states**instance.num_arms)
    now = action_values(instance, values, actions, 0.0)
    for _ in range(horizon):
        both = action_values(instance, values, actions, 1.0)
        values = np.take_along_axis(both, now.argmax(axis=0)[None], axis=0)[0] if greedy else both.max(axis=0)
    return values
