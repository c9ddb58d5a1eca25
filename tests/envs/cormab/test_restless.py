"""The environments: contract, dynamics, rewards, infeasible actions, instances of one's own."""

from __future__ import annotations

import json

import gymnasium
import networkx
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CONSTRAINTS, REWARDS, tiny

from envs import batched_form, cormab
from envs.checks import check_batched_env
from envs.cormab import Instance, RestlessBandit
from envs.cormab.actions import FeasibleActions
from envs.cormab.constraints import Budget, Capacity, Linear, Path
from envs.cormab.graphs import underground

KINDS = ("budget", "capacity", "scheduling", "path", "interventions")
GENERATORS = {kind: getattr(cormab, f"{kind}_instance") for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{"reward": "vector"}, {"infeasible": "project"}, {"expected_rewards": True}])
def test_batched_forms_conform(kind, options):
    sizes = {"num_arms": 6, "budget": 2} | ({"num_interventions": 5} if kind == "interventions" else {})
    check_batched_env(lambda n: batched_form(f"cormab/{kind}-v0", n, horizon=7, **sizes, **options), steps=60)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_single_forms_fulfil_the_contract_of_gymnasium(kind):
    env = gymnasium.make(f"cormab/{kind}-v0", num_arms=8, budget=3, horizon=5, instance_seed=1)
    check_env(env.unwrapped, skip_render_check=True)
    env.reset(seed=0)
    env.action_space.seed(0)
    for step in range(5):
        action = env.action_space.sample()
        assert env.unwrapped.constraint.contains(action[None])[0]
        _, reward, terminated, truncated, _ = env.step(action)
        assert isinstance(reward, float)
        assert not terminated
        assert truncated == (step == 4)


@pytest.mark.parametrize("kind", KINDS)
def test_vector_form_is_many_single_ones(kind):
    arguments = {"num_arms": 8, "budget": 3, "horizon": 6, "instance_seed": 2}
    vector = gymnasium.make_vec(f"cormab/{kind}-v0", num_envs=4, **arguments)
    singles = [gymnasium.make(f"cormab/{kind}-v0", **arguments) for _ in range(4)]
    first, _ = vector.reset(seed=5)
    np.testing.assert_array_equal(first, [env.reset(seed=5 + row)[0] for row, env in enumerate(singles)])
    vector.action_space.seed(0)
    for _ in range(6):
        actions = vector.action_space.sample()
        assert actions.shape == (4, vector.single_action_space.n)
        observations, rewards, _, truncated, _ = vector.step(actions)
        results = [env.step(action) for env, action in zip(singles, actions, strict=True)]
        np.testing.assert_array_equal(observations, [result[0] for result in results])
        np.testing.assert_array_equal(rewards, np.array([result[1] for result in results], np.float32))
    assert truncated.all()
    assert rewards.shape == (4,)


def test_each_arm_moves_as_its_matrix_says():
    rng = np.random.default_rng(0)
    transitions = rng.dirichlet(np.ones(3), size=(2, 2, 3))
    transitions[0, 0] = np.eye(3)
    transitions[1, 1, 0] = [0.0, 0.3, 0.7]
    count = 60_000
    start = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    instance = Instance(transitions, rng.random((2, 3)), Budget(2, 2), start=start)
    env = RestlessBandit(count, instance=instance)
    rows = np.arange(count)
    before = env.reset(rows, rows)
    np.testing.assert_allclose([np.mean(before[:, 0] == s) for s in range(3)], start[0], atol=0.01)
    assert not before[:, 1].any()
    for step in range(3):
        actions = np.broadcast_to([[0, 1], [1, 0], [1, 1]][step], (count, 2))
        after, rewards, _, _ = env.step(rows, actions)
        for arm in range(2):
            for state in np.unique(before[:, arm]):
                met = after[before[:, arm] == state, arm]
                expected = transitions[arm, actions[0, arm], state]
                found = np.bincount(met, minlength=3) / met.size
                assert (np.abs(found - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / met.size)).all()
        np.testing.assert_allclose(rewards[:, 0], instance.rewards[[0, 1], after].sum(1), rtol=1e-6)
        before = after


