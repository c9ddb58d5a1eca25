"""The coverage environments: against plain reference code."""

from __future__ import annotations

import gymnasium
import networkx
import numpy as np
import pytest
import scipy
import torch
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import batched_form
from envs.checks import check_batched_env, check_vector_reward_env
from envs.coverage import GP, Ant, Car, ExperimentDesign, Graph, Grid, Hub, Items, SubmodularReward, TwoRooms
from envs.coverage.gaussian_process import matern, posterior
from envs.coverage.graph_world import GraphWorld
from envs.coverage.grids import GridMap
from envs.coverage.set_functions import Coverage, GroupCap, LogDet, Modular, Stack

# Small sizes for what is tested on every environment.
SMALL = {
    "coverage/grid-v0": {"rows": 6, "columns": 7, "horizon": 12},
    "coverage/two-rooms-v0": {"horizon": 12},
    "coverage/gp-v0": {"rows": 6, "columns": 7, "horizon": 12},
    "coverage/bimodal-v0": {"rows": 6, "columns": 7, "horizon": 12},
    "coverage/items-v0": {"horizon": 12},
    "coverage/experiment-design-v0": {"rows": 6, "columns": 7, "horizon": 12},
    "coverage/graph-v0": {"num_nodes": 12, "horizon": 12},
    "coverage/hub-v0": {},
}
IDS = list(SMALL)


def chance(env_id):
    """Name of the argument that makes the world stochastic."""
    return "p" if env_id == "coverage/hub-v0" else "slip"


STEPS = [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)]


class Plain:
    """A grid world with the value computed from scratch by Python sets after every step."""

    def __init__(self, free, start, horizon, value):
        self._free, self._first, self._horizon, self._value = free, start, horizon, value

    def _observation(self):
        rows, columns = self._free.shape
        here = 2 * self._here[0] / (rows - 1) - 1, 2 * self._here[1] / (columns - 1) - 1
        return np.array([*here, self._time / self._horizon], np.float32)

    def reset(self, *, seed):
        self._here, self._time, self._path = self._first, 0, [self._first]
        return self._observation(), {}

    def step(self, action):
        there = self._here[0] + STEPS[action][0], self._here[1] + STEPS[action][1]
        inside = 0 <= there[0] < self._free.shape[0] and 0 <= there[1] < self._free.shape[1]
        if inside and self._free[there]:
            self._here = there
        before = self._value(self._path)
        self._path.append(self._here)
        self._time += 1
        reward = np.array([self._value(self._path) - before], np.float32)
        return self._observation(), reward, np.bool_(self._time == self._horizon), np.bool_(False), {}


def seen(path, free, width, worth):
    rows, columns = free.shape
    union = {
        (i + a, j + b)
        for i, j in path
        for a in range(width)
        for b in range(width)
        if i + a < rows and j + b < columns and free[i + a, j + b]
    }
    return sum(float(np.float32(worth[cell])) for cell in union)


def open_grid(rows, columns):
    return np.ones((rows, columns), np.bool_)


def rooms():
    free = open_grid(7, 14)
    free[[0, 1, 4, 5, 6], 4:10] = False
    return free


def plain_items(world):
    groups = {divmod(v, 15): int(group) for v, group in enumerate(world.groups) if group >= 0}

    def value(path):
        kinds = [groups[cell] for cell in set(path) if cell in groups]
        return sum(min(kinds.count(kind), cap) for kind, cap in enumerate((3, 2, 3, 4, 6, 3)))

    return value


@pytest.mark.parametrize("width", [1, 2, 3])
def test_grid_is_the_plain_one(width):
    disc = ["cell", "block", "large"][width - 1]
    free = open_grid(5, 6)
    check_batched_env(
        lambda number: Grid(number, rows=5, columns=6, horizon=15, start=(4, 2), disc=disc),
        lambda: Plain(free, (4, 2), 15, lambda path: seen(path, free, width, np.ones((5, 6)))),
        steps=100,
    )


def test_two_rooms_are_the_plain_ones():
    free = rooms()
    check_batched_env(
        lambda number: TwoRooms(number, horizon=25),
        lambda: Plain(free, (2, 6), 25, lambda path: seen(path, free, 2, np.ones(free.shape))),
        steps=150,
    )


@pytest.mark.parametrize("env_id", ["coverage/gp-v0", "coverage/bimodal-v0"])
def test_fields_are_the_plain_ones(env_id):
    field, free = batched_form(env_id, 1, rows=6, columns=5).field, open_grid(6, 5)
    check_batched_env(
        lambda number: batched_form(env_id, number, rows=6, columns=5, horizon=15),
        lambda: Plain(free, (1, 4), 15, lambda path: seen(path, free, 2, field)),
        steps=80,
    )


