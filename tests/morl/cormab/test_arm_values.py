"""Values and indices of single arms, against numbers from elsewhere and plain dynamic programming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny

from envs.cormab import Instance, budget_instance
from envs.cormab.constraints import Budget
from envs.cormab.exact import horizon_values, optimal_values
from morl.cormab import discounted_values, horizon_action_values, indexable, whittle_indices
from morl.errors import ConfigurationError

# Of the reference problem, discount 0.9.
INDICES = [
    [2.3251, 3.0636, 3.9499, 3.5872],
    [1.7099, 2.2095, 2.8464, 2.7705],
    [1.0026, 1.3317, 1.7758, 1.3860],
    [1.5766, 2.1543, 2.9189, 2.1210],
]


def test_whittle_indices_of_the_reference_problem():
    instance = tiny("budget")
    np.testing.assert_allclose(whittle_indices(instance.transitions, instance.arm_rewards, 0.9), INDICES, atol=1e-3)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.95))
@settings(max_examples=10)
def test_at_the_index_both_actions_are_worth_the_same(seed, gamma):
    rng = np.random.default_rng(seed)
    transitions, rewards = rng.dirichlet(np.ones(3), size=(2, 2, 3)), rng.normal(size=(2, 2, 3))
    index = whittle_indices(transitions, rewards, gamma)
    for arm, state in np.ndindex(2, 3):
        pay = rewards[arm] + np.array([[index[arm, state]], [0.0]])
        values = np.zeros(3)
        for _ in range(1500):
            q = pay + gamma * transitions[arm] @ values
            values = q.max(axis=0)
        assert abs(q[1, state] - q[0, state]) < 1e-6


def test_an_arm_that_is_not_indexable_is_noticed():
    passive = [[0.01, 0.87, 0.12], [0.60, 0.17, 0.23], [0.00, 0.18, 0.82]]
    active = [[0.04, 0.00, 0.96], [0.03, 0.97, 0.00], [0.51, 0.21, 0.28]]
    transitions, rewards = np.array([passive, active]), np.array([[0.0, 0.0, 0.0], [0.84, 0.81, 0.72]])
    pulled = []
    for subsidy in np.linspace(-1, 2, 301):
        pay = rewards + np.array([[subsidy], [0.0]])
        values = np.zeros(3)
        for _ in range(300):
            q = pay + 0.9 * transitions @ values
            values = q.max(axis=0)
        pulled.append(q[1] > q[0])
    # Some state is pulled again under a higher subsidy.
    assert (np.diff(np.array(pulled).astype(int), axis=0) > 0).any()
    assert not indexable(transitions[None], rewards[None], 0.9)[0]
    good = budget_instance()
    assert indexable(good.transitions, good.arm_rewards, 0.9).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_one_arm_without_prices_is_an_ordinary_process(seed):
    rng = np.random.default_rng(seed)
    instance = Instance(rng.dirichlet(np.ones(4), size=(1, 2, 4)), rng.normal(size=(1, 4)), Budget(1, 1))
    values, action_values = horizon_action_values(instance.transitions, instance.arm_rewards, np.zeros((7, 1, 2)))
    np.testing.assert_allclose(values[0, 0], horizon_values(instance, 7), atol=1e-9)
    np.testing.assert_allclose(action_values.max(axis=2), values, atol=1e-12)
    discounted = discounted_values(instance.transitions, instance.arm_rewards, 0.9)
    np.testing.assert_allclose(discounted[0], optimal_values(instance, 0.9), atol=1e-8)


def test_prices_are_paid_in_their_step():
    transitions, rewards = np.ones((1, 2, 1, 1)), np.array([[[0.0], [1.0]]])
    prices = np.zeros((3, 1, 2))
    prices[:, 0, 1] = [0.25, 5.0, 0.5]
    values, action_values = horizon_action_values(transitions, rewards, prices)
    np.testing.assert_allclose(values[:, 0, 0], [0.75 + 0.5, 0.5, 0.5])
    np.testing.assert_allclose(action_values[:, 0, 1, 0], [1.5, 1.5, 1.0])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.999])
def test_discounted_values_of_a_constant(gamma):
    values = discounted_values(np.full((3, 2, 2, 2), 0.5), np.ones((3, 2, 2)), gamma)
    np.testing.assert_allclose(values, np.full((3, 2), 1.0 / (1.0 - gamma)), rtol=1e-9)


@pytest.mark.parametrize("gamma", [1.0, 2.0, -0.1, float("nan")])
def test_values_without_end_need_a_discount(gamma):
    for what in (discounted_values, whittle_indices, indexable):
        with pytest.raises(ConfigurationError, match="gamma is"):
            what(np.full((1, 2, 2, 2), 0.5), np.ones((1, 2, 2)), gamma)
