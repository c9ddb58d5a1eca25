"""Pictures and texts of every environment: what is on them, and that drawing disturbs nothing."""

from __future__ import annotations

import copy
import platform

import gymnasium
import networkx
import numpy as np
import pytest
import torch

from envs import batched_form
from envs.cormab import Instance, RestlessBandit
from envs.cormab.constraints import Budget
from envs.coverage.race_track import RaceTrack
from envs.coverage.set_functions import Coverage, SetFunction, Stack
from envs.drawing import HEIGHT, ORANGE, SCENE, VERMILLION, WIDTH, Box, graph_places, shades, spread
from envs.registry import OWN_IDS

ROBOTS = [
    "mo-hopper-v5",
    "parametric/hopper-v0",
    "parametric/mo-hopper-v0",
    "parametric/walker2d-v0",
    "parametric/half-cheetah-v0",
    "parametric/ant-v0",
    "parametric/humanoid-standup-v0",
    "parametric/inverted-pendulum-v0",
]
OTHERS = ["deep-sea-treasure-v0", "fruit-tree-v0", "resource-gathering-v0", "fishwood-v0", "four-room-v0", "minecart-v0"]
SCENE_ROWS = int(SCENE.bottom)


def count(frame, colour):
    return int((frame == np.array(colour, np.uint8)).all(-1).sum())


def draw(env, row=0):
    """A picture, or a skipped test where no OpenGL works."""
    try:
        return env.render_frame(row)
    except gymnasium.error.DependencyNotInstalled as error:
        pytest.skip(str(error))


def episode(env, seed, steps, pictures):
    """What two rows see in an episode of random actions; pictures of row 1 are collected if there is a list for them."""
    rows, seen = np.arange(2), []
    env.action_space.seed(seed)
    observations = env.reset(rows, np.array([seed, seed + 1]))
    seen.append([observations])
    for _ in range(steps):
        if pictures is not None:
            pictures.append(draw(env, 1))
            if hasattr(env, "render_text"):
                env.render_text(1)
        *outcome, terminated, truncated = env.step(rows, np.stack([env.action_space.sample() for _ in rows]))
        seen.append([*outcome, terminated, truncated])
        if (terminated | truncated).any():
            break
    if pictures is not None:
        pictures.append(draw(env, 1))  # the last state too, when the episode is over
    return seen


@pytest.mark.parametrize(
    "env_id",
    [
        *(env_id for env_id in OWN_IDS if env_id not in ROBOTS),
        *OTHERS,
        "parametric/half-cheetah-v0",
        *(pytest.param(env_id, marks=pytest.mark.slow) for env_id in ROBOTS if env_id != "parametric/half-cheetah-v0"),
    ],
)
def test_episodes_with_pictures_are_those_without(env_id):
    if env_id in ROBOTS or env_id == "coverage/ant-v0":
        pytest.importorskip("mujoco")
    drawn, plain = batched_form(env_id, 2), batched_form(env_id, 2)
    # Robots take their time, most of all where the processor has to draw them.
    steps = 1 if env_id in ROBOTS else 3
    frames = []
    for seed in (3,) if env_id in ROBOTS else (3, 5):
        for one, other in zip(episode(drawn, seed, steps, frames), episode(plain, seed, steps, None), strict=True):
            for found, expected in zip(one, other, strict=True):
                np.testing.assert_array_equal(found, expected)
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}
    # Not only the number of the step in the caption changes.
    assert len({frame[:SCENE_ROWS].tobytes() for frame in frames}) > 1
    assert len(set(frames[0].reshape(-1, 3)[::7] @ np.array([1 << 16, 1 << 8, 1]))) > 3
    np.testing.assert_array_equal(frames[-1], draw(drawn, 1))


