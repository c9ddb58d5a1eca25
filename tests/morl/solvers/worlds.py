"""Small stochastic worlds from tables, for tests of utilities of expected returns."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from envs.tabular.finite import FiniteEnv
from envs.tabular.tables import Tables
from morl.problem import Problem
from morl.problem_spec import ProblemSpec


def problem_of(tables: Tables) -> Problem:
    """The world as a problem; rows only, since nobody asks for plain copies."""
    states, actions = tables.successors.shape[:2]
    observations, m = spaces.Discrete(states), tables.rewards.shape[-1]
    rewards = spaces.Box(tables.rewards.min() - 1.0, tables.rewards.max() + 1.0, (m,), np.float64)
    spec = ProblemSpec(
        env_id="custom/tables", env_arguments={}, observation_space=observations, action_space=spaces.Discrete(actions),
        num_objectives=m, is_vector_reward=True, max_episode_steps=None, objective_names=tuple("abcdef"[:m]),
        objective_units=("",) * m, parameter_space=None,
    )  # fmt: skip

    def batched(num_rows: int) -> FiniteEnv:
        return FiniteEnv(num_rows, tables=tables, observation_space=observations, reward_space=rewards)

    def plain() -> FiniteEnv:
        raise AssertionError("tables have rows only")

    return Problem(spec, plain, batched)  # type: ignore[arg-type]


def two_steps(rng: np.random.Generator) -> Tables:
    """From state 0 to state 1 or 2, and to the end: rewards of the second objective are ten times as large."""
    rewards = rng.normal(size=(3, 2, 2, 2)) * np.array([1.0, 10.0])
    return Tables(
        successors=np.array([[[1, 2], [1, 2]], [[0, 0]] * 2, [[0, 0]] * 2]),
        probabilities=rng.dirichlet(np.ones(2), size=(3, 2)),
        rewards=rewards,
        terminal=np.array([[[False] * 2] * 2, [[True] * 2] * 2, [[True] * 2] * 2]),
        observations=np.arange(3),
        starts=np.array([0]),
    )
