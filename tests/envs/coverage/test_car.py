"""The racing car: against scalar equations and an adaptive integrator, geometry of the track, and a driver who laps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate

from envs.checks import check_batched_env
from envs.coverage import Car
from envs.coverage.car import drive
from envs.coverage.race_track import RaceTrack


def straight(number=10):
    return RaceTrack(100.0, 0.2, np.zeros(number), np.zeros((number, 2)))


def scalar_slopes(_, state, throttle, delta, kappa):
    """The published model, written down once more, number by number."""
    _, d, mu, vx, vy, r = state
    alpha_f = delta - math.atan((vy + 0.029 * r) / vx)
    alpha_r = math.atan((0.033 * r - vy) / vx)
    f_f = 1.05 * 0.192 * math.sin(1.2 * math.atan(2.579 * alpha_f))
    f_r = 1.2 * 0.1737 * math.sin(1.2691 * math.atan(3.3852 / 1.2 * alpha_r))
    f_x = (0.287 - 0.054527 * vx) * throttle - 0.051891 - 0.000348 * vx * vx
    ds = (vx * math.cos(mu) - vy * math.sin(mu)) / (1 - d * kappa)
    return [
        ds,
        vx * math.sin(mu) + vy * math.cos(mu),
        r - kappa * ds,
        (f_x - f_f * math.sin(delta)) / 0.041 + vy * r,
        (f_r + f_f * math.cos(delta)) / 0.041 - vx * r,
        (f_f * 0.029 * math.cos(delta) - f_r * 0.033) / 27.8e-6,
    ]


@pytest.mark.parametrize("kappa", [0.0, 0.6])
def test_steps_are_those_of_the_equations(kappa):
    rng = np.random.default_rng(0)
    states = np.stack(
        [
            np.zeros(20),
            rng.uniform(-0.1, 0.1, 20),
            rng.uniform(-0.3, 0.3, 20),
            rng.uniform(0.9, 2.5, 20),
            rng.uniform(-0.1, 0.1, 20),
            rng.uniform(-2, 2, 20),
        ],
        1,
    )
    throttle, steering = rng.uniform(-0.3, 1, 20), rng.uniform(-0.3, 0.3, 20)
    track = RaceTrack(100.0, 0.2, np.full(10, kappa), np.zeros((10, 2)))
    found = drive(states, throttle, steering, track)
    for row in range(20):
        exact = scipy.integrate.solve_ivp(
            scalar_slopes, (0, 0.03), states[row], args=(throttle[row], steering[row], kappa), rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose(found[row], exact.y[:, -1], rtol=2e-3, atol=2e-3)


def test_a_car_that_stands_starts_straight_and_one_at_full_speed_stays_so():
    track = straight()
    state = np.zeros((1, 6))
    speeds = []
    for _ in range(600):
        state = drive(state, np.ones(1), np.zeros(1), track)
        speeds.append(state[0, 3])
    assert (np.diff(speeds) > -1e-12).all()
    assert state[0, [1, 2, 4, 5]] == pytest.approx(0.0, abs=1e-12)
    # Motor, rolling and drag in balance.
    top = (-0.054527 + math.sqrt(0.054527**2 + 4 * 0.000348 * (0.287 - 0.051891))) / (2 * 0.000348)
    assert speeds[-1] == pytest.approx(top, rel=1e-3)
    braked = drive(np.array([[0, 0, 0, 0.05, 0, 0.0]]), -np.ones(1), np.zeros(1), track)
    assert braked[0, 3] == 0.0


def test_at_walking_pace_the_wheels_roll():
    state = drive(np.array([[0, 0, 0, 0.2, 0, 0.0]]), np.full(1, 0.25), np.full(1, 0.2), straight())
    assert state[0, 5] == pytest.approx(state[0, 3] * math.tan(0.2) / 0.062)
    assert state[0, 4] == pytest.approx(0.033 * state[0, 5])


@pytest.mark.parametrize("seed", range(5))
def test_tracks_close_and_have_the_length_they_say(seed):
    track = RaceTrack.random(seed, length=16.4, half_width=0.2)
    spacing = 16.4 / track.curvatures.size
    assert track.curvatures.sum() * spacing == pytest.approx(2 * np.pi, rel=1e-4)
    pieces = np.linalg.norm(np.diff(track.line, axis=0, append=track.line[:1]), axis=1)
    assert pieces.sum() == pytest.approx(16.4, rel=1e-4)
    assert pieces.std() < 0.01 * pieces.mean()
    # Curvature is the turning of the line.
    direction = np.diff(track.line, axis=0, append=track.line[:1])
    angle = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
    turning = (angle[200:] - angle[:-200]) / (200 * spacing)
    between = np.convolve(track.curvatures, np.ones(200) / 200, "valid")[1 : 1 + turning.size]
    np.testing.assert_allclose(turning, between, atol=0.02)


def test_a_simple_driver_laps_and_progress_is_the_farthest_place():
    world = Car(4, instance_seed=2)
    rows, running = np.arange(4), np.ones(4, np.bool_)
    world.reset(rows, rows)
    assert set(np.round(world.state[:, 1], 9)) <= {0.1, -0.1}
    start, total = world.values.copy(), np.zeros((4, 1))
    for _ in range(700):
        active = rows[running]
        place, across, heading, speed = world.state[active, :4].T
        bend = world.track.curvature(place + 0.05 + 0.1 * speed)
        steering = np.arctan(0.062 * bend) - 1.2 * across / np.maximum(speed, 0.5) - 0.5 * heading
        actions = np.stack([1.2 - speed, steering / 0.35], 1).astype(np.float32)
        _, rewards, terminated, _ = world.step(active, actions)
        total[active] += rewards
        running[active[terminated]] = False
        if not running.any():
            break
    assert not running.any()
    assert world.values == pytest.approx(16.4, abs=1e-5)
    np.testing.assert_allclose(start + total, world.values, rtol=1e-5)


def test_going_back_and_leaving_the_track_earn_nothing():
    world, row = Car(1), np.zeros(1, np.int64)
    world.reset(row, row)
    world.state[0] = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    assert world.step(row, np.zeros((1, 2), np.float32))[1] > 1.0
    world.state[0] = [0.5, 0.0, 0.0, 1.0, 0.0, 0.0]
    assert world.step(row, np.zeros((1, 2), np.float32))[1] == 0.0
    world.state[0] = [0.5, 0.19, 1.0, 1.0, 0.0, 0.0]
    _, rewards, terminated, _ = world.step(row, np.zeros((1, 2), np.float32))
    assert terminated[0]
    assert rewards[0, 0] == 0.0


def test_conformance():
    check_batched_env(lambda number: Car(number, horizon=40), steps=100, num_envs=3)