def test_rows_are_drawn_with_their_own_models():
    env = gymnasium.make_vec("parametric/pendulum-v0", num_envs=2, render_mode="rgb_array")
    env.reset(seed=[4, 4], options={"params": {"length": np.array([0.5, 1.5])}})
    short, long = env.render()
    assert count(long[:SCENE_ROWS], VERMILLION) > 2 * count(short[:SCENE_ROWS], VERMILLION)
    assert not np.array_equal(short[SCENE_ROWS:], long[SCENE_ROWS:])


def test_what_has_been_seen_turns_pale():
    env = batched_form("coverage/two-rooms-v0", 1, disc="large")
    row = np.arange(1)
    env.reset(row, row)
    dark = [count(env.render_frame(0), shades(1.0))]
    for _ in range(5):
        env.step(row, np.array([3]))  # left, into the room
        dark.append(count(env.render_frame(0), shades(1.0)))
    assert dark[-1] < dark[0]
    assert dark == sorted(dark, reverse=True)


def test_a_history_shows_the_walk_and_nothing_else_does():
    frames = {}
    for observation in ("history", "markov"):
        env = batched_form("coverage/two-rooms-v0", 1, observation=observation)
        row = np.arange(1)
        env.reset(row, row)
        for action in (1, 1, 2):
            env.step(row, np.array([action]))
        frames[observation] = env.render_frame(0)
    assert count(frames["history"], ORANGE) > 100
    assert count(frames["markov"], ORANGE) == 0


def test_graphs_are_drawn_where_their_nodes_say():
    graph = networkx.path_graph(4)
    free = graph_places(graph)
    assert np.unique(free.round(6), axis=0).shape == (4, 2)
    networkx.set_node_attributes(graph, {node: f"{node},0" for node in graph}, "pos")
    np.testing.assert_array_equal(graph_places(graph), free)  # texts are no places
    networkx.set_node_attributes(graph, {node: (node, 2 * node) for node in graph}, "pos")
    np.testing.assert_array_equal(graph_places(graph), [[0, 0], [1, 2], [2, 4], [3, 6]])
    # The same scale on both axes, north at the top.
    corners = spread(graph_places(graph), Box(0, 0, 100, 100))
    assert corners[0, 1] > corners[3, 1]
    assert np.ptp(corners[:, 1]) == pytest.approx(2 * np.ptp(corners[:, 0]))


class Places(SetFunction):
    """How many places were visited, with room for exactly the visits of an episode and without ``gains`` of its own."""

    def _start(self, batch, capacity):
        return {"places": torch.full((batch, capacity), -1), "visits": torch.zeros(batch, dtype=torch.int64)}

    def _advance(self, state, elements, rows):
        rows = torch.arange(len(elements)) if rows is None else rows
        is_new = (state["places"][rows] != elements[:, None]).all(1)
        state["places"][rows, state["visits"][rows]] = elements
        state["visits"][rows] += 1
        return is_new.double()[:, None]


