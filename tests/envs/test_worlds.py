"""Our own worlds, and the exact solver, against brute force and simulation."""

from __future__ import annotations

import itertools

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import batched_form
from envs.tabular.exact import optimal_values, policy_values
from envs.tabular.tables import Tables, grid_moves
from envs.tabular.walk_room import front_of_walk_room, wall_of_walk_room
from morl.oracles import pareto_value_iteration


def non_dominated(values):
    better = (values[:, None] >= values).all(-1) & (values[:, None] > values).any(-1)
    return np.unique(values[~better.any(0)].round(9), axis=0)


def random_tables(rng, states=6, actions=3, branches=2, objectives=2, end=0.2):
    probabilities = rng.random((states, actions, branches))
    return Tables(
        successors=rng.integers(states, size=probabilities.shape),
        probabilities=probabilities / probabilities.sum(-1, keepdims=True),
        rewards=rng.normal(size=(*probabilities.shape, objectives)).astype(np.float32),
        terminal=rng.random(probabilities.shape) < end,
        observations=np.arange(states),
        starts=np.array([0, 1]),
    )


def linear_solve(tables, policy, gamma):
    """Value of one policy by solving its linear equations."""
    number = tables.successors.shape[0]
    here = np.arange(number), policy
    chance = tables.probabilities[here]
    matrix = np.zeros((number, number))
    rows = np.repeat(np.arange(number), chance.shape[1])
    np.add.at(matrix, (rows, tables.successors[here].ravel()), (gamma * chance * ~tables.terminal[here]).ravel())
    rewards = (chance[..., None] * tables.rewards[here].astype(float)).sum(1)
    return np.linalg.solve(np.eye(number) - matrix, rewards)[tables.starts].mean(0)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.98))
def test_policy_values_solve_the_linear_equations(seed, gamma):
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    policies = rng.integers(3, size=(2, 4, 6))
    expected = np.array([[linear_solve(tables, policy, gamma) for policy in group] for group in policies])
    np.testing.assert_allclose(policy_values(tables, policies, gamma), expected, atol=1e-8)


@given(st.integers(0, 2**32 - 1))
def test_optimal_values_are_the_best_of_all_policies(seed):
    rng = np.random.default_rng(seed)
    tables = random_tables(rng, states=4)
    weights = rng.dirichlet(np.ones(2), size=(3, 2))
    values = policy_values(tables, np.array(list(itertools.product(range(3), repeat=4))), 0.9)
    found = optimal_values(tables, weights, 0.9)
    assert found.shape == weights.shape
    np.testing.assert_allclose((found * weights).sum(-1), (weights @ values.T).max(-1), atol=1e-8)


def test_optimal_values_of_deep_sea_treasure():
    tables = batched_form("deep-sea-treasure-v0", 1).tables
    # Per unit of treasure time costs nothing, then everything, then in between (by hand: 8.2 - 3 x 1.2 is the best).
    weights = np.array([[1.0, 0.0], [1.0, 1e-6], [0.0, 1.0], [1.0, 2.5]])
    expected = [[23.7, -19], [23.7, -19], [0.7, -1], [8.2, -3]]
    np.testing.assert_allclose(optimal_values(tables, weights, 1.0), expected, rtol=1e-6)


def test_without_discount_the_optimal_policy_still_ends():
    # Walking about costs nothing here, so a policy that never goes home has the same optimal-looking values.
    tables = batched_form("resource-gathering-v0", 1).tables
    values = optimal_values(tables, [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.2, 0.4, 0.4]], 1.0)
    np.testing.assert_allclose(values, [[0, 1, 1]] * 3, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")
def test_resource_gathering_has_a_safe_way_to_both_resources():
    # 18 steps past both enemies, on no list of the original's front: (0, 1, 1) undiscounted dominates all of that list.
    import mo_gymnasium

    env = mo_gymnasium.make("resource-gathering-v0")
    env.reset(seed=0)
    up, down, left, right = range(4)
    way = [up, up, left, up, up, right, left, down, down, right, right, up, right, down, down, down, left, left]
    rewards, ends = zip(*[env.step(action)[1:3] for action in way], strict=True)
    np.testing.assert_array_equal(np.sum(rewards, axis=0), [0, 1, 1])
    assert list(ends) == [False] * 17 + [True]
    values = optimal_values(batched_form("resource-gathering-v0", 1).tables, [0.4, 0.3, 0.3], 0.99)
    np.testing.assert_allclose(values, [0, 0.99**17, 0.99**17])


@pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")
def test_optimal_values_of_resource_gathering_match_the_known_front():
    import mo_gymnasium

    # The original discounts its known front once more than its episodes are: the first reward counts gamma, not one.
    front = np.array(mo_gymnasium.make("resource-gathering-v0").unwrapped.pareto_front(0.9)) / 0.9
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=200)
    values = optimal_values(batched_form("resource-gathering-v0", 1).tables, weights, 0.9)
    np.testing.assert_allclose((values * weights).sum(-1), (weights @ front.T).max(-1), atol=1e-9)


