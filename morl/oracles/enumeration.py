"""Enumeration: the value of every deterministic stationary policy of a small finite environment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.arrays import Flags, Floats, Integers
from morl.errors import ConfigurationError
from morl.oracles.process import Process, Source, checked_discount, read_process

_ROOM = 1 << 22  # numbers of the equations that are solved at once


@dataclass(frozen=True, kw_only=True, eq=False)
class Enumeration:
    """Every deterministic stationary policy, and what it earns."""

    states: Integers
    """Reachable states that the policies act in, by their numbers in the tables, ``(S,)``."""
    policies: Integers
    """Action of each of ``states``, ``(n, S)``."""
    values: Floats
    """Expected discounted returns from the start of an episode, ``(n, m)``."""
    num_endless: int
    """Policies left out because without discount their episodes may never end."""


def enumerate_policies(source: Source, gamma: float, *, limit: int = 1_000_000) -> Enumeration:
    """Return the value of every deterministic stationary policy, by solving its linear equations.

    Args:
        source: See :func:`morl.oracles.read_process`.
        gamma: Discount in ``[0, 1]``; at 1, policies that may never end are left out and counted.
        limit: Largest number of policies.

    Returns:
        All of them; actions that do the same in a state are not told apart.

    Raises:
        ConfigurationError: The process cannot be read, or has more than ``limit`` policies.

    Source:
        Brute force, what the other oracles are held against. Cost: ``A^S`` systems of ``S`` equations.

    Example:
        >>> enumerate_policies("tabular/treasure-corridor-v0", 0.9).values.shape
        (64, 2)
    """
    process = read_process(source)
    gamma = checked_discount(gamma)
    states, actions = process.num_states, process.num_actions
    number = actions**states
    if number > limit:
        raise ConfigurationError(
            f"{actions} actions in {states} states make {_written(number)} policies, more than the limit of {limit}: use "
            "pareto_value_iteration, or convex_hull_value_iteration for weighted sums"
        )
    matrices = np.zeros((states * actions, states))
    matrices[process.pairs(), process.successors] = process.chances
    policies = np.stack(np.unravel_index(np.arange(number), (actions,) * states), axis=-1)
    block = max(1, _ROOM // (states * states))
    values, ends = [], []
    for part in np.array_split(policies, -(-number // block)):
        found, is_ending = _values(process, matrices, part, gamma)
        values.append(found)
        ends.append(is_ending)
    ending = np.concatenate(ends)
    return Enumeration(
        states=process.states,
        policies=policies[ending],
        values=np.concatenate(values)[ending],
        num_endless=int((~ending).sum()),
    )


def _values(process: Process, matrices: Floats, policies: Integers, gamma: float) -> tuple[Floats, Flags]:
    """Values of some policies ``(n, m)``, and whether they are finite."""
    states = np.arange(process.num_states)
    chains = matrices[states * process.num_actions + policies]
    rewards = process.rewards[states, policies]
    ending = np.ones(len(policies), np.bool_)
    if gamma == 1.0:
        # States matter that are reached, and all of those must lead to an end.
        steps = (chains > 0) | np.eye(process.num_states, dtype=np.bool_)
        for _ in range(max(1, process.num_states).bit_length()):
            steps = steps @ steps
        reached = (steps & (process.start > 0)[:, None]).any(1)
        stops = chains.sum(-1) < 1.0 - 1e-9
        can_end = (steps & stops[:, None]).any(-1)
        ending = (can_end | ~reached).all(-1)
        live = reached & ending[:, None]
        chains = chains * live[:, :, None]
        rewards = rewards * live[..., None]
    solved: Floats = np.linalg.solve(np.eye(process.num_states) - gamma * chains, rewards)
    return process.start @ solved, ending


def _written(number: int) -> str:
    return str(number) if number < 10**12 else f"about 10^{len(str(number)) - 1}"