def test_arms_are_independent_and_meet_the_same_luck_under_other_actions():
    instance = tiny("budget")
    env = RestlessBandit(5000, instance=instance)
    rows = np.arange(5000)
    env.reset(rows, rows)
    null = env.step(rows, np.zeros((5000, 4)))[0]
    assert np.abs(np.corrcoef(null.T) - np.eye(4)).max() < 0.06
    env.reset(rows, rows)
    some = env.step(rows, np.tile([1, 1, 0, 0], (5000, 1)))[0]
    np.testing.assert_array_equal(null[:, 2:], some[:, 2:])
    assert (some[:, :2] >= null[:, :2]).all()


def test_three_objectives():
    instance = Instance(
        tiny("capacity").transitions, REWARDS, CONSTRAINTS["capacity"], groups=[0, 0, 1, 1], action_costs=[2, 3, 4, 2]
    )
    env = RestlessBandit(50, instance=instance, reward="vector")
    rows, rng = np.arange(50), np.random.default_rng(0)
    env.reset(rows, rows)
    actions = instance.constraint.sample(rng, 50)
    states, rewards, _, _ = env.step(rows, actions)
    pay = REWARDS[np.arange(4), states]
    expected = np.stack([pay.sum(1), np.minimum(pay[:, :2].mean(1), pay[:, 2:].mean(1)), -(actions @ [2, 3, 4, 2])], 1)
    np.testing.assert_allclose(rewards, expected, rtol=1e-5)
    assert all(env.reward_space.contains(reward) for reward in rewards)
    expecting = RestlessBandit(50, instance=instance, reward="vector", expected_rewards=True)
    before = expecting.reset(rows, rows)
    found = expecting.step(rows, actions)[1]
    np.testing.assert_allclose(found[:, 0], instance.expected_reward(before, actions), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"expected_rewards": True}, {"infeasible": "penalise"}, {"reward": "vector"}])
def test_the_reward_is_the_sum_of_what_each_arm_added(options):
    instance = tiny("budget")
    env = RestlessBandit(40, instance=instance, **options)
    rows, rng = np.arange(40), np.random.default_rng(1)
    env.reset(rows, rows)
    actions = rng.random((40, 4)) < 0.5 if "infeasible" in options else instance.constraint.sample(rng, 40)
    states, rewards, _, _ = env.step(rows, actions)
    np.testing.assert_allclose(env.reward_parts.sum(1), rewards[:, 0], rtol=1e-5)
    if options in ({}, {"reward": "vector"}):
        np.testing.assert_array_equal(env.reward_parts, REWARDS[np.arange(4), states])
    before = env.reward_parts.copy()
    env.step(rows[:3], instance.constraint.sample(rng, 3))
    np.testing.assert_array_equal(env.reward_parts[3:], before[3:])


def test_expected_reward_is_the_formula():
    instance = tiny("budget")
    states, action = np.array([[0, 3, 1, 2]]), np.array([[1, 0, 0, 1]])
    up = np.array([0.80, 0.05, 0.15, 0.90])
    arms = np.arange(4)
    expected = up * REWARDS[arms, [1, 3, 2, 3]] + (1 - up) * REWARDS[arms, [0, 2, 0, 1]]
    np.testing.assert_allclose(instance.expected_reward(states, action), [expected.sum()])


