"""The reference problem: optimal values computed once by independent code, and the exact solver against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tiny import HORIZON_REWARDS, tiny

from envs.cormab import Instance, RestlessBandit, budget_instance
from envs.cormab.constraints import Budget
from envs.cormab.exact import action_values, feasible_actions, horizon_values, joint_states, optimal_values

# Size of the action set; per gamma the values of 0000, 3333 and 1203; the optimal action at 1203.
VALUES = {
    "budget": (11, {0.9: (53.041298, 72.182936, 64.960589), 0.99: (663.961762, 686.507639, 678.166107)}, [1, 1, 0, 0]),
    "capacity": (12, {0.9: (71.324044, 95.627519, 87.683283), 0.99: (909.019534, 936.400718, 927.581226)}, [1, 1, 0, 1]),
    "scheduling": (10, {0.9: (52.982543, 69.678378, 62.594311), 0.99: (663.070760, 681.659709, 673.859605)}, [1, 0, 0, 1]),
    "path": (7, {0.9: (51.440822, 71.685341, 63.740949), 0.99: (660.972682, 684.016761, 675.197269)}, [1, 1, 0, 0]),
    "sigmoid": (3, {0.9: (13.142292, 21.150925, 19.478035), 0.99: (161.141007, 170.713058, 168.634846)}, [0, 1, 1]),
}
STATES = np.ravel_multi_index(np.array([(0, 0, 0, 0), (3, 3, 3, 3), (1, 2, 0, 3)]).T, (4,) * 4)


@pytest.mark.parametrize("kind", VALUES)
def test_optimal_values_of_the_reference_problem(kind):
    size, values, action = VALUES[kind]
    instance = tiny(kind)
    actions = feasible_actions(instance)
    assert len(actions) == size
    for gamma, expected in values.items():
        found = optimal_values(instance, gamma)
        np.testing.assert_allclose(found[STATES], expected, atol=1e-5)
        best = action_values(instance, found, actions, gamma)[:, STATES[2]].argmax()
        np.testing.assert_array_equal(actions[best], action)


@pytest.mark.parametrize("kind", HORIZON_REWARDS)
def test_horizon_values_of_the_reference_problem(kind):
    instance = tiny(kind)
    found = [horizon_values(instance, 20, greedy=greedy)[0] / 20 for greedy in (False, True)]
    np.testing.assert_allclose(found, HORIZON_REWARDS[kind], atol=1e-5)


def test_doing_nothing_in_the_reference_problem():
    instance = tiny("budget")
    nothing = Instance(instance.transitions, instance.rewards, Budget(4, 0))
    assert horizon_values(nothing, 20)[0] / 20 == pytest.approx(0.656745, abs=1e-5)


@pytest.mark.parametrize("kind", ["path", "sigmoid"])
def test_action_values_are_those_of_the_whole_kernel(kind):
    instance = tiny(kind)
    actions = feasible_actions(instance)
    values = np.random.default_rng(0).normal(size=256)
    found = action_values(instance, values, actions, 0.9)
    for row, levels in zip(found, instance.levels(actions), strict=True):
        kernel = np.ones((1, 1))
        for arm, level in enumerate(levels):
            kernel = np.kron(kernel, instance.transitions[arm, level])
        pay = kernel @ instance.rewards[np.arange(4), joint_states(instance)].sum(1)
        np.testing.assert_allclose(row, pay + 0.9 * kernel @ values, atol=1e-9)


def test_the_best_of_all_stationary_policies():
    instance = budget_instance(num_arms=1, budget=1)
    actions = feasible_actions(instance)
    best = np.full(4, -np.inf)
    for policy in itertools.product(range(2), repeat=4):
        kernel = instance.transitions[0, policy, range(4)]
        best = np.maximum(best, np.linalg.solve(np.eye(4) - 0.95 * kernel, kernel @ instance.rewards[0]))
    assert len(actions) == 2
    np.testing.assert_allclose(optimal_values(instance, 0.95), best, atol=1e-9)


@pytest.mark.parametrize("kind", ["capacity", "sigmoid"])
def test_simulation_agrees(kind):
    instance = tiny(kind)
    count = 20_000
    actions, gamma = feasible_actions(instance), 0.9
    policy = action_values(instance, optimal_values(instance, gamma), actions, gamma).argmax(0)
    start = np.zeros((4, 4))
    start[:, 0] = 1.0
    begun = Instance(instance.transitions, instance.rewards, instance.constraint, link=instance.link, start=start)
    # The policy is stationary: over 5 steps its value is found by going back in time.
    values = np.zeros(256)
    for _ in range(5):
        values = action_values(instance, values, actions, 1.0)[policy, np.arange(256)]
    for expected_rewards in (False, True):
        env = RestlessBandit(count, instance=begun, horizon=5, expected_rewards=expected_rewards)
        rows = np.arange(count)
        states, total = env.reset(rows, rows), np.zeros(count)
        for _ in range(5):
            chosen = actions[policy[np.ravel_multi_index(states.T, (4,) * 4)]]
            states, rewards, _, truncated = env.step(rows, chosen)
            total += rewards[:, 0]
        assert truncated.all()
        assert abs(total.mean() - values[0]) < 4.5 * total.std() / np.sqrt(count)


def test_what_is_too_large_or_out_of_range_is_refused():
    with pytest.raises(ValueError, match="use fewer arms"):
        optimal_values(budget_instance(num_arms=14, budget=7), 0.9)
    with pytest.raises(ValueError, match="below 1"):
        optimal_values(tiny("path"), 1.0)