def test_set_functions_of_ones_own_are_drawn_to_the_last_step():
    for function in (Places(36), Stack([Places(36), Coverage([[place // 2] for place in range(36)])])):
        env = batched_form("coverage/grid-v0", 1, rows=6, columns=6, start=(0, 0), horizon=3, set_function=function)
        row = np.arange(1)
        env.reset(row, row)
        shown = [count(env.render_frame(0), shades(1.0))]
        for _ in range(3):
            env.step(row, np.array([1]))
            shown.append(count(env.render_frame(0), shades(1.0)))
        assert shown == sorted(shown, reverse=True)
        assert shown[-1] < shown[0]


def test_treated_arms_are_framed_until_the_next_episode():
    env = batched_form("cormab/budget-v0", 1, num_arms=7, budget=2)
    row, action = np.arange(1), np.array([[0, 1, 0, 0, 1, 0, 0]])
    env.reset(row, row)
    assert count(env.render_frame(0), ORANGE) == 0
    env.step(row, action)
    assert count(env.render_frame(0), ORANGE) > 500
    env.reset(row, row)
    assert count(env.render_frame(0), ORANGE) == 0


def test_texts():
    row = np.arange(1)
    walk = batched_form("tabular/windy-walk-v0", 1)
    walk.reset(row, row, np.array([[0.25]]))
    walk.step(row, np.array([1]))
    assert walk.render_text(0).splitlines()[:4] == ["step 1 of 200", "alpha 0.25", " S  1  1  1  .  G", "[.] #  #  #  .  ."]
    hub = batched_form("coverage/hub-v0", 1, p=1.0)
    hub.reset(row, row)
    hub.step(row, np.array([0]))
    assert hub.render_text(0).splitlines()[2:] == [
        "value 1, start 0",
        "at x; from here (of the most a visit can add): hub (0 %)",
    ]
    rooms = batched_form("coverage/two-rooms-v0", 1)
    rooms.reset(row, row)
    assert rooms.render_text(0).splitlines()[5] == "999995@5999995"
    arms = np.broadcast_to([np.eye(2), [[0.0, 1.0], [0.0, 1.0]]], (3, 2, 2, 2))
    instance = Instance(transitions=arms, rewards=np.tile([0.0, 1.5], (3, 1)), constraint=Budget(3, 1), start=[[1, 0]] * 3)
    bandit = RestlessBandit(1, instance=instance)
    bandit.reset(row, row)
    bandit.step(row, np.array([[0, 1, 0]]))
    assert bandit.render_text(0).splitlines() == [
        "step 1 of 20",
        "arm     0 1 2",
        "state   0 1 0",
        "treated . * .",
        "arms treated: 1",
        "pay of the step: 1.5",
    ]
    tree = batched_form("fruit-tree-v0", 1, depth=5)
    tree.reset(row, row)
    tree.step(row, np.array([1]))
    assert tree.render_text(0).splitlines()[1:] == ["root -> right", "16 of 32 fruits within reach"]


def test_rows_that_do_not_exist_or_were_not_reset_are_named():
    env = batched_form("tabular/river-swim-v0", 3)
    env.reset(np.array([0, 2]), np.arange(2))
    for method in (env.render_frame, env.render_text):
        with pytest.raises(gymnasium.error.ResetNeeded, match="row 1 was never reset"):
            method(1)
        with pytest.raises(ValueError, match="row is 3; expected 0 to 2"):
            method(3)


def test_robots_can_be_drawn_side_by_side_copied_and_closed():
    pytest.importorskip("mujoco")
    row = np.arange(1)
    env = batched_form("parametric/inverted-pendulum-v0", 1)
    env.reset(row, row)
    first = draw(env)
    twin = copy.deepcopy(env)
    twin.step(row, np.ones((1, 1)))
    assert not np.array_equal(draw(twin)[:SCENE_ROWS], first[:SCENE_ROWS])
    np.testing.assert_array_equal(draw(env), first)
    twin.close()
    env.close()
    np.testing.assert_array_equal(draw(env), first)
    env.close()


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere there is always a screen")
def test_without_opengl_one_is_told_how_to_get_it(monkeypatch):
    pytest.importorskip("mujoco")
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    env = batched_form("parametric/inverted-pendulum-v0", 1)
    env.reset(np.arange(1), np.arange(1))
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match="apt-get install libosmesa6 and MUJOCO_GL=osmesa"):
        env.render_frame(0)


def test_track_positions_lie_beside_the_line():
    track = RaceTrack.random(0, length=16.4, half_width=0.2)
    places = np.linspace(0.0, 16.4, 9)
    middle, inside = track.position(places, 0.0), track.position(places, 0.1)
    np.testing.assert_allclose(middle[0], track.line[0], atol=1e-12)
    np.testing.assert_allclose(middle[-1], middle[0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(inside - middle, axis=1), 0.1, rtol=1e-9)
    # Run counter-clockwise around the origin, the inside is on the left.
    assert (np.linalg.norm(inside, axis=1) < np.linalg.norm(middle, axis=1)).all()
