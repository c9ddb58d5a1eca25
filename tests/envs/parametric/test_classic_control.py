"""Acrobot and mountain car against gymnasium's."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from numpy.testing import assert_allclose

from envs.parametric.acrobot import Acrobot
from envs.parametric.mountain_car import MountainCar

ROWS = 6


@pytest.mark.parametrize("model", [{}, {"torque": 1.4}, {"mass_1": 1.6, "mass_2": 1.6, "torque": 0.7}])
def test_acrobot_agrees_with_gymnasium(model):
    batched, rows, rng = Acrobot(ROWS), np.arange(ROWS), np.random.default_rng(0)
    models = batched.parameter_space.vector(model, current=batched.get_params())
    batched.reset(rows, rows, models)
    originals = [gymnasium.make("Acrobot-v1").unwrapped for _ in rows]
    for row, original in enumerate(originals):
        original.reset(seed=0)
        original.state = np.concatenate([batched._angles[row], batched._speeds[row]])
        # The original has one moment of inertia, so links of equal mass can be compared.
        original.LINK_MASS_1, original.LINK_MASS_2, torque = models[row]
        original.LINK_MOI = models[row, 0]
        original.AVAIL_TORQUE = [-torque, 0.0, torque]
    for _ in range(100):
        actions = rng.integers(0, 3, ROWS)
        observations, rewards, terminated, _ = batched.step(rows, actions)
        for row, original in enumerate(originals):
            expected, reward, ended, *_ = original.step(int(actions[row]))
            assert_allclose(observations[row], expected, rtol=1e-4, atol=1e-5)
            assert (reward, ended) == (rewards[row, 0], terminated[row])
        assert not terminated.any()


def test_acrobot_can_be_swung_up_and_ends():
    env, row = Acrobot(1), np.zeros(1, np.int64)
    env.reset(row, row, np.array([[1.0, 1.0, 2.0]]))
    for _ in range(500):
        # Torque against the second link's relative speed pumps energy in.
        action = 2 * int(env._speeds[0, 1] < 0) if env._speeds[0, 1] else 2
        _, rewards, terminated, truncated = env.step(row, np.array([2 - action]))
        if terminated[0] or truncated[0]:
            break
    assert terminated[0]
    assert rewards[0, 0] == 0.0


@pytest.mark.parametrize("model", [{}, {"force": 0.0014, "gravity": 0.0021}])
def test_mountain_car_agrees_with_gymnasium(model):
    batched, rows, rng = MountainCar(ROWS), np.arange(ROWS), np.random.default_rng(0)
    models = batched.parameter_space.vector(model, current=batched.get_params())
    batched.reset(rows, rows, models)
    originals = [gymnasium.make("MountainCar-v0").unwrapped for _ in rows]
    for row, original in enumerate(originals):
        original.reset(seed=0)
        original.state = batched._state[row].copy()
        original.force, original.gravity = models[row]
    # Pushing along with the motion reaches the goal.
    for step in range(195):
        actions = np.where(batched._state[:, 1] >= 0, 2, 0)[rows] if step else rng.integers(0, 3, len(rows))
        observations, rewards, terminated, _ = batched.step(rows, actions)
        for place, row in enumerate(rows):
            expected, reward, ended, *_ = originals[row].step(int(actions[place]))
            assert_allclose(observations[place], expected, rtol=1e-5, atol=1e-7)
            assert (reward, ended) == (rewards[place, 0], terminated[place])
        rows = rows[~terminated]
        if not len(rows):
            break
    assert not len(rows)
