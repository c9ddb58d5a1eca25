"""Random finite environments, on which an algorithm can be held against the oracles."""

from __future__ import annotations

import numpy as np

from envs.tabular.tables import Tables
from morl.errors import ConfigurationError


def random_process(
    rng: np.random.Generator,
    *,
    states: int = 10,
    actions: int = 3,
    objectives: int = 2,
    branches: int = 2,
    deterministic: bool = False,
    acyclic: bool = False,
    end: float = 0.2,
    largest_reward: int = 5,
) -> Tables:
    """Draw a process with whole-numbered rewards that begins in state 0.

    Args:
        rng: Generator that all of it is drawn from.
        states: Number of states; some may be out of reach.
        actions: Number of actions.
        objectives: ``m``.
        branches: Outcomes of a pair, where it is not ``deterministic``.
        deterministic: Whether a pair leads to one state.
        acyclic: Whether states only lead to those with larger numbers, and the last state to the end.
        end: Probability that a branch ends the episode; of an acyclic process, besides the last state.
        largest_reward: Rewards are whole numbers from minus this to this.

    Returns:
        The tables, with rewards in float64.

    Raises:
        ConfigurationError: A number is not positive, or ``end`` is no probability.

    Example:
        >>> random_process(np.random.default_rng(0), states=4, acyclic=True).successors.shape
        (4, 3, 2)
    """
    counts = {"states": states, "actions": actions, "objectives": objectives, "branches": branches}
    for name, count in counts.items():
        if count < 1:
            raise ConfigurationError(f"{name} is {count}; expected at least 1")
    if not 0.0 <= end <= 1.0:
        raise ConfigurationError(f"end is {end}; expected a probability")
    width = 1 if deterministic else branches
    shape = (states, actions, width)
    low = np.minimum(np.arange(states) + 1, states - 1) if acyclic else np.zeros(states, np.int64)
    terminal = rng.random(shape) < end
    if acyclic:
        terminal[-1] = True
    return Tables(
        successors=rng.integers(low[:, None, None], states, size=shape),
        probabilities=rng.dirichlet(np.ones(width), size=(states, actions)),
        rewards=rng.integers(-largest_reward, largest_reward + 1, size=(*shape, objectives)).astype(np.float64),
        terminal=terminal,
        observations=np.arange(states),
        starts=np.array([0]),
    )