def test_exact_solver_refuses_what_it_cannot_solve():
    tables = batched_form("deep-sea-treasure-v0", 1).tables
    with pytest.raises(RuntimeError, match="lower gamma"):
        policy_values(tables, np.zeros(121, np.int64), 1.0, max_sweeps=50)  # up for ever
    with pytest.raises(ValueError, match="between 0 and 1"):
        optimal_values(tables, [0.5, 0.5], 1.5)
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 2\)"):
        optimal_values(tables, [0.2, 0.3, 0.5], 0.9)


@pytest.mark.parametrize("gamma", [1.0, 0.95, 0.7, 0.3, 0.0])
def test_corridor_front_is_that_of_all_policies(gamma):
    batched = batched_form("tabular/treasure-corridor-v0", 1)
    policies = np.array(list(itertools.product(range(2), repeat=6)))
    np.testing.assert_allclose(
        np.unique(batched.pareto_front(gamma).round(9), axis=0), non_dominated(policy_values(batched.tables, policies, gamma))
    )


def test_corridor_front_is_partly_concave():
    batched = batched_form("tabular/treasure-corridor-v0", 1)
    front = batched.pareto_front(1.0)
    np.testing.assert_array_equal(front, [[1, -1], [2, -2], [3, -3], [8, -4], [10, -5], [11, -6]])
    first = np.linspace(0.0, 1.0, 1001)
    weights = np.stack([first, 1 - first], axis=-1)
    supported = np.unique((weights @ front.T).argmax(-1))
    np.testing.assert_array_equal(supported, [0, 3, 4, 5])
    found = np.unique(optimal_values(batched.tables, weights, 1.0).round(9), axis=0)
    np.testing.assert_array_equal(found, front[[0, 3, 4, 5]])


def test_identity_front():
    env = gymnasium.make("tabular/identity-v0")
    tables = env.unwrapped.tables
    np.testing.assert_allclose(optimal_values(tables, [0.2, 0.8], 0.9)[None], env.unwrapped.pareto_front(0.9))
    observation, _ = env.reset(seed=3)
    _, reward, terminated, truncated, _ = env.step(observation)
    np.testing.assert_array_equal(reward, [1.0, 0.5])
    assert terminated
    assert not truncated


def simulate(batched, act, gamma, episodes):
    rows = np.arange(episodes)
    observations = batched.reset(rows, rows)
    total = np.zeros((episodes, 2))
    for step in range(batched.max_episode_steps):
        observations, rewards, _, truncated = batched.step(rows, act(observations))
        total += gamma**step * rewards
    assert truncated.all()
    return total


@pytest.mark.parametrize("first_weight", [0.0, 0.3, 0.5, 1.0])
def test_two_targets_value_is_what_the_best_action_earns(first_weight):
    batched = batched_form("continuous/two-targets-v0", 4000, horizon=4)
    weights = np.array([first_weight, 1 - first_weight])

    def best(x):
        return (weights[0] * x + weights[1] * np.stack([-x[:, 1], x[:, 0]], axis=-1)) / 2

    returns = simulate(batched, best, 0.9, 4000)
    error = returns.std(0) / np.sqrt(4000)
    assert (np.abs(returns.mean(0) - batched.optimal_value(weights, 0.9)) <= 4 * error + 1e-6).all()
    # Any other action is worse by exactly its squared distance, in each step.
    worse = simulate(batched, lambda x: best(x) + np.array([0.1, -0.2], np.float32), 0.9, 4000)
    np.testing.assert_allclose(((returns - worse) @ weights), 0.05 * (1 - 0.9**4) / 0.1, atol=1e-4)


def test_two_targets_front():
    batched = batched_form("continuous/two-targets-v0", 1)
    front = batched.pareto_front(1.0, num_points=5)
    np.testing.assert_allclose(np.sqrt(-front).sum(-1), np.sqrt(10 / 3))  # the curve's equation
    np.testing.assert_allclose(front, batched.optimal_value([[i / 4, 1 - i / 4] for i in range(5)], 1.0))
    assert batched_form("continuous/two-targets-v0", 1, max_episode_steps=3).optimal_value([1.0, 0.0], 1.0)[1] == -1.0


def test_two_targets_clips_actions_and_stays_in_its_reward_space():
    rows = np.arange(1000)
    batched = batched_form("continuous/two-targets-v0", 1000)
    batched.reset(rows, rows)
    far = batched.step(rows, np.full((1000, 2), 7.0))[1]
    batched.reset(rows, rows)
    edge = batched.step(rows, np.ones((1000, 2)))[1]
    np.testing.assert_array_equal(far, edge)
    assert (edge >= batched.reward_space.low).all()


