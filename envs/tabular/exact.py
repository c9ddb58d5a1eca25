"""Exact solution of finite environments: value iteration on vector values, for many weights at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.tabular.tables import Tables, reached_states

_TIE = 1e-9  # relative difference below which two actions are equally good
_HASTE = 0.99  # discount under which the end is reached soon


def optimal_values(
    tables: Tables,
    weights: npt.ArrayLike,
    gamma: float,
    *,
    tolerance: float = 1e-12,
    max_sweeps: int = 100_000,
) -> Floats:
    """Vector value of a policy that is optimal for a weighted sum of the objectives.

    Episodes are not cut short: a time limit of the environment is not part of its tables. Among policies of equal weighted
    value, one with the greatest sum of all objectives is evaluated, so that the result is not dominated even where a weight
    is zero.

    Args:
        tables: The environment, with ``S`` states.
        weights: ``(..., m)``; all of them are solved together.
        gamma: Discount in ``[0, 1]``; 1 only where an optimal policy ends its episodes.
        tolerance: Largest change of any value in the last sweep, return units.
        max_sweeps: Sweeps over all states after which the computation is given up.

    Returns:
        Expected discounted return from the start of an episode, ``(..., m)``.

    Raises:
        ValueError: ``gamma`` is outside ``[0, 1]`` or ``weights`` does not end in ``m``.
        RuntimeError: ``max_sweeps`` were not enough; with ``gamma`` 1, an optimal policy may never end.
    """
    w = np.asarray(weights, np.float64)
    if not 0.0 <= gamma <= 1.0:
        raise ValueError(f"gamma is {gamma}; expected a discount between 0 and 1")
    if w.ndim == 0 or w.shape[-1] != tables.num_objectives:
        raise ValueError(f"weights has shape {w.shape}; expected (..., {tables.num_objectives}), one weight per objective")
    flat = w.reshape(-1, tables.num_objectives)
    policy = _optimal_policy(tables, flat, gamma, tolerance, max_sweeps)
    policies = policy.reshape(*w.shape[:-1], policy.shape[-1])
    return policy_values(tables, policies, gamma, tolerance=tolerance, max_sweeps=max_sweeps)


def policy_values(
    tables: Tables, policies: Integers, gamma: float, *, tolerance: float = 1e-12, max_sweeps: int = 100_000
) -> Floats:
    """Vector values of deterministic stationary policies.

    Args:
        tables: The environment.
        policies: Action of each state, ``(..., S)``.
        gamma: Discount in ``[0, 1]``.
        tolerance: See :func:`optimal_values`.
        max_sweeps: See :func:`optimal_values`.

    Returns:
        Expected discounted return from the start of an episode, ``(..., m)``.

    Raises:
        RuntimeError: ``max_sweeps`` were not enough; with ``gamma`` 1, a policy may never end.
    """
    policies = np.asarray(policies)
    flat = policies.reshape(-1, policies.shape[-1])
    values = _evaluate(tables, flat, gamma, tolerance, max_sweeps)
    start_values: Floats = tables.start_distribution @ values
    return start_values.reshape(*policies.shape[:-1], tables.num_objectives)


def _optimal_policy(tables: Tables, weights: Floats, gamma: float, tolerance: float, max_sweeps: int) -> Integers:
    """Optimal action of each weight vector and state, ``(n, S)``; ties are settled by the sum of objectives."""
    rewards = np.einsum("sabm,sab->sam", tables.rewards.astype(np.float64), tables.probabilities)
    allowed = np.ones((weights.shape[0], *rewards.shape[:2]), np.bool_)
    stages = [(np.einsum("sam,nm->nsa", rewards, weights), gamma), (rewards.sum(-1)[None], gamma)]
    if gamma == 1.0:
        # Without discounting, postponing the end for ever may look as good as reaching it: of what is left, reach it soonest.
        stages.append((np.full((1, 1, 1), -1.0), _HASTE))
    for goal, discount in stages:
        action_values = _action_values(tables, goal, allowed, discount, tolerance, max_sweeps)
        best = action_values.max(-1, keepdims=True)
        allowed &= action_values >= best - _TIE * np.maximum(1.0, np.abs(best))
    policy: Integers = allowed.argmax(-1)
    return policy


def _action_values(tables: Tables, rewards: Floats, allowed: Flags, gamma: float, tolerance: float, max_sweeps: int) -> Floats:
    """Optimal values ``(n, S, A)`` for scalar rewards that broadcast to it, by allowed actions; the others get ``-inf``."""
    number, num_states, _ = allowed.shape
    future = gamma * tables.probabilities * ~tables.terminal
    offsets = np.arange(number) * num_states
    successors = tables.successors + offsets[:, None, None, None]
    leads = (future > 0) & allowed[..., None]
    branching = (number * num_states, -1)
    starts = (tables.starts + offsets[:, None]).reshape(-1)
    reached = reached_states(successors.reshape(branching), leads.reshape(branching), starts).reshape(number, num_states, 1)
    future = future * reached[..., None]
    usable = np.where(allowed, rewards * reached, -np.inf)
    values = np.zeros((number, num_states))
    for _ in range(max_sweeps):
        action_values: Floats = usable + (future * values.reshape(-1)[successors]).sum(-1)
        improved = action_values.max(-1)
        change = np.abs(improved - values).max(initial=0.0)
        values = improved
        if change <= tolerance:
            return action_values
    raise RuntimeError(_gave_up(max_sweeps, gamma))


def _evaluate(tables: Tables, policy: Integers, gamma: float, tolerance: float, max_sweeps: int) -> Floats:
    """Vector values ``(n, S, m)`` of the policies ``(n, S)``, as one chain of ``n * S`` states."""
    number, num_states = policy.shape
    here = np.tile(np.arange(num_states), number), policy.reshape(-1)
    offsets = np.arange(number) * num_states
    successors = tables.successors[here] + offsets.repeat(num_states)[:, None]
    chance = tables.probabilities[here]
    future = gamma * chance * ~tables.terminal[here]
    reached = reached_states(successors, future > 0, (tables.starts + offsets[:, None]).reshape(-1))[:, None]
    rewards = np.einsum("sbm,sb->sm", tables.rewards[here].astype(np.float64), chance) * reached
    future *= reached
    values: Floats = np.zeros_like(rewards)
    for _ in range(max_sweeps):
        updated: Floats = rewards + (future[..., None] * values[successors]).sum(1)
        change = np.abs(updated - values).max(initial=0.0)
        values = updated
        if change <= tolerance:
            return values.reshape(number, num_states, -1)
    raise RuntimeError(_gave_up(max_sweeps, gamma))


def _gave_up(max_sweeps: int, gamma: float) -> str:
    return (
        f"values still change after {max_sweeps} sweeps with gamma {gamma}: raise max_sweeps, "
        "or lower gamma if the policy may never end its episodes"
    )
