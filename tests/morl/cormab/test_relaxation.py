"""The exact maximiser over levels, and the upper bound."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CONSTRAINTS, tiny

from envs.cormab import Instance, budget_instance, capacity_instance, interventions_instance, path_instance, scheduling_instance
from envs.cormab.constraints import Budget, Linear
from envs.cormab.exact import horizon_values, optimal_values
from morl.cormab import LevelOracle, oracle, relax
from morl.errors import ConfigurationError, ShapeError

KINDS = (*CONSTRAINTS, "sigmoid")


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_the_best_levels_are_found(kind, seed):
    instance = tiny(kind)
    gains = np.random.default_rng(seed).normal(size=(3, *instance.transitions.shape[:2]))
    find = LevelOracle(instance)
    every = instance.constraint.enumerate(100)
    best = np.stack([find.value(np.broadcast_to(gain, (len(every), *gain.shape)), every).max() for gain in gains])
    np.testing.assert_allclose(find.value(gains, find(gains)), best, atol=1e-9)


def test_integer_programs_agree_with_the_list(monkeypatch):
    instance = interventions_instance(num_arms=8, budget=3, num_interventions=7, seed=1)
    extra = Linear([[1] * 7 + [-1], [1] * 3 + [0] * 5], [3, 0], [3, 2], [0], [1], [True])
    for problem in (instance, dataclasses.replace(instance, constraint=extra)):
        gains = np.random.default_rng(0).normal(size=(12, *instance.transitions.shape[:2]))
        listed = LevelOracle(problem)
        monkeypatch.setattr(oracle, "_LISTED", 1)
        solved = LevelOracle(problem)
        monkeypatch.undo()
        actions = solved(gains)
        assert problem.constraint.contains(actions).all()
        np.testing.assert_allclose(solved.value(gains, actions), listed.value(gains, listed(gains)), atol=1e-6)


def test_programs_keep_to_sets_in_money(monkeypatch):
    instance = interventions_instance(num_arms=8, budget=3, num_interventions=7, seed=1)
    costs = [2_500_002.0, 2_500_001.0, 2_500_000.0, 4_999_999.0, 1e6, 1e6, 5_000_001.0]
    problem = dataclasses.replace(instance, constraint=Linear([costs], [-np.inf], [5_000_000.0]))
    listed = LevelOracle(problem)
    monkeypatch.setattr(oracle, "_LISTED", 1)
    solved = LevelOracle(problem)
    for unit in (1e-9, 1.0, 1e12):
        gains = unit * np.abs(np.random.default_rng(0).normal(size=(6, *instance.transitions.shape[:2])))
        actions = solved(gains)
        assert problem.constraint.contains(actions).all()
        np.testing.assert_allclose(solved.value(gains, actions), listed.value(gains, listed(gains)), rtol=1e-9)
    by_programs, by_list = (relax(problem, horizon=3, oracle=find).bound for find in (solved, listed))
    assert by_programs == pytest.approx(by_list, rel=2e-3)


def test_gains_of_the_wrong_shape_are_refused():
    with pytest.raises(ShapeError, match=r"expected \(B, 4, 2\)"):
        LevelOracle(tiny("budget"))(np.zeros((4, 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_lies_a_little_above_the_optimum(kind):
    instance = tiny(kind)
    start = np.eye(4)[[0, 0, 0, 0]]
    ended = relax(instance, horizon=20, start=start)
    best = horizon_values(instance, 20)[0]
    assert best <= ended.bound <= 1.025 * best
    endless = relax(instance, horizon=None, gamma=0.9, start=start)
    best = optimal_values(instance, 0.9)[0]
    assert best <= endless.bound <= 1.035 * best
    for found in (ended, endless):
        assert found.attained <= found.bound + 1e-6 * abs(found.bound)
        assert not found.prices[..., 0].any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8)
def test_the_bound_is_above_the_optimum_of_any_instance(seed):
    rng = np.random.default_rng(seed)
    constraint = [Budget(3, 1), Linear([[1, 1, -1]], [0], [1]), CONSTRAINTS["capacity"]][seed % 3]
    arms = constraint.num_actions
    instance = Instance(rng.dirichlet(np.ones(3), size=(arms, 2, 3)), rng.normal(size=(arms, 3)), constraint)
    start = np.eye(3)[np.zeros(arms, int)]
    assert relax(instance, horizon=6, start=start).bound >= horizon_values(instance, 6)[0] - 1e-7


def test_without_coupling_the_bound_is_the_optimum():
    instance = budget_instance(num_arms=3, budget=3)
    weights = np.einsum("a,b,c->abc", *instance.start).ravel()
    assert relax(instance, horizon=8).bound == pytest.approx(weights @ horizon_values(instance, 8), abs=1e-7)


@pytest.mark.parametrize("make", [capacity_instance, scheduling_instance, path_instance, interventions_instance])
def test_column_generation_closes(make):
    found = relax(make(num_arms=10, budget=3, seed=2), horizon=10)
    assert 0.0 <= found.bound - found.attained <= 1e-3 * found.bound
    stopped = relax(make(num_arms=10, budget=3, seed=2), horizon=10, max_rounds=1)
    assert stopped.rounds == 1
    assert stopped.bound >= found.attained - 1e-9


def test_what_does_not_fit_is_refused():
    for horizon, gamma in ((None, 1.0), (5, 0.9), (0, 1.0)):
        with pytest.raises(ConfigurationError, match="expected a horizon with gamma 1"):
            relax(tiny("budget"), horizon=horizon, gamma=gamma)