def test_quadratic_bandit_value_is_what_the_best_action_earns():
    batched = batched_form("continuous/quadratic-bandit-v0", 500, num_objectives=3, action_size=4, instance_seed=2)
    rng, rows = np.random.default_rng(0), np.arange(500)
    weights = rng.dirichlet(np.ones(3), size=500)
    best = batched.optimal_action(weights)
    batched.reset(rows, rows)
    rewards, ended = batched.step(rows, best)[1:3]
    assert ended.all()
    np.testing.assert_allclose(rewards, batched.optimal_value(weights, 0.9), atol=1e-5)
    # Any other action is worse by exactly its squared distance.
    batched.reset(rows, rows)
    others = rng.uniform(-1, 1, size=best.shape)
    worse = batched.step(rows, others)[1]
    np.testing.assert_allclose(((rewards - worse) * weights).sum(1), ((others - best) ** 2).sum(1), atol=1e-5)


def test_quadratic_bandit_front():
    batched = batched_form("continuous/quadratic-bandit-v0", 1, centres=[[0.5, 0.0], [-0.5, 0.0]])
    front = batched.pareto_front(1.0, num_points=5)
    np.testing.assert_allclose(front[::4], [[-1, 0], [0, -1]])
    np.testing.assert_allclose(np.sqrt(-front).sum(-1), 1.0)  # on the segment the distances add up to that of the centres
    many = batched_form("continuous/quadratic-bandit-v0", 1, num_objectives=4).pareto_front(1.0, num_points=60)
    assert many.shape == (56, 4)
    assert len(non_dominated(many)) == 56


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"num_objectives": 0}, "num_objectives is 0"),
        ({"action_size": 2.5}, "action_size is 2.5"),
        ({"centres": [0.0, 1.0]}, "centres has shape"),
        ({"centres": [[0.0, 2.0]]}, "within"),
        ({"centres": "here"}, "centres holds text"),
    ],
)
def test_quadratic_bandit_refuses_what_makes_no_sense(arguments, said):
    with pytest.raises(ValueError, match=said):
        batched_form("continuous/quadratic-bandit-v0", 1, **arguments)


def test_grid_moves():
    blocked = np.array([[False, True], [False, False]])
    moves = grid_moves(2, 2, blocked, np.array([[0, 1], [1, 0]]))
    np.testing.assert_array_equal(moves, [[0, 2], [1, 3], [3, 2], [3, 3]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"successors": np.full((6, 3, 2), 6)}, "states 0 to 5"),
        ({"probabilities": np.full((6, 3, 2), 0.4)}, r"probabilities\[0, 0\] sums to 0.8 .*state 0, action 0"),
        ({"rewards": np.zeros((6, 3, 2), np.float32)}, "number of objectives"),
        ({"terminal": np.zeros((6, 3, 1), np.bool_)}, "same shape"),
        ({"observations": np.arange(5)}, "one per state"),
    ],
)
def test_tables_refuse_what_does_not_fit(change, message):
    good = random_tables(np.random.default_rng(0))
    fields = {name: getattr(good, name) for name in Tables.__dataclass_fields__}
    with pytest.raises(ValueError, match=message):
        Tables(**{**fields, **change})


@pytest.mark.parametrize(("objectives", "points"), [(2, 8), (3, 63), (4, 289), (5, 1_178), (6, 611)])
def test_walk_rooms_have_the_published_fronts(objectives, points):
    assert len(front_of_walk_room(wall_of_walk_room(objectives))) == points
    if objectives == 2:
        published = [[0, -19], [-2, -16], [-4, -15], [-5, -13], [-8, -10], [-10, -5], [-13, -4], [-17, 0]]
        assert sorted(published) == front_of_walk_room(wall_of_walk_room(2)).tolist()


@pytest.mark.parametrize(("objectives", "size", "world"), [(2, None, 0), (2, 7, 5), (3, 5, 1)])
def test_the_front_of_a_walk_room_is_that_of_its_tables(objectives, size, world):
    room = batched_form("tabular/walk-room-v0", 1, num_objectives=objectives, size=size, world=world)
    np.testing.assert_array_equal(pareto_value_iteration(room.tables, 1.0).values, room.undiscounted_front())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_objectives": 5}, r"20 cells along each of 5 coordinates are 3,200,000, more than 200,000"),
        ({"num_objectives": 1}, "num_objectives must be from 2 to 9, found 1"),
        ({"size": 2}, "size must be from 3"),
        ({"world": -1}, "world must be from 0"),
    ],
)
def test_impossible_walk_rooms_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        batched_form("tabular/walk-room-v0", 1, **wrong)