def test_infeasible_actions():
    instance = tiny("budget")
    rows, asked = np.arange(2), np.array([[1, 1, 1, 1], [1, 0, 0, 0]])
    strict = RestlessBandit(2, instance=instance)
    strict.reset(rows, rows)
    with pytest.raises(ValueError, match=r"rows \[0\] are infeasible for Budget"):
        strict.step(rows, asked)
    assert not strict.action_space.contains(asked[0])
    assert strict.action_space.contains(asked[1])
    assert not strict.action_space.contains(np.array([2, 0, 0, 0]))
    plain = strict.step(rows, asked * [[1, 1, 0, 0]])
    results = {}
    for option in ("project", "penalise"):
        env = RestlessBandit(2, instance=instance, infeasible=option, penalty=10.0)
        assert env.action_space.contains(asked[0])
        env.reset(rows, rows)
        results[option] = env.step(rows, asked)
        assert instance.constraint.contains(env.executed_actions).all()
        assert env.executed_actions.sum(1).tolist() == [2, 1]
        assert all(env.reward_space.contains(reward) for reward in results[option][1])
    np.testing.assert_array_equal(results["project"][0], results["penalise"][0])
    np.testing.assert_array_equal(results["project"][0][1], plain[0][1])
    np.testing.assert_allclose(results["project"][1] - results["penalise"][1], [[10], [0]], rtol=1e-5)


def test_libraries_that_only_know_the_shape_of_actions_can_act():
    env = gymnasium.make("cormab/budget-v0", num_arms=6, budget=2)
    env.reset(seed=0)
    for action, pulled in (([1, 1, 1, 1, 0, 0], 2), ([0, 1, 0, 0, 0, 0], 1)):
        env.step(np.array(action))
        executed = env.unwrapped.executed_actions[0]
        assert executed.sum() == pulled
        assert (executed <= np.array(action, np.bool_)).all()
    strict = gymnasium.make("cormab/budget-v0", num_arms=6, budget=2, infeasible="error")
    strict.reset(seed=0)
    with pytest.raises(ValueError, match="are infeasible for Budget"):
        strict.step(np.ones(6, np.int64))
    both = gymnasium.make_vec("cormab/budget-v0", num_envs=2, num_arms=6, budget=2)
    both.reset(seed=0)
    both.step(np.ones((2, 6), np.int64))
    assert both.batched.executed_actions.sum(1).tolist() == [2, 2]


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(4), np.full((2, 4), 0.5), np.full((2, 4), 2)])
def test_what_is_no_action_changes_nothing(bad):
    env = RestlessBandit(2, instance=tiny("budget"), horizon=1, infeasible="project")
    env.reset(np.arange(2), np.arange(2))
    with pytest.raises(ValueError, match="actions"):
        env.step(np.arange(2), bad)
    assert env.step(np.arange(2), np.zeros((2, 4)))[3].all()


def test_own_constraint_given_as_rows():
    instance = Instance(tiny("budget").transitions, REWARDS, Linear([[1, 1, 0, 0], [0, 0, 1, 1]], [0, 1], [1, 1]))
    check_batched_env(lambda n: RestlessBandit(n, instance=instance, horizon=5), steps=40)
    env = gymnasium.make("cormab/budget-v0", instance=instance, horizon=3)
    assert env.unwrapped.constraint is instance.constraint


