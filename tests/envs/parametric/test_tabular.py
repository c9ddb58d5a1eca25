"""Tabular worlds with settable dynamics: their tables against independent definitions, and their steps against their tables."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import envs
from envs.tabular.machine_replacement import MachineReplacement
from envs.tabular.river_swim import RiverSwim
from envs.tabular.windy_walk import LAYOUT, WindyWalk
from robust.tabular import L1, TabularMDP, robust_value_iteration, value_iteration
from tests.robust import worlds

WORLDS = [WindyWalk, RiverSwim, MachineReplacement]


def test_windy_walk_tables():
    walk = WindyWalk(1)
    expected = np.array([worlds.windy_walk(alpha) for alpha in worlds.WINDY_ALPHAS])
    assert_allclose(walk.kernels(worlds.WINDY_ALPHAS[:, None]), expected, atol=1e-15)
    assert_array_equal(walk.rewards, worlds.windy_rewards())
    assert (walk.start_state, walk.terminal_states.nonzero()[0].tolist()) == (worlds.WINDY_START, [worlds.WINDY_GOAL])


@pytest.mark.parametrize(
    ("world", "expected"), [(RiverSwim, worlds.river_swim()), (MachineReplacement, worlds.machine_replacement())]
)
def test_tables_of_the_nominal_model(world, expected):
    env = world(1)
    transitions, rewards = expected
    assert_allclose(env.kernels(env.parameter_space.nominal[None])[0], transitions, atol=1e-15)
    assert env.rewards.shape == rewards.shape
    possible = transitions > 0 if rewards.ndim == 3 else np.ones_like(rewards, dtype=bool)
    assert_array_equal(env.rewards[possible], rewards[possible])


@pytest.mark.parametrize("world", WORLDS)
def test_successor_lists_and_dense_kernels_have_the_same_values(world):
    env = world(1)
    models = np.stack([env.parameter_space.low, env.parameter_space.high])
    for dense, listed in zip(env.kernels(models), env.branch_probabilities(models), strict=True):
        lists = TabularMDP(listed, env.branch_rewards, 0.9, successors=env.successors)
        values, policy = value_iteration(TabularMDP(dense, env.rewards, 0.9))
        assert_allclose(value_iteration(lists)[0], values, atol=1e-9)
        assert (robust_value_iteration(lists, L1(0.1, "nominal"))[0] <= values + 1e-9).all()
        assert policy.shape == (len(dense),)


@pytest.mark.parametrize("world", WORLDS)
def test_steps_follow_each_rows_model(world):
    rows = 4000
    env = world(2 * rows)
    space, every = env.parameter_space, np.arange(2 * rows)
    models = np.repeat([space.low, space.high], rows, axis=0)
    env.reset(every, every, models)
    kernels = env.kernels(np.stack([space.low, space.high]))
    actions = np.random.default_rng(0).integers(0, env.action_space.n, size=5)
    chance = np.zeros((2, kernels.shape[1]))
    chance[:, env.start_state] = 1.0
    for action in actions:
        ended = env.terminal_states[env._states]
        observations, *_ = env.step(every[~ended], np.full((~ended).sum(), action))
        chance = np.einsum("ks,kst->kt", chance, kernels[:, :, action])
        for k in range(2):
            seen = np.bincount(env._states[k * rows : (k + 1) * rows], minlength=kernels.shape[1]) / rows
            assert np.abs(seen - chance[k]).max() < 0.04
        assert env.observation_space.contains(int(observations[0]))


@pytest.mark.parametrize("env_id", ["tabular/windy-walk-v0", "tabular/river-swim-v0", "tabular/machine-replacement-v0"])
def test_what_users_write(env_id):
    env = gymnasium.make(env_id)
    space = env.unwrapped.parameter_space
    _, info = env.reset(seed=0, options={"params": {space.names[0]: 0.25}})
    assert info["params"][space.names[0]] == 0.25
    reward = env.step(0)[1]
    assert isinstance(reward, float)
    with pytest.raises(ValueError, match="Did you mean"):
        env.reset(options={"params": {space.names[0] + "s": 0.1}})
    with pytest.raises(ValueError, match="expected a finite number"):
        env.reset(options={"params": {space.names[0]: float("nan")}})
    assert envs.batched_form(env_id, 3).num_envs == 3
    vector = gymnasium.make_vec(env_id, num_envs=3)
    assert vector.reset(seed=0)[0].shape == (3,)


def test_windy_walk_takes_other_maps():
    walk = WindyWalk(1, layout=["S2G"])
    assert_allclose(walk.kernels([[0.5]])[0, 1, 2], [0.25, 0.0, 0.75])
    for layout, message in [
        (["S1", "G"], "equal length"),
        (["Sx", ".G"], "'x'"),
        (["S.", ".."], "exactly one goal"),
        (["SS", ".G"], "exactly one start"),
    ]:
        with pytest.raises(ValueError, match=message):
            WindyWalk(1, layout=layout)
    assert len(LAYOUT) == 6
