"""Every policy: feasible everywhere, and worth on the reference problem what it should be."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import CONSTRAINTS, HORIZON_REWARDS, tiny

from envs.cormab import (
    Instance,
    budget_instance,
    capacity_instance,
    interventions_instance,
    path_instance,
    scheduling_instance,
)
from envs.cormab.constraints import Budget, Capacity, ExactCount, Linear
from envs.cormab.exact import action_values, feasible_actions, joint_states
from morl.cormab.baselines import (
    Greedy,
    IterativeQ,
    JointOptimum,
    LagrangeIndex,
    LookAhead,
    Myopic,
    Null,
    Random,
    Sampling,
    WhittleIndex,
)
from morl.cormab.baselines.greedy import add_greedily
from morl.errors import CapabilityError, ConfigurationError

KINDS = (*CONSTRAINTS, "sigmoid")
LARGE = [
    make(num_arms=9, budget=3, seed=4)
    for make in (budget_instance, capacity_instance, scheduling_instance, path_instance, interventions_instance)
]
ALL = (Null(), Random(), Sampling(20), Myopic(), Greedy(), WhittleIndex(), LagrangeIndex(), LookAhead())
HORIZON = 20


def exact_mean(instance, contender, first=0):
    """Mean reward per step from a joint state, without simulation."""
    states, actions = joint_states(instance), feasible_actions(instance)
    decide = contender.prepare(instance, horizon=HORIZON, seed=0)
    number = {action.tobytes(): index for index, action in enumerate(actions)}
    values, rng = np.zeros(len(states)), np.random.default_rng(0)
    for step in reversed(range(HORIZON)):
        chosen = [number[action.tobytes()] for action in decide(states, step, rng)]
        values = action_values(instance, values, actions, 1.0)[chosen, np.arange(len(states))]
    return values[first] / HORIZON


@pytest.mark.parametrize("instance", LARGE, ids=lambda instance: type(instance.constraint).__name__)
@pytest.mark.parametrize("contender", ALL, ids=lambda contender: type(contender).__name__)
def test_actions_are_feasible(instance, contender):
    try:
        decide = contender.prepare(instance, horizon=5, seed=1)
    except CapabilityError:
        assert isinstance(instance.constraint, ExactCount)
        assert isinstance(contender, Null | WhittleIndex)
        return
    rng = np.random.default_rng(0)
    states = rng.integers(0, 4, size=(30, instance.num_arms))
    for step in range(5):
        actions = decide(states, step, rng)
        assert actions.shape == (30, instance.num_actions)
        assert actions.dtype == np.bool_
        assert instance.constraint.contains(actions).all()
    again = decide(states, 0, np.random.default_rng(7))
    np.testing.assert_array_equal(again, decide(states, 0, np.random.default_rng(7)))
    if not isinstance(contender, Random | Sampling):
        np.testing.assert_array_equal(again[:1], decide(states[:1], 0, rng))


@pytest.mark.parametrize("kind", KINDS)
def test_values_on_the_reference_problem(kind):
    instance = tiny(kind)
    best, myopic = HORIZON_REWARDS[kind]
    assert exact_mean(instance, JointOptimum()) == pytest.approx(best, abs=1e-5)
    # Several actions may have the best next step, and then lead to different places.
    assert exact_mean(instance, Myopic()) == pytest.approx(myopic, abs=2e-3)
    for contender in (LookAhead(), LagrangeIndex(0.9)) + (() if kind == "sigmoid" else (WhittleIndex(0.9),)):
        assert 0.97 * best <= exact_mean(instance, contender) <= best + 1e-9


def test_doing_nothing_on_the_reference_problem():
    assert exact_mean(tiny("budget"), Null()) == pytest.approx(0.656745, abs=1e-5)
    with pytest.raises(CapabilityError, match="not feasible for ExactCount"):
        Null().prepare(tiny("sigmoid"), horizon=5, seed=0)


def test_greedy_is_myopic_where_components_do_not_interfere():
    instance = budget_instance(num_arms=12, budget=4)
    states = np.random.default_rng(0).integers(0, 4, size=(200, 12))
    greedy, myopic = (c.prepare(instance, horizon=1, seed=0)(states, 0, np.random.default_rng(0)) for c in (Greedy(), Myopic()))
    np.testing.assert_allclose(instance.expected_reward(states, greedy), instance.expected_reward(states, myopic), atol=1e-12)


def arms_worth(worth, constraint):
    """Arms that reach a state which pays ``worth`` if they are pulled, and stay in one that pays nothing otherwise."""
    stay, go = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    rewards = np.stack([np.zeros(len(worth)), worth], axis=1)
    return Instance(np.broadcast_to([stay, go], (len(worth), 2, 2, 2)), rewards, constraint)


def chosen_by(contender, instance):
    decide = contender.prepare(instance, horizon=1, seed=0)
    return decide(np.zeros((1, instance.num_arms), int), 0, np.random.default_rng(0))[0].astype(int).tolist()


def test_greedy_without_the_published_faults():
    # A capacity met exactly is used, nobody is charged twice, and nothing is added that does not gain.
    capacity = Capacity([2, 3, 3], [5])
    assert chosen_by(Greedy(per_cost=False), arms_worth([1.0, 4.0, 3.0], capacity)) == [1, 1, 0]
    instance = Instance(
        arms_worth([3.0, 4.0, -1.0], capacity).transitions, [[0, 3], [0, 4], [0, -1]], capacity, action_costs=[1, 2, 1]
    )
    assert chosen_by(Greedy(), instance) == [1, 1, 0]
    assert chosen_by(Greedy(), arms_worth([-1.0, -2.0, 0.0], Budget(3, 2))) == [0, 0, 0]
    # Gains are those of the present choice: the second of two substitutes gains nothing.
    transitions = np.broadcast_to([np.eye(2)[[0, 0]], np.eye(2)[[1, 1]], np.eye(2)[[1, 1]]], (2, 3, 2, 2))
    shared = Instance(transitions, [[0, 5], [0, 3]], Budget(3, 2), link=[[1, 1, 0], [0, 0, 1]])
    assert chosen_by(Greedy(), shared) == [1, 0, 1]


def test_greedy_goes_on_until_it_is_feasible():
    assert sum(chosen_by(Greedy(), arms_worth([-3.0, -1.0, -2.0], ExactCount(3, 2)))) == 2
    assert chosen_by(Greedy(), arms_worth([-3.0, 5.0, -2.0], Linear([[1, 1, 1], [1, -1, 0]], [2, 0], [2, 0]))) == [1, 1, 0]


def test_sampling_takes_the_best_of_its_draws():
    instance = arms_worth([1.0, 2.0, 3.0, 4.0], Budget(4, 2))
    assert chosen_by(Sampling(200), instance) == [0, 0, 1, 1]
    assert sum(chosen_by(Sampling(1), instance)) == 2


def test_building_by_a_q_function():
    instance = LARGE[1]
    states = np.random.default_rng(0).integers(0, 4, size=(40, 9))
    by_q = IterativeQ(instance.expected_reward).prepare(instance, horizon=1, seed=0)(states, 0, np.random.default_rng(0))
    np.testing.assert_array_equal(by_q, add_greedily(instance.expected_reward, instance.constraint, states))
    nothing = IterativeQ(lambda states, actions: -actions.sum(axis=1)).prepare(instance, horizon=1, seed=0)
    assert not nothing(states, 0, np.random.default_rng(0)).any()


def test_bad_settings_are_refused():
    with pytest.raises(ConfigurationError, match="samples is 0"):
        Sampling(0)
    with pytest.raises(CapabilityError, match="use LagrangeIndex"):
        WhittleIndex().prepare(tiny("sigmoid"), horizon=2, seed=0)
    with pytest.raises(ValueError, match="use fewer arms"):
        JointOptimum().prepare(budget_instance(num_arms=14), horizon=2, seed=0)