@pytest.mark.parametrize("kind", [*CONSTRAINTS, "sigmoid", "linear"])
def test_an_instance_is_stored(kind, tmp_path):
    if kind == "linear":
        instance = Instance(tiny("budget").transitions, REWARDS, Linear([[1, 2, 3, 4]], [1], [5]), groups=[1, 1, 0, 0])
    else:
        instance = tiny(kind)
    instance.save(tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["instance.json", "instance.npz"]
    again = Instance.load(tmp_path / "kept")
    for name in ("transitions", "rewards", "link", "start", "groups", "action_costs"):
        np.testing.assert_array_equal(getattr(instance, name), getattr(again, name))
    assert type(again.constraint) is type(instance.constraint)
    np.testing.assert_array_equal(again.constraint.enumerate(100), instance.constraint.enumerate(100))
    env = gymnasium.make("cormab/budget-v0", instance=str(tmp_path / "kept"))
    action = instance.constraint.sample(np.random.default_rng(0), 1)[0]
    other = gymnasium.make("cormab/budget-v0", instance=instance)
    np.testing.assert_array_equal(env.reset(seed=1)[0], other.reset(seed=1)[0])
    assert env.step(action)[1] == other.step(action)[1]


def test_only_instances_are_loaded(tmp_path):
    tiny("path").save(tmp_path)
    record = json.loads((tmp_path / "instance.json").read_text())
    for change, message in (
        ({"constraint": "Constraint"}, "not known"),
        ({"constraint": "os"}, "not known"),
        ({"format": 99}, "format 1"),
    ):
        (tmp_path / "instance.json").write_text(json.dumps(record | change))
        with pytest.raises(ValueError, match=message):
            Instance.load(tmp_path)

    class Mine(Budget):
        pass

    with pytest.raises(ValueError, match="write it as constraints"):
        Instance(tiny("budget").transitions, REWARDS, Mine(4, 2)).save(tmp_path)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 25), st.data())
def test_generators_follow_the_published_distributions(kind, num_arms, data):
    budget, seed = data.draw(st.integers(0, min(num_arms, 9))), data.draw(st.integers(0, 2**31))
    instance = GENERATORS[kind](num_arms=num_arms, budget=budget, seed=seed, paper_order=True)
    again = GENERATORS[kind](num_arms=num_arms, budget=budget, seed=seed)
    good = np.arange(num_arms) < budget
    np.testing.assert_array_equal(instance.groups, ~good)
    np.testing.assert_array_equal(instance.rewards[:, :3], np.where(good[:, None], [0.2, 0.15, 0.1], [0.1, 0.15, 0.2]))
    top = instance.rewards[:, 3]
    assert np.isin(top[good], (4, 5, 6)).all()
    assert np.isin(top[~good], (1, 2, 3)).all()
    up = instance.transitions[:, :, 1, 2]
    if kind == "interventions":
        np.testing.assert_allclose(up[:, 0], 0.01)
        assert (np.diff(up, axis=1) > 0).all()
        assert (instance.link.sum(0) <= 3).all()
    else:
        assert ((up[:, 0] >= 0) & (up[:, 0] <= 0.2)).all()
        assert ((up[:, 1] >= 0.7) & (up[:, 1] <= 0.9)).all()
    np.testing.assert_allclose(instance.transitions[:, :, 0, 0], 1 - instance.transitions[:, :, 0, 1])
    # The same arms in another order.
    for field in ("rewards", "groups"):
        np.testing.assert_array_equal(np.sort(getattr(instance, field).ravel()), np.sort(getattr(again, field).ravel()))
    assert instance.constraint.contains(instance.constraint.sample(np.random.default_rng(0), 5)).all()


