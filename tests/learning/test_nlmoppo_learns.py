"""NLMOPPO reaches optima of the expected return that EUPG, whose criterion is another one, does not want, and the reverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from envs.continuous.quadratic_bandit import QuadraticBandit
from envs.tabular.tables import Tables
from morl.evaluation import Evaluation, Evaluator
from morl.oracles import PiecewiseLinear, best_mixture, random_process, reward_aware_value_iteration
from morl.problem import make_problem
from morl.scalarizations import Chebyshev, Constrained, SmoothChebyshev
from morl.solvers import EUPG, NLMOPPO
from morl.task import Task, Utility
from tests.morl.solvers.worlds import problem_of

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")


def worst_objective(solver: Any, scalarization: Any, tables: Tables, env_steps: int) -> tuple[float, float]:
    """Smallest expected return, and expected smallest return, of who maximises the worst objective."""
    utility = Utility(
        scalarization=scalarization, weights=torch.full((1, 2), 0.5), ideal_point=torch.zeros(2),
        criterion=getattr(solver, "criterion", "ser"),
    )  # fmt: skip
    problem = problem_of(tables)
    learner = solver.make(problem, Task(utility=utility), seed=0, device=CPU)
    learner.learn(env_steps)
    judged = Evaluation(episodes=10_000, deterministic=False, max_rows=10_000)
    returns = Evaluator(problem, judged, gamma=1.0, device=CPU)(learner.policies()).discounted[0, 0]
    return float(returns.mean(0).min()), float(returns.min(1).mean())


def test_the_two_criteria_differ_by_the_known_gap() -> None:
    """A stochastic world of eight states: the best smallest expectation is a mixture's, the best expected minimum is by
    value iteration over accrued rewards. Each solver reaches its own, and gives up the other one.
    """
    tables = random_process(np.random.default_rng(6), states=8, acyclic=True)
    expected = best_mixture(tables, 1.0, PiecewiseLinear.minimum(2)).utility
    single = reward_aware_value_iteration(tables, 1.0, lambda returns: returns.min(-1)).value
    np.testing.assert_allclose([expected, single], [5.1368, 3.0091], atol=1e-3)
    nlmoppo = NLMOPPO(
        hidden=(16,), gamma=1.0, gae_lambda=1.0, rows_per_member=128, horizon=4, epochs=4, minibatch_size=256,
        learning_rate=2e-3, critic_learning_rate=5e-3,
    )  # fmt: skip
    eupg = EUPG(hidden=(16,), gamma=1.0, rows_per_member=128, learning_rate=1e-2, entropy_coefficient=0.1)
    ser = worst_objective(nlmoppo, SmoothChebyshev(mu=0.05), tables, 60_000)
    esr = worst_objective(eupg, Chebyshev(), tables, 40_000)
    assert ser[0] >= 0.9 * expected
    assert esr[1] >= 0.95 * single
    assert ser[1] < single - 0.1 * (expected - single)
    assert esr[0] < expected - 0.25 * (expected - single)
    assert ser[0] - esr[1] == pytest.approx(expected - single, rel=0.25)


def test_held_objectives_stay_above_their_bounds() -> None:
    """Oracle O8: the constrained optimum lies between the two centres, as far from the second as its bound allows."""
    centres = [[0.6, 0.0], [-0.6, 0.3]]
    bandit, bounds = QuadraticBandit(1, centres=centres), np.array([-0.4])
    utility = Utility(
        scalarization=Constrained(), weights=torch.tensor([[1.0, 0.0]]),
        ideal_point=torch.tensor([[-9.0, bound] for bound in bounds], dtype=torch.float32),
    )  # fmt: skip
    solver = NLMOPPO(
        hidden=(16,), gamma=1.0, rows_per_member=64, horizon=8, epochs=4, minibatch_size=256, initial_log_std=-1.0,
        learning_rate=3e-3, critic_learning_rate=1e-2,
    )  # fmt: skip
    learner = solver.make(
        make_problem({"id": "continuous/quadratic-bandit-v0", "centres": centres}), Task(utility=utility), seed=0, device=CPU
    )
    learner.learn(40_000)
    actions = np.stack([policy.act(np.zeros(1, np.float32)) for policy in learner.policies()])
    first, second = (-((actions[:, None] - bandit.centres) ** 2).sum(-1)).T
    along = bandit.centres[0] - bandit.centres[1]
    length = np.linalg.norm(along)
    best = -((length - np.sqrt(-bounds)) ** 2)
    there = actions - bandit.centres[1]
    assert (np.abs(along[0] * there[:, 1] - along[1] * there[:, 0]) / length < 0.1).all()
    assert (second >= bounds - 0.02).all()
    # The barrier itself stops up to 1 / t before the bound.
    assert (first >= best - 1 / 20 - 0.1).all()
