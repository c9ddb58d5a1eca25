"""The robot that covers a field: physics of the original, windows counted in plain Python."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

pytest.importorskip("mujoco")

from envs.checks import check_batched_env
from envs.coverage.ant import Ant


@pytest.mark.parametrize("anchor", ["corner", "centre"])
def test_rewards_are_the_cells_seen_first_and_physics_is_the_original(anchor):
    world, original = (
        Ant(2, horizon=30, anchor=anchor),
        gymnasium.make("Ant-v5", exclude_current_positions_from_observation=False),
    )
    row, rng = np.array([1]), np.random.default_rng(0)
    observation = world.reset(row, np.array([7]))[0]
    plain, _ = original.reset(seed=7)
    seen: set[tuple[int, int]] = set()

    def look():
        i, j = (int((x + 20) / 0.4) for x in plain[:2])
        shift = 0 if anchor == "corner" else -2
        window = {(i + a + shift, j + b + shift) for a in range(5) for b in range(5)}
        window = {(a, b) for a, b in window if 0 <= a < 100 and 0 <= b < 100}
        new = len(window - seen)
        seen.update(window)
        return new / 10

    assert world.values[1] == pytest.approx(look())
    for step in range(30):
        expected = plain[:29].copy()
        expected[:2] /= 20
        np.testing.assert_allclose(observation[:29], expected, rtol=1e-5, atol=1e-6)
        assert observation[29] == pytest.approx(step / 30)
        action = np.where(step % 7 < 3, 1.0, -1.0) * rng.uniform(0.5, 1, 8).astype(np.float32)
        observations, rewards, terminated, _ = world.step(row, action[None].astype(np.float32))
        observation = observations[0]
        plain = original.step(action.astype(np.float32))[0]
        assert rewards[0, 0] == pytest.approx(look(), abs=1e-6)
    assert terminated[0]
    assert world.values[1, 0] == pytest.approx(len(seen) / 10)


def test_conformance():
    check_batched_env(lambda number: Ant(number, horizon=8, observation="summary"), steps=20, num_envs=3)


def test_leaving_the_field_ends_the_episode_without_reward():
    world, row = Ant(1, horizon=50), np.zeros(1, np.int64)
    world.reset(row, row)
    world._data[0].qpos[:2] = [19.95, 0.0]
    world._data[0].qvel[0] = 10.0
    before = world.values.copy()
    ended, steps = False, 0
    while not ended:
        _, rewards, terminated, _ = world.step(row, np.zeros((1, 8), np.float32))
        ended, steps = bool(terminated[0]), steps + 1
    assert steps < 5
    assert world._data[0].qpos[0] > 20
    assert rewards[0, 0] == 0
    # Windows over the edge are cut off: of each step's cells only those on the field counted.
    assert 0 <= world.values[0, 0] - before[0, 0] <= 2.5


def test_summary_is_a_coarse_map():
    world, row = Ant(1, observation="summary"), np.zeros(1, np.int64)
    blocks = world.reset(row, row)[0, 30:].reshape(10, 10)
    assert world.observation_space.shape == (130,)
    assert blocks.sum() == pytest.approx(25 / 100)
    assert blocks[5, 5] > 0