def test_seeds_make_instances():
    one, same, other = (cormab.capacity_instance(seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.transitions, same.transitions)
    np.testing.assert_array_equal(one.constraint.costs, same.constraint.costs)
    assert not np.array_equal(one.transitions, other.transitions)
    np.testing.assert_array_equal(one.transitions, cormab.scheduling_instance(seed=1).transitions)
    assert not np.array_equal(one.rewards, cormab.capacity_instance(seed=1, paper_order=True).rewards)


def test_interventions_reach_arms_as_published():
    instance = cormab.interventions_instance(num_arms=20, budget=5, num_interventions=10, seed=4, paper_order=True)
    strong = instance.link[10:].sum(0)
    assert sorted(strong) == [0] * 5 + [3] * 5
    assert sorted(instance.link[10:].sum(1)) == [0] + [1] * 6 + [3] * 3
    assert sorted(instance.link[:10].sum(0)) == [0] * 5 + [3] * 5


@pytest.mark.parametrize(("num_nodes", "num_edges"), [(1, 0), (2, 1), (5, 7), (20, 28), (100, 140)])
def test_generated_graphs_are_connected_and_sparse(num_nodes, num_edges):
    graph = networkx.Graph(map(tuple, underground(num_nodes, np.random.default_rng(num_nodes))))
    graph.add_nodes_from(range(num_nodes))
    assert networkx.is_connected(graph)
    assert graph.number_of_edges() == num_edges
    assert not networkx.number_of_selfloops(graph)


def test_a_graph_of_ones_own():
    graph = networkx.cycle_graph(["depot", "north", "east", "south", "west"])
    env = gymnasium.make("cormab/path-v0", graph=graph, source="depot", budget=2, max_edges=4)
    constraint = env.unwrapped.constraint
    assert isinstance(constraint, Path)
    assert constraint.source == 0
    np.testing.assert_array_equal(
        constraint.contains([[0, 1, 1, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0], [1, 0, 0, 1, 0]]), [True, True, False, True]
    )
    assert cormab.path_instance(graph=graph, budget=1).constraint.source == 0


P = np.full((2, 2, 2, 2), 0.5)
R = np.ones((2, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((P[0], R, Budget(2, 1)), r"transitions has shape \(2, 2, 2\)"),
        ((P * 0.9, R, Budget(2, 1)), "sum to one"),
        ((P * np.nan, R, Budget(2, 1)), "not finite"),
        ((P, R[:1], Budget(2, 1)), r"rewards has shape \(1, 2\)"),
        ((P, R * np.inf, Budget(2, 1)), "rewards is not finite"),
        ((P, R, Budget(3, 1)), "3 components and there are 2 arms"),
        ((P, R, "budget"), "expected one of envs.cormab.constraints"),
        ((P, R, Budget(3, 1), np.ones((2, 3))), "reaches the level 3"),
        ((P, R, Budget(3, 1), np.ones((3, 2))), "link has shape"),
        ((P, R, Budget(2, 1), None, np.ones((2, 2))), r"start\[0\] sums to 2"),
        ((P, R, Budget(2, 1), None, None, [0]), "groups has shape"),
        ((P, R, Budget(2, 1), None, None, None, [-1, 0]), "action_costs holds -1"),
    ],
)
def test_impossible_instances_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Instance(*arguments)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("budget", {"num_arms": 3, "budget": 4}, "budget is 4 for 3 arms"),
        ("budget", {"num_arms": 0}, "num_arms is 0"),
        ("budget", {"instance_seed": -1}, "instance_seed is -1"),
        ("budget", {"horizon": 0}, "horizon is 0"),
        ("budget", {"reward": "both"}, "reward is 'both'"),
        ("budget", {"infeasible": "ignore"}, "infeasible is 'ignore'"),
        ("budget", {"infeasible": "penalise", "penalty": -1.0}, "penalty is -1"),
        ("budget", {"instance": 3}, "instance is 3"),
        ("budget", {"instance": tiny("budget"), "num_arms": 4}, "num_arms and an instance"),
        ("interventions", {"budget": 10, "num_interventions": 10}, "expected 0 to num_interventions - 1"),
        ("capacity", {"budget": 1.5}, "budget is 1.5; expected an integer"),
        ("path", {"source": 1}, "give graph as well"),
        ("path", {"graph": [(0, 1)], "budget": 1}, "expected a networkx.Graph"),
        ("path", {"graph": networkx.path_graph(3), "source": "x", "budget": 1}, "source 'x' is not a node"),
        ("budget", {"budget": float("nan")}, "budget is nan"),
    ],
)
def test_impossible_arguments_are_refused(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        gymnasium.make(f"cormab/{kind}-v0", **arguments)


def test_spaces_of_equal_constraints_are_equal():
    one, again = (FeasibleActions(Capacity(costs=[2, 3, 4], capacities=[3, 5])) for _ in range(2))
    assert one == again
    assert one != FeasibleActions(Capacity(costs=[2, 3, 4], capacities=[3, 4]))
    assert one != FeasibleActions(Budget(size=3, budget=1))
