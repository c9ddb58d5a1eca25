"""Runs with many objectives: no exception, no minutes, and what was estimated is told once."""

from __future__ import annotations

import logging
import time

import gymnasium as gym
import numpy as np
import pytest

from morl import Evaluation
from morl.archives import BoundedArchive
from morl.experiments.plots import Labels, weights_figure
from morl.experiments.run_indicators import RunIndicators
from morl.experiments.run_plots import save_figure
from morl.indicators import hypervolume
from morl.problem import make_problem
from morl.solvers import MORLD, MOQLearning


class Many(gym.Env):
    """32 objectives of three steps."""

    observation_space, action_space = gym.spaces.Discrete(3), gym.spaces.Discrete(4)
    reward_space = gym.spaces.Box(0, 1, (32,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return 0, {}

    def step(self, action):
        self.time += 1
        reward = np.random.default_rng(10 * self.time + int(action)).random(32)
        return min(self.time, 2), reward, self.time == 3, False, {}


def spherical(number, m):
    points = np.abs(np.random.default_rng(0).normal(size=(number, m)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_a_population_of_32_objectives_leaves_everything(tmp_path):
    solver = MORLD(solver=MOQLearning(), num_members=20, weights="dirichlet")
    evaluation = Evaluation(episodes=1, period=60)
    result = solver.run(Many, env_steps=120, seed=0, evaluation=evaluation, out=tmp_path / "run")
    assert result.front.shape[1] == 32
    assert 0 < result.indicators["hypervolume"] < np.inf
    assert {"front.png", "indicators.png", "weights.png"} <= {path.name for path in (tmp_path / "run" / "plots").iterdir()}
    assert "hypervolume_standard_error" in (tmp_path / "run" / "metrics.csv").read_text()


def test_estimates_are_marked_and_told_once(caplog):
    measures = RunIndicators(make_problem(Many), gamma=1.0, reference_point=(0.0,) * 32)
    values = 0.5 + spherical(80, 32)
    with caplog.at_level(logging.WARNING):
        rows = [measures(values, values[:3]) for _ in range(2)]
    assert rows[0] == rows[1]
    assert 0 < rows[0]["hypervolume_standard_error"] < 0.1 * rows[0]["hypervolume"]
    assert rows[0]["population_hypervolume_standard_error"] == 0
    assert [record.getMessage() for record in caplog.records if "80 points with 32 objectives" in record.getMessage()] != []
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("number", "m", "capacity"), [(90, 6, 30), (60, 32, 50), (120, 300, 100)])
def test_bounded_archives_of_many_objectives_keep_what_covers_most(number, m, capacity):
    values = 0.2 + spherical(number, m)
    archive = BoundedArchive(capacity=capacity, reference_point=(0.0,) * m)
    start = time.perf_counter()
    kept = archive.keep(values)
    assert time.perf_counter() - start < 10
    assert kept.sum() == capacity
    np.testing.assert_array_equal(archive.keep(values), kept)
    if m == 6:
        worse = [hypervolume(values[np.random.default_rng(i).permutation(number)[:capacity]], np.zeros(6)) for i in range(20)]
        assert hypervolume(values[kept], np.zeros(6)) > 1.05 * max(worse)
    # Who reaches the reference point in no objective goes first.
    values[7] = 0.0
    values[7, 0] = 9.0
    assert not archive.keep(values)[7]


@pytest.mark.parametrize("m", [32, 300])
def test_weights_of_many_objectives_are_drawn(m, tmp_path):
    labels = Labels(objectives=tuple(f"objective_{k}" for k in range(m)), units=("",) * m, gamma=1.0, title="", detail="")
    figure = weights_figure(np.full((1, m), 1.0 / m), labels, ["0"])
    assert save_figure(figure, tmp_path / "weights.png").stat().st_size > 1000