def test_items_are_the_plain_ones():
    value = plain_items(Items(1, instance_seed=3))
    check_batched_env(
        lambda number: Items(number, instance_seed=3),
        lambda: Plain(open_grid(7, 15), (2, 4), 39, value),
        steps=150,
    )


def test_experiment_design_pays_the_growth_of_the_determinant():
    world = ExperimentDesign(4, rows=6, columns=5, horizon=20, noise_variance=1e-3, instance_seed=2)
    known = np.random.default_rng(2).uniform(0, 10, size=(5, 2))
    points = 1.0 + 0.1 * np.array([(i, j) for i in range(6) for j in range(5)])
    both = np.concatenate([points, known])
    joint = matern(both, both, variance=np.log(2), length_scale=1.0)
    joint[30:, 30:] += 1e-3 * np.eye(5)
    kernel = np.linalg.inv(np.linalg.inv(joint)[:30, :30])  # conditioning, by the precision matrix
    rows, rng = np.arange(4), np.random.default_rng(0)
    world.reset(rows, rows)
    paths, total = [world.nodes.copy()], world.start_value.copy()
    for _ in range(20):
        total = total + world.step(rows, rng.integers(5, size=4))[1]
        paths.append(world.nodes.copy())
    for row, path in enumerate(np.transpose(paths)):
        expected = 0.5 * np.linalg.slogdet(np.eye(21) + kernel[np.ix_(path, path)] / 1e-3)[1]
        assert total[row, 0] == pytest.approx(expected, rel=1e-5)
        assert world.values[row, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("observation", ["markov", "index", "history", "summary"])
@pytest.mark.parametrize("env_id", IDS)
def test_conformance_with_slips(env_id, observation):
    arguments = {**SMALL[env_id], chance(env_id): 0.3, "observation": observation}
    check_batched_env(lambda number: batched_form(env_id, number, **arguments), steps=60, num_envs=3)


@pytest.mark.parametrize("env_id", IDS)
@given(st.integers(0, 2**31 - 1))
@settings(max_examples=5)
def test_rewards_add_up_along_every_episode(env_id, seed):
    world = batched_form(env_id, 6, **SMALL[env_id], **{chance(env_id): 0.2})
    rng, rows = np.random.default_rng(seed), np.arange(6)
    world.reset(rows, rng.integers(2**31, size=6))
    assert (world.values == world.start_value).all()
    path, total = [world.nodes.copy()], np.tile(world.start_value, (6, 1))
    for step in range(world.horizon):
        _, rewards, terminated, truncated = world.step(rows, rng.integers(world.action_space.n, size=6))
        path.append(world.nodes.copy())
        total += rewards
        assert (rewards <= world.reward_space.high).all()
        assert (rewards >= world.reward_space.low - 1e-12).all()
        assert (terminated == (step == world.horizon - 1)).all()
        assert not truncated.any()
    once = world.set_function.trajectory_gains(torch.from_numpy(np.stack(path, 1))).sum(1).numpy()
    np.testing.assert_allclose(total, once, rtol=1e-5)
    np.testing.assert_allclose(world.values, once, rtol=1e-9)


@pytest.mark.parametrize("env_id", IDS)
def test_defaults_are_the_published_sizes(env_id):
    world = batched_form(env_id, 1)
    expected = {"grid": (900, 79), "hub": (4, 3), "two-rooms": (68, 39), "items": (105, 39), "graph": (60, 20)}
    assert (world.successors.shape[0], world.horizon) == expected.get(env_id[9:-3], (900, 39))
    assert gymnasium.make(env_id).unwrapped.horizon == world.horizon
    assert gymnasium.make_vec(env_id, num_envs=2).num_envs == 2


def test_two_rooms_discs():
    expected = [
        "4442######4442",
        "4443######4442",
        "44444444444442",
        "44432222234442",
        "4442######4442",
        "4442######4442",
        "2221######2221",
    ]
    world = TwoRooms(1)
    sizes = np.full(rooms().shape, "#")
    sizes[rooms()] = world.set_function.singletons()[:, 0].numpy().astype(int).astype(str)
    assert ["".join(row) for row in sizes] == expected


# --- instances -----------------------------------------------------------------------------------------------------
def test_instances_are_functions_of_their_seed():
    fields = [GP(1, instance_seed=seed).field for seed in (0, 0, 1)]
    np.testing.assert_array_equal(fields[0], fields[1])
    assert not np.allclose(fields[0], fields[2])
    assert fields[0].min() > 0
    groups = [Items(1, instance_seed=seed).groups for seed in (0, 0, 1)]
    np.testing.assert_array_equal(groups[0], groups[1])
    assert (groups[0] != groups[2]).any()
    assert np.bincount(groups[0] + 1).tolist() == [12, 18, 14, 13, 16, 18, 14]


def test_field_is_smooth_and_has_the_prior_spread():
    fields = np.stack([GP(1, instance_seed=seed, rows=12, columns=12).field for seed in range(200)])
    corner = fields[:, 0, 0]
    # Known to be 0 somewhere, hence less spread than the prior everywhere.
    assert corner.mean() == pytest.approx(3.0, abs=0.25)
    assert corner.std() < np.sqrt(np.log(2))
    assert np.abs(np.diff(fields, axis=2)).max() < 0.6


def test_matern_value_and_posterior():
    # The family's general form, with a Bessel function, at smoothness 5/2.
    scaled = np.sqrt(5.0) * 0.1 / 1.3
    expected = np.log(2) * 2**-1.5 / scipy.special.gamma(2.5) * scaled**2.5 * scipy.special.kv(2.5, scaled)
    found = matern(np.array([[0.0]]), np.array([[0.1]]), variance=np.log(2), length_scale=1.3)
    assert found[0, 0] == pytest.approx(expected, rel=1e-12)
    # The published float32 covariances, after measurements far away, show 0.687434 here.
    found = matern(np.array([[0.0]]), np.array([[0.1]]), variance=np.log(2), length_scale=1.0)
    assert found[0, 0] == pytest.approx(0.687434, abs=2e-6)
    points = np.array([[0.0], [1.0]])
    mean, covariance = posterior(points, points[:1], np.ones(1), variance=2.0, length_scale=1.0, noise_variance=1e-12)
    assert mean[0] == pytest.approx(1.0)
    assert covariance[0, 0] == pytest.approx(0.0, abs=1e-9)
    assert 0 < covariance[1, 1] < 2.0


def test_slips_are_independent_and_as_frequent_as_said():
    number = 40_000
    world = Grid(number, horizon=1, start=(10, 10), slip=0.25)
    rows = np.arange(number)
    world.reset(rows, rows)
    world.step(rows, np.ones(number, np.int64))
    reached = np.bincount(world.nodes, minlength=900)[world.successors[world.start]] / number
    np.testing.assert_allclose(reached, [0.05, 0.8, 0.05, 0.05, 0.05], atol=0.006)


def test_rows_may_slip_differently():
    world, rows = Grid(3, rows=4, columns=4, start=(1, 1), horizon=1), np.arange(3)
    reached = []
    for seed in range(200):
        world.reset(rows, rows + 3 * seed, np.array([[0.0], [0.5], [1.0]]))
        world.step(rows, np.ones(3, np.int64))
        reached.append(world.nodes == world.successors[world.start, 1])
    np.testing.assert_allclose(np.mean(reached, 0), [1.0, 0.6, 0.2], atol=0.12)
    assert world.executed([0.5])[0, 1] == pytest.approx([0.1, 0.6, 0.1, 0.1, 0.1])
    world.reset(rows, rows)
    assert (world.get_params() == 0).all()
    with pytest.raises(ValueError, match="slip"):
        world.reset(rows, rows, np.full((3, 1), 1.2))


@pytest.mark.parametrize("p", [0.5, 0.3, 1.0])
def test_hub_pays_who_remembers(p):
    world, number = Hub(20_000, p=p), 20_000
    rows = np.arange(number)
    world.reset(rows, rows)
    world.step(rows, rows % 2)
    first = world.nodes.copy()
    assert np.mean(first == 1) == pytest.approx(p, abs=0.015)
    world.step(rows, rows % 2)
    assert (world.nodes == 3).all()
    forgetful = (rows % 4 == 0).astype(np.int64)  # to x with probability 3/4
    chosen = np.where(rows < number // 2, (first == 1).astype(np.int64), forgetful)
    assert world.step(rows, chosen)[2].all()
    assert (world.values[: number // 2] == 2).all()
    expected = 1 + p * 0.25 + (1 - p) * 0.75
    assert world.values[number // 2 :].mean() == pytest.approx(expected, abs=0.02)


def test_observations_show_what_they_promise():
    worlds = {kind: Grid(1, rows=3, columns=3, start=(0, 0), horizon=2, observation=kind) for kind in ("index", "history")}
    row = np.zeros(1, np.int64)
    first = worlds["index"].reset(row, row)
    np.testing.assert_array_equal(first, [[0, 0, 0]])
    np.testing.assert_array_equal(worlds["index"].step(row, np.array([1]))[0], [[0, 1, 1]])
    np.testing.assert_array_equal(worlds["history"].reset(row, row)[0], [[-1, -1, 1], [0, 0, 0], [0, 0, 0]])
    worlds["history"].step(row, np.array([1]))
    after = worlds["history"].step(row, np.array([2]))[0][0]
    np.testing.assert_array_equal(after, [[-1, -1, 1], [-1, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(worlds["history"].reset(row, row)[0], [[-1, -1, 1], [0, 0, 0], [0, 0, 0]])
    summary = Grid(1, rows=2, columns=2, start=(0, 0), horizon=4, disc="cell", observation="summary")
    np.testing.assert_array_equal(summary.reset(row, row), [[-1, -1, 0, 1, 0, 0, 0]])
    np.testing.assert_array_equal(summary.step(row, np.array([2]))[0], [[1, -1, 0.25, 1, 0, 1, 0]])


def test_several_objectives_at_once():
    cells = GridMap.without_walls(4, 4)
    both = Stack([Coverage(cells.discs("block")), GroupCap(np.arange(16) % 3, [1, 2, 1])])
    world = Grid(3, rows=4, columns=4, start=(0, 0), horizon=5, set_function=both)
    assert world.reward_space.shape == (2,)
    check_batched_env(lambda number: Grid(number, rows=4, columns=4, start=(0, 0), horizon=5, set_function=both))


# --- graphs and wrapper --------------------------------------------------------------------------------------------
def test_graph_walks_along_edges_and_sees_the_nodes_near_by():
    graph = networkx.Graph([("a", "b"), ("b", "c"), ("c", "d"), ("b", "e")])
    graph.nodes["e"]["weight"] = 2.5
    world = Graph(1, graph=graph, start="a", horizon=3)
    row = np.zeros(1, np.int64)
    world.reset(row, row)
    assert world.start_value[0] == 2
    assert world.step(row, np.array([2]))[1] == 0  # "a" has one neighbour, action 1
    assert world.step(row, np.array([1]))[1] == 3.5  # at "b": "c" and "e" come into sight
    assert world.names[world.nodes[0]] == "b"


def plain(successors, start=0):
    return GraphWorld(
        1,
        successors=np.array(successors),
        features=np.eye(1),
        start=start,
        set_function=Modular([1.0]),
        horizon=1,
        slip=0.0,
        observation="markov",
        max_episode_steps=None,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": ["b"], "b": ["c", "a"], "c": []}, networkx.DiGraph([("a", "b"), ("b", "c"), ("b", "a")])),
        ({"a": {"b": 3.5}, "b": {"a": 1.0}}, networkx.DiGraph([("a", "b"), ("b", "a")])),
        ([("a", "b"), ("b", "c")], networkx.Graph([("a", "b"), ("b", "c")])),
        (scipy.sparse.csr_array([[0, 1], [2, 0]]), networkx.DiGraph([(0, 1), (1, 0)])),
        (np.array([[0, 1], [1, 2]]), networkx.Graph([(0, 1), (1, 2)])),
    ],
)
def test_a_graph_may_be_a_mapping_or_edges(given, expected):
    worlds = [gymnasium.make("coverage/graph-v0", graph=graph).unwrapped.batched for graph in (given, expected)]
    assert worlds[0].names == worlds[1].names
    np.testing.assert_array_equal(worlds[0].successors, worlds[1].successors)
    torch.testing.assert_close(worlds[0].set_function.cells, worlds[1].set_function.cells)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Graph(1, graph=networkx.Graph([(0, 1), (2, 3)])), r"not connected: 2 of 4 nodes, such as 2, .* from 0"),
        (lambda: Graph(1, graph=networkx.DiGraph([(1, 0)]), start=0), "not connected"),
        (lambda: Graph(1, graph=networkx.Graph()), "no nodes"),
        (lambda: Graph(1, graph={}), "no nodes"),
        (lambda: Graph(1, graph={0: 1}), "expected a networkx graph, a mapping"),
        (lambda: Graph(1, graph={"home": "work"}), "expected a networkx graph, a mapping"),
        (lambda: Graph(1, graph=[(0, 1, 2)]), "or edges such as"),
        (lambda: Graph(1, graph=7), "graph is '7'"),
        (lambda: Grid(1, set_function=len), r"ValueOracle\(function, 900\)"),
        (lambda: cliff(len), "ValueOracle"),
        (lambda: Grid(1, set_function=Modular(np.full(900, 1e39))), "more than a reward can hold"),
        (lambda: plain([[0.5, 1.0]]), r"successors\[0, 0\] is 0.5"),
        (lambda: plain([[2]]), "successors reach from 2 to 2; expected nodes, 0 to 0"),
        (lambda: plain([[0]], start=0.5), "start is 0.5"),
        (lambda: Graph(1, start="nowhere"), "not a node"),
        (lambda: Graph(1, radius=-1), "radius is -1"),
        (lambda: Graph(1, num_nodes=3), "num_nodes is 3"),
        (lambda: Grid(1, horizon=0), "horizon is 0; expected at least 1"),
        (lambda: Grid(1, horizon=2.5), "horizon is 2.5; expected .* whole numbers"),
        (lambda: Grid(1, slip=1.5), "the nominal value 1.5 cannot be simulated"),
        (lambda: Grid(1, observation="pixels"), "one of markov, index, history, summary"),
        (lambda: Grid(1, disc="round"), "one of cell, block, large"),
        (lambda: Grid(1, start=(30, 0)), r"\(30, 0\) is not a free cell"),
        (lambda: TwoRooms(1, start=(0, 6)), r"\(0, 6\) is not a free cell"),
        (lambda: Grid(1, rows=0), "0 rows"),
        (lambda: Grid(1, set_function=Coverage([[0]])), "set_function has 1 elements; expected one for each of 900"),
        (lambda: Items(1, group_sizes=(200,), caps=(1,)), "200 items"),
        (lambda: Items(1, group_sizes=(2, 2), caps=(1,)), "one cap for each"),
        (lambda: ExperimentDesign(1, rows=2, columns=2, start=(0, 0), noise_variance=0.0), "singular"),
        (lambda: Car(1, horizon=0), "horizon is 0"),
        (lambda: Car(1, half_width=0.0), "expected positive numbers"),
        (lambda: Car(1, half_width=3.0), "sharpest bend has a radius"),
        (lambda: Car(1, set_function=Modular([1.0])), "expected one for each of 1641 places"),
        (lambda: Ant(1, horizon=0), "horizon is 0"),
        (lambda: Ant(1, anchor="left"), "expected corner or centre"),
        (lambda: Ant(1, observation="pixels"), "expected markov or summary"),
        (lambda: Ant(1, set_function=Modular([1.0])), "expected one for each of 10000"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def cliff(set_function, element=int, **arguments):
    return SubmodularReward(gymnasium.make("CliffWalking-v1", max_episode_steps=30), set_function, element, **arguments)


def test_wrapper_rewards_by_marginal_gains():
    kernel = matern(np.arange(48.0)[:, None], np.arange(48.0)[:, None], variance=1.0, length_scale=3.0)
    both = Stack([Coverage([[cell] for cell in range(48)]), LogDet(kernel, noise_variance=0.1)])
    env = cliff(both)
    check_vector_reward_env(env)
    first, info = env.reset(seed=0)
    path, total = [first], info["value"].copy()
    ended, rng = False, np.random.default_rng(0)
    while not ended:
        observation, reward, terminated, truncated, info = env.step(rng.integers(4))
        path.append(observation)
        total += reward
        ended = terminated or truncated
        assert info["original_reward"] in (-1, -100)
    assert info["value"][0] == len(set(path))
    np.testing.assert_allclose(info["value"], both.trajectory_gains(torch.tensor([path])).sum(1)[0].numpy())
    np.testing.assert_allclose(total, info["value"], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*max_episode_steps.*:UserWarning")
def test_wrapper_passes_the_checker_of_gymnasium():
    function = Coverage([[cell] for cell in range(48)])
    check_env(cliff(function), skip_render_check=True)
    for scalar, kind in ((None, float), (True, float), (False, np.ndarray)):
        env = cliff(function, scalar=scalar)
        env.reset(seed=0)
        assert type(env.step(0)[1]) is kind
    assert env.reward_dim == 1
    with pytest.raises(ValueError, match="scalar needs one objective"):
        cliff(Stack([function, function]), scalar=True)


def test_wrapper_refuses_elements_out_of_range():
    with pytest.raises(ValueError, match="ground set is 0 to 9"):
        cliff(Coverage([[cell] for cell in range(10)])).reset(seed=0)
    with pytest.raises(ValueError, match="capacity is 0"):
        cliff(Coverage([[0]]), capacity=0)
