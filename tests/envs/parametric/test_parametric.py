"""Environments with settable dynamics: models per row, and what users write."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import envs
from envs.parametric import Parameter, ParameterSpace

IDS = ["parametric/pendulum-v0", "parametric/cartpole-v0"]


@pytest.mark.parametrize("env_id", IDS)
def test_every_row_has_its_own_model(env_id):
    batched = envs.batched_form(env_id, 3)
    space, rows = batched.parameter_space, np.arange(3)
    models = np.stack([space.low, space.nominal, space.high])
    first = batched.reset(rows, np.full(3, 7), models)
    assert (first == first[0]).all()
    actions = np.stack([batched.action_space.sample()] * 3)
    together = batched.step(rows, actions)
    for row in rows:
        alone = envs.batched_form(env_id, 1)
        alone.reset(np.array([0]), np.array([7]), models[row : row + 1])
        for one, other in zip(alone.step(np.array([0]), actions[:1]), together, strict=True):
            assert_array_equal(one[0], other[row])
    assert len(np.unique(together[0], axis=0)) == 3
    # Without a model a row is the original again.
    batched.reset(rows, np.full(3, 7))
    assert_array_equal(batched.get_params(), np.tile(space.nominal, (3, 1)))


@pytest.mark.parametrize("env_id", IDS)
def test_options_choose_and_info_echoes(env_id):
    env = gymnasium.make(env_id)
    space = env.unwrapped.parameter_space
    first, second = space.names
    _, info = env.reset(seed=0)
    assert info["params"] == dict(zip(space.names, space.nominal, strict=True)) == env.unwrapped.get_params()
    changed = {first: space.high[0], second: space.nominal[1]}
    assert env.reset(seed=0, options={"params": {first: space.high[0]}})[1]["params"] == changed
    assert env.reset(seed=1, options={"something": "else"})[1]["params"] == changed, "a model stays until another is chosen"
    assert env.step(env.action_space.sample())[4]["params"] == changed
    env.unwrapped.set_params(**{second: space.low[1]})
    assert env.step(env.action_space.sample())[4]["params"] == {first: space.high[0], second: space.low[1]}
    assert env.reset(options={"params": space.low})[1]["params"] == dict(zip(space.names, space.low, strict=True))
    assert env.reset(options={"params": "nominal"})[1]["params"] == dict(zip(space.names, space.nominal, strict=True))


@pytest.mark.parametrize("env_id", IDS)
def test_vector_environment_with_a_model_per_row(env_id):
    vector = gymnasium.make_vec(env_id, num_envs=3, vectorization_mode="vector_entry_point")
    space = vector.unwrapped.batched.parameter_space
    name, values = space.names[0], np.linspace(space.low[0], space.high[0], 3)
    _, info = vector.reset(seed=0, options={"params": {name: values}})
    assert_array_equal(info["params"][name], values)
    vector.action_space.seed(0)
    for _ in range(550):
        _, rewards, *_ = vector.step(vector.action_space.sample())
        assert rewards.shape == (3,)
    # Rows that were reset automatically kept their models.
    assert_array_equal(vector.unwrapped.batched.get_params()[:, 0], values)


@pytest.mark.parametrize(
    "params", [{"mas": 1.0}, [1.0], [1.0, np.nan], {"mass": -1.0}, {"mass": 0.0}, "nominall", {"length": np.inf}]
)
def test_models_that_cannot_be(params):
    env = gymnasium.make("parametric/pendulum-v0")
    with pytest.raises(ValueError, match=r"Did you mean 'mass'\?|expected"):
        env.reset(options={"params": params})
    with pytest.raises(ValueError, match="one fixed transition model"):
        gymnasium.make("tabular/identity-v0").reset(options={"params": {"mass": 1.0}})


def test_parameter_spaces_that_cannot_be():
    with pytest.raises(ValueError, match="are the bounds reversed"):
        Parameter(name="mass", nominal=1.0, low=2.0, high=1.0)
    with pytest.raises(ValueError, match="nominal value -1 cannot be simulated"):
        Parameter(name="mass", nominal=-1.0, low=1.0, high=2.0)
    mass = Parameter(name="mass", nominal=5.0, low=1.0, high=2.0)
    with pytest.raises(ValueError, match="names that differ"):
        ParameterSpace((mass, mass))
    assert ParameterSpace((mass,)).mapping(np.array([[1.0], [2.0]]))["mass"].tolist() == [1.0, 2.0]
