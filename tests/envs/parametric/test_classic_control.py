"""Pendulum, cart-pole, acrobot and mountain car against gymnasium's."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from envs.parametric.acrobot import Acrobot
from envs.parametric.cartpole import CartPole
from envs.parametric.mountain_car import MountainCar
from envs.parametric.pendulum import Pendulum

ROWS = 6


def _pendulum(original, model):
    original.m, original.l = model


def _cartpole(original, model):
    original.length, original.force_mag = model * [0.5, 1.0]
    original.polemass_length = original.masspole * original.length


def _acrobot(original, model):
    # The original has one moment of inertia, so links of equal mass can be compared.
    original.LINK_MASS_1, original.LINK_MASS_2, torque = model
    original.LINK_MOI = model[0]
    original.AVAIL_TORQUE = [-torque, 0.0, torque]


def _mountain_car(original, model):
    original.force, original.gravity = model


def _random(actions):
    return lambda env, rows, rng: rng.integers(0, actions, len(rows))


def _any_torque(env, rows, rng):
    return rng.uniform(-2.5, 2.5, (len(rows), 1))


def _along_the_motion(env, rows, rng):
    return np.where(env._state[rows, 1] >= 0, 2, 0)


# The form, gymnasium's, how that takes a model, actions, steps, how many rows end by then, and how close observations are.
PENDULUM = (Pendulum, "Pendulum-v1", _pendulum, _any_torque, 200, range(1), (0.0, 0.0))
CARTPOLE = (CartPole, "CartPole-v1", _cartpole, _random(2), 60, range(1, ROWS + 1), (1e-6, 1e-7))
ACROBOT = (Acrobot, "Acrobot-v1", _acrobot, _random(3), 100, range(1), (1e-4, 1e-5))
MOUNTAIN_CAR = (MountainCar, "MountainCar-v0", _mountain_car, _along_the_motion, 195, range(ROWS, ROWS + 1), (1e-5, 1e-7))


@pytest.mark.parametrize(
    ("case", "model"),
    [
        (PENDULUM, {}),
        (PENDULUM, {"mass": 0.6, "length": 1.4}),
        (CARTPOLE, {}),
        (CARTPOLE, {"pole_length": 0.7, "force": 4.0}),
        (ACROBOT, {}),
        (ACROBOT, {"torque": 1.4}),
        (ACROBOT, {"mass_1": 1.6, "mass_2": 1.6, "torque": 0.7}),
        (MOUNTAIN_CAR, {}),
        (MOUNTAIN_CAR, {"force": 0.0014, "gravity": 0.0021}),
    ],
)
def test_agrees_with_gymnasium(case, model):
    make, env_id, take, choose, steps, ends, (rtol, atol) = case
    batched, rows, rng = make(ROWS), np.arange(ROWS), np.random.default_rng(0)
    models = batched.parameter_space.vector(model, current=batched.get_params())
    observations = batched.reset(rows, rows, models)
    originals = [gymnasium.make(env_id).unwrapped for _ in rows]
    for row, original in enumerate(originals):
        original.reset(seed=0)
        original.state = np.concatenate([np.atleast_1d(getattr(batched, name)[row]) for name in batched.state_arrays])
        take(original, models[row])
        if make is Pendulum:
            assert_array_equal(original._get_obs(), observations[row])
    for step in range(steps):
        actions = choose(batched, rows, rng)
        observations, rewards, terminated, truncated = batched.step(rows, actions)
        assert (truncated == (step == 199)).all()
        for place, row in enumerate(rows):
            expected, reward, ended, *_ = originals[row].step(actions[place])
            assert_allclose(observations[place], expected, rtol=rtol, atol=atol)
            assert (np.float32(reward), ended) == (rewards[place, 0], terminated[place])
        rows = rows[~terminated]
        if not len(rows):
            break
    assert ROWS - len(rows) in ends


def test_acrobot_can_be_swung_up_and_ends():
    env, row = Acrobot(1), np.zeros(1, np.int64)
    env.reset(row, row, np.array([[1.0, 1.0, 2.0]]))
    for _ in range(500):
        # Torque against the second link's relative speed pumps energy in.
        action = 2 * int(env._state[0, 3] < 0) if env._state[0, 3] else 2
        _, rewards, terminated, truncated = env.step(row, np.array([2 - action]))
        if terminated[0] or truncated[0]:
            break
    assert terminated[0]
    assert rewards[0, 0] == 0.0
