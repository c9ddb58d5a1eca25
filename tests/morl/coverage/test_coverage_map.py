"""Maps of walks: that they show the walk, what was seen, and its value."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from envs.coverage import Graph, Grid, Hub, Items, TwoRooms
from morl.coverage.coverage_map import coverage_map
from morl.errors import CapabilityError, ShapeError
from morl.experiments.run_plots import save_figure
from morl.planners import Greedy


def picture(figure, panel=0):
    return np.asarray(figure.axes[panel].images[0].get_array())


def test_map_of_two_rooms_shows_walls_and_what_was_seen(tmp_path):
    world = TwoRooms(1, horizon=3)
    right = [world.grid.node(2, column) for column in (6, 7, 8, 9)]
    figure = coverage_map(world, {"right": right, "both": [right, right[:1] * 4]}, title="two rooms")
    image = picture(figure)
    assert image.shape[:2] == (7, 14)
    walls = image[~world.grid.free]
    assert (walls == walls[0]).all()
    bright = (image == image[2, 6]).all(-1)
    expected = np.zeros((7, 14), np.bool_)
    expected[2:4, 6:11] = True
    np.testing.assert_array_equal(bright, expected)
    assert figure.axes[0].get_title(loc="left") == "right: 6 (+ 4 at the start)"
    lines = figure.axes[0].collections[0]
    np.testing.assert_array_equal([segment[1] for segment in lines.get_segments()], [[7, 2], [8, 2], [9, 2]])
    assert len(figure.axes[1].collections[0].get_segments()) == 6
    assert save_figure(figure, tmp_path / "map.png").stat().st_size > 5000


def test_items_are_shown_by_kind():
    world = Items(1, horizon=4)
    image = picture(coverage_map(world, {"stay": [world.start] * 5}))
    seen = np.zeros(105, np.bool_)
    seen[world.start] = True
    colours = {tuple(np.round(colour, 6)) for colour in image.reshape(105, -1)[~seen]}
    assert len(colours) == 7  # six kinds and nothing


@pytest.mark.parametrize(
    "make",
    [
        lambda: gymnasium.make("coverage/gp-v0", rows=6, columns=9, horizon=5),
        lambda: gymnasium.make("coverage/experiment-design-v0", rows=6, columns=9, horizon=5),
        lambda: Graph(1),
        lambda: Grid(1, rows=3, columns=2, start=(0, 0), horizon=3, disc="large"),
    ],
)
def test_plans_of_every_world_are_drawn(make):
    world = make()
    plan = Greedy().plan(world)
    figure = coverage_map(world, dict.fromkeys("abcd", plan.nodes))
    assert sum(panel.get_title(loc="left").startswith(("a", "b", "c", "d")) for panel in figure.axes) == 4


def test_hub_has_a_map_too():
    assert coverage_map(Hub(1), {"x, then y": [0, 1, 3, 2]}).axes[0].get_title(loc="left") == "x, then y: 2"


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(CapabilityError, match="no set function"):
        coverage_map(gymnasium.make("CartPole-v1"), {"a": [0]})
    with pytest.raises(ShapeError, match="no walk to draw"):
        coverage_map(Grid(1), {})
    with pytest.raises(ShapeError, match=r"the walk 'a'\[1\] is 0.7; expected nodes"):
        coverage_map(Grid(1), {"a": [0, 0.7]})
