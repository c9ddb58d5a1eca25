"""MOPPO reaches known optima of tiny worlds; thresholds are shares of the exact value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envs import batched_form
from morl.evaluation import Evaluation, Evaluator
from morl.indicators import hypervolume
from morl.problem import make_problem
from morl.solvers.moppo import MOPPO, MOPPOLearner
from morl.task import Task, Utility

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")


def trained(solver: MOPPO, env: str, first_weights: list[float], env_steps: int, seed: int = 0) -> MOPPOLearner:
    w = torch.tensor(first_weights)
    task = Task(utility=Utility(weights=torch.stack([w, 1 - w], 1)))
    learner = solver.make(make_problem(env), task, seed=seed, device=CPU)
    learner.learn(env_steps)
    return learner


def values_of(learner: MOPPOLearner, episodes: int = 1) -> np.ndarray:
    evaluation = Evaluation(episodes=episodes)
    return Evaluator(learner.env, evaluation, gamma=learner.gamma, device=CPU)(learner.policies()).mean()


def test_it_names_what_it_sees() -> None:
    solver = MOPPO(rows_per_member=16, horizon=8, minibatch_size=64, learning_rate=3e-3, entropy_coefficient=0.01)
    values = values_of(trained(solver, "tabular/identity-v0", [0.2, 0.8], 10_000), episodes=50)
    assert (values >= 0.99 * np.array([1.0, 0.5])).all()


def test_every_weight_finds_its_treasure() -> None:
    first = [0.1, 0.3, 0.6, 0.9]
    solver = MOPPO(rows_per_member=8, horizon=32, learning_rate=3e-3, entropy_coefficient=0.05)
    learner = trained(solver, "tabular/treasure-corridor-v0", first, 80_000)
    front = batched_form("tabular/treasure-corridor-v0", 1).pareto_front(solver.gamma)  # type: ignore[union-attr]
    weights = np.stack([first, 1 - np.array(first)], 1)
    best = (weights @ front.T).max(1)
    reached = (weights * values_of(learner)).sum(1)
    assert (reached >= best - 0.01 * np.abs(best)).all(), (reached, best)


def test_continuous_actions_approach_the_closed_form() -> None:
    first = [0.1, 0.5, 0.8]
    solver = MOPPO(rows_per_member=16, horizon=32, epochs=6, learning_rate=3e-3, initial_log_std=-0.5)
    learner = trained(solver, "continuous/two-targets-v0", first, 50_000)
    form = batched_form("continuous/two-targets-v0", 1)
    weights = np.stack([first, 1 - np.array(first)], 1)
    best = (weights * form.optimal_value(weights, solver.gamma)).sum(1)  # type: ignore[union-attr]
    untrained = solver.make(learner.env, learner.task, seed=1, device=CPU)
    start, reached = ((weights * values_of(each, episodes=200)).sum(1) for each in (untrained, learner))
    assert (reached >= best - 0.05 * (best - start)).all(), (reached, best, start)


def test_deep_sea_treasure_is_nearly_covered() -> None:
    solver = MOPPO(rows_per_member=16, horizon=64, learning_rate=1e-3, entropy_coefficient=0.03)
    learner = trained(solver, "deep-sea-treasure-v0", torch.linspace(0, 1, 10).tolist(), 120_000)
    # What ten evenly spread weights can reach by the exact front: 846 of 854.85.
    assert hypervolume(values_of(learner), np.array([0.0, -50.0])) >= 0.9 * 846
