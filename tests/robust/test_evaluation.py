"""Judging over an uncertainty set: worst cases, summaries against their definitions, maps, usage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.stats import trim_mean

from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation, Returns
from morl.problem import make_problem
from morl.solvers.moq import MOQLearning
from robust.baselines import DomainRandomisation, Nominal
from robust.evaluation import (
    bootstrap_interval,
    conditional_value_at_risk,
    interquartile_mean,
    return_map,
    summarise,
    worst_case,
)
from robust.randomisation import RandomisedProblem
from robust.search import GridSearch
from robust.uncertainty import Ball, Box
from tests.robust.push_world import push_problem
from tests.robust.test_iwocs_deep import SAC

CPU = torch.device("cpu")


def test_worst_case_keeps_each_objectives_worst_model():
    values = np.zeros((1, 3, 2, 2))
    values[0, :, :, 0] = [[1.0, 3.0], [0.0, 2.0], [5.0, 5.0]]
    values[0, :, :, 1] = [[9.0, 9.0], [8.0, 8.0], [0.0, 1.0]]
    lengths = np.array([[[1, 2], [3, 4], [5, 6]]])
    found = worst_case(Returns(values, -values, lengths))
    np.testing.assert_array_equal(found.discounted[0, 0], [[0.0, 0.0], [2.0, 1.0]])
    np.testing.assert_array_equal(found.undiscounted[0, 0], [[-5.0, -9.0], [-5.0, -9.0]])
    np.testing.assert_array_equal(found.lengths[0, 0], [3, 4])


def test_robust_evaluator_finds_the_smallest_grid_value():
    problem = push_problem()
    solver = Nominal(solver=SAC, grid_points=3)
    judge = solver.evaluator(problem, Evaluation(episodes=2), device=CPU)
    policies = solver.make(problem, None, seed=0, device=CPU).policies()
    everywhere = judge(policies, dynamics=torch.from_numpy(GridSearch(points_per_dimension=3).models(solver.region(problem))))
    assert everywhere.discounted.shape == (1, 9, 2, 1)
    worst = judge(policies)
    assert worst.discounted.shape == (1, 1, 2, 1)
    assert worst.mean()[0, 0] == everywhere.discounted.mean(2).min()
    assert judge.env_steps == 2 * 9 * 2 * 6


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.37, 1.0])
def test_cvar_against_its_linear_program(alpha):
    values = np.random.default_rng(0).normal(size=11)
    # max c - sum(u) / (alpha K) with u >= c - x, u >= 0.
    count = len(values)
    found = linprog(
        np.concatenate([[-1.0], np.full(count, 1.0 / (alpha * count))]),
        A_ub=np.hstack([np.ones((count, 1)), -np.eye(count)]),
        b_ub=values,
        bounds=[(None, None), *[(0, None)] * count],
    )
    assert conditional_value_at_risk(values, alpha) == pytest.approx(-found.fun, abs=1e-8)


def test_summary_by_hand():
    summary = summarise(np.arange(10.0), alpha=0.2)
    assert (summary.worst, summary.best, summary.mean, summary.median) == (0.0, 9.0, 4.5, 4.5)
    assert summary.cvar == 0.5
    assert summary.quantile == pytest.approx(1.8)
    for alpha in (0.0, 1.1):
        with pytest.raises(ConfigurationError, match="alpha must be in"):
            summarise(np.arange(3.0), alpha=alpha)


def test_interquartile_mean():
    values = np.random.default_rng(0).normal(size=40)
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25))
    # Five values: the second and fourth count three quarters.
    assert interquartile_mean([9.0, 1.0, 2.0, -50.0, 4.0]) == pytest.approx((0.75 * 1.0 + 2.0 + 0.75 * 4.0) / 2.5)
    assert interquartile_mean([3.0]) == 3.0


def test_bootstrap_interval_covers_the_mean():
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(200):
        low, high = bootstrap_interval(rng.normal(size=30), resamples=400, seed=i)
        hits += low <= 0.0 <= high
    assert 0.88 <= hits / 200 <= 0.99
    assert bootstrap_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    low, high = bootstrap_interval([0.0, 1.0, 2.0, 3.0], np.median, resamples=200)
    assert 0.0 <= low <= 1.5 <= high <= 3.0


def test_return_map_as_table_and_picture():
    problem = push_problem()
    solver = Nominal(solver=SAC)
    judge, region = solver.evaluator(problem, device=CPU), solver.region(problem)
    policy = solver.make(problem, None, seed=0, device=CPU).policies()[0]
    found = return_map(judge, policy, region, points_per_dimension=4)
    table = found.table()
    assert len(table) == 16
    assert set(table[0]) == {"gain", "drift", "return"}
    assert min(row["return"] for row in table) == found.values.min()
    axes = found.figure("title").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("gain", "drift")
    line = return_map(judge, policy, Box({"gain": (-1.0, 1.0)}).region(problem.spec.parameter_space), points_per_dimension=5)
    assert len(line.figure().axes[0].lines[0].get_xdata()) == 5
    half = return_map(judge, policy, region, points_per_dimension=4, half_open=True)
    assert half.models[:, 0].max() < 1.0


def test_randomised_rows_draw_by_seed_and_replay():
    problem = push_problem()
    region = Ball({"gain": 0.4, "drift": 0.1}).region(problem.spec.parameter_space)
    randomised = RandomisedProblem(problem, region)
    rows = randomised.rows(3, device=CPU)
    rows.reset(np.arange(3), [1, 2, 1])
    drawn = rows.rows.batch.get_params()
    assert region.contains(drawn).all()
    assert (drawn[0] == drawn[2]).all()
    assert (drawn[0] != drawn[1]).all()
    observed = rows.step(torch.full((3, 1), 0.5), np.arange(3))[0]
    other = randomised.rows(3, device=CPU)
    assert torch.equal(other.replay(rows.state()), observed)
    np.testing.assert_array_equal(other.rows.batch.get_params(), drawn)
    # Models that are named stay; NaN is drawn.
    rows.reset(np.arange(2), [1, 2], torch.tensor([[0.7, 0.0], [torch.nan, torch.nan]], dtype=torch.float64))
    np.testing.assert_array_equal(rows.rows.batch.get_params()[:2], [[0.7, 0.0], drawn[1]])


def test_domain_randomisation_trains_in_many_models():
    solver = DomainRandomisation(solver=SAC)
    learner = solver.make(push_problem(), None, seed=0, device=CPU)
    seen = set()
    for _ in range(5):
        learner.learn(6)
        seen.add(tuple(learner.rows.rows.batch.get_params()[0]))
    assert len(seen) == 5


def test_what_cannot_be_robust():
    with pytest.raises(CapabilityError, match="dynamics of tabular/identity-v0 cannot be set"):
        Nominal(solver=MOQLearning()).make(make_problem("tabular/identity-v0"), None, seed=0, device=CPU)
    with pytest.raises(ConfigurationError, match="grid_points must be at least 1"):
        DomainRandomisation(grid_points=0)
