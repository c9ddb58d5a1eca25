"""Tabular Q-learning solves deep-sea-treasure exactly, and linear utilities find the convex hull only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envs import batched_form
from morl.critics import values_of
from morl.evaluation import Evaluation, Evaluator
from morl.indicators import hypervolume
from morl.problem import make_problem
from morl.solvers.moq import MOQLearning
from morl.task import Task, Utility

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")


def values_and_utilities(env: str, solver: MOQLearning, env_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of twelve greedy policies ``(12, 2)``, and the weights they were trained for."""
    first = torch.linspace(0.02, 0.98, 12)
    weights = torch.stack([first, 1 - first], 1)
    learner = solver.make(make_problem(env), Task(utility=Utility(weights=weights)), seed=0, device=CPU)
    learner.learn(env_steps)
    values = Evaluator(learner.env, Evaluation(episodes=1), gamma=solver.gamma, device=CPU)(learner.policies()).mean()
    return values, weights.numpy()


def front_of(env: str, gamma: float) -> np.ndarray:
    return np.array(make_problem(env).make_env().unwrapped.pareto_front(gamma=gamma))  # type: ignore[attr-defined]


def test_every_weight_finds_its_optimum_on_the_convex_map() -> None:
    solver = MOQLearning(learning_rate=1.0, epsilon_steps=4_000, epsilon_end=0.5)
    values, weights = values_and_utilities("deep-sea-treasure-v0", solver, 120_000)
    front = front_of("deep-sea-treasure-v0", solver.gamma)
    best = (weights @ front.T).max(1)
    np.testing.assert_allclose((weights * values).sum(1), best, atol=1e-4)


def test_hypervolume_of_the_convex_map_at_discount_one() -> None:
    """More than 95 % of 994.3, the value of the whole front."""
    solver = MOQLearning(learning_rate=1.0, gamma=1.0, epsilon_steps=4_000, epsilon_end=0.5)
    values, _ = values_and_utilities("deep-sea-treasure-v0", solver, 120_000)
    assert hypervolume(values, np.array([0.0, -50.0])) > 0.95 * 994.3


def test_linear_utilities_find_only_the_two_supported_points_of_the_concave_map() -> None:
    solver = MOQLearning(learning_rate=1.0, gamma=1.0, epsilon_steps=2_000, epsilon_end=0.3)
    values, weights = values_and_utilities("deep-sea-treasure-concave-v0", solver, 60_000)
    assert np.unique(values.round(3), axis=0).tolist() == [[1.0, -1.0], [124.0, -19.0]]
    best = (weights @ front_of("deep-sea-treasure-concave-v0", 1.0).T).max(1)
    np.testing.assert_allclose((weights * values).sum(1), best, rtol=1e-5)


def test_small_step_sizes_average_a_random_world() -> None:
    solver = MOQLearning(learning_rate=0.1, epsilon_steps=500)
    first = torch.tensor([0.2, 0.8])
    task = Task(utility=Utility(weights=torch.stack([first, 1 - first], 1)))
    learner = solver.make(make_problem("tabular/identity-v0"), task, seed=0, device=CPU)
    learner.learn(6_000)
    exact = batched_form("tabular/identity-v0", 1).pareto_front(1.0)[0]  # type: ignore[union-attr]
    for policy in learner.policies():
        assert policy.act(torch.arange(4)).tolist() == [0, 1, 2, 3]
    values = values_of(learner, torch.arange(4), torch.arange(4)).numpy()
    np.testing.assert_allclose(values, np.broadcast_to(exact, values.shape), rtol=1e-2)
