from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import AddRenderObservation

from envs import batched_form
from envs.adapters import BatchedVectorEnv, SingleEnv
from envs.registry import OWN_IDS
from envs.tabular.identity import Identity


@pytest.mark.parametrize("env_id", OWN_IDS)
def test_single_form_plays_the_episodes_of_the_batched_form(env_id):
    env, batched = gymnasium.make(env_id), batched_form(env_id, 3)
    env.action_space.seed(0)
    for seed in (0, 1, 2**40):
        observation, info = env.reset(seed=seed)
        expected = batched.reset(np.array([1]), np.array([seed]))
        np.testing.assert_array_equal(observation, expected[0])
        assert info.keys() <= {"params"}
        for _ in range(200):
            action = env.action_space.sample()
            found = env.step(action)[:4]
            for one, many in zip(found, batched.step(np.array([1]), np.asarray(action)[None]), strict=True):
                np.testing.assert_array_equal(one, many[0])
            if found[2] or found[3]:
                break


def test_unseeded_episodes_follow_from_the_first_seed():
    def starts():
        env = gymnasium.make("continuous/two-targets-v0")
        return [env.reset(seed=5)[0], env.reset()[0], env.reset()[0]]

    first, second = starts(), starts()
    np.testing.assert_array_equal(first, second)
    assert np.unique(first, axis=0).shape[0] == 3


def test_single_form_reaches_what_the_world_knows():
    env = gymnasium.make("continuous/two-targets-v0", horizon=3).unwrapped
    assert env.pareto_front(1.0).shape == (101, 2)
    assert env.max_episode_steps == 3
    with pytest.raises(AttributeError):
        env.no_such_thing  # noqa: B018
    with pytest.raises(ValueError, match="exactly one"):
        SingleEnv(batched_form("tabular/identity-v0", 2))


class Drawn(Identity):
    """One state that draws the number of the row and of the step."""

    render_fps = 4

    def render_frame(self, row):
        return np.full((2, 3, 3), 10 * row + self._elapsed[row], np.uint8)

    def render_text(self, row):
        return f"row {row}, step {self._elapsed[row]}"


def test_single_form_draws():
    env = SingleEnv(Drawn(1), render_mode="rgb_array")
    assert env.metadata == {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}
    env.reset(seed=0)
    env.step(0)
    np.testing.assert_array_equal(env.render(), np.ones((2, 3, 3)))
    text = SingleEnv(Drawn(1), render_mode="ansi")
    text.reset(seed=0)
    assert text.render() == "row 0, step 0"


def test_vector_form_draws_every_row():
    env = BatchedVectorEnv(Drawn(3), render_mode="rgb_array")
    assert env.metadata["render_fps"] == 4
    env.reset(seed=0)
    env.step(np.zeros(3, np.int64))
    assert [frame[0, 0, 0] for frame in env.render()] == [1, 11, 21]


@pytest.fixture
def drawn_id():
    """An id under which gymnasium makes the world above."""
    gymnasium.register("drawn-v0", entry_point="envs.adapters:single_form", kwargs={"native": f"{__name__}:Drawn"})
    yield "drawn-v0"
    del gymnasium.registry["drawn-v0"]


def test_what_gymnasium_makes_of_pictures(drawn_id):
    film = gymnasium.make(drawn_id, render_mode="rgb_array_list")
    film.reset(seed=0)
    film.step(0)
    assert [int(frame.max()) for frame in film.render()] == [0, 1]
    seen = AddRenderObservation(gymnasium.make(drawn_id, render_mode="rgb_array"))
    assert seen.observation_space.shape == (2, 3, 3)
    check_env(gymnasium.make(drawn_id).unwrapped)


@pytest.mark.parametrize("form", [SingleEnv, BatchedVectorEnv])
def test_what_is_not_drawn_is_said_and_stops_nobody(form):
    with pytest.warns(UserWarning, match="TwoTargets does not draw render_mode='no_such_mode'"):
        env = form(batched_form("continuous/two-targets-v0", 1), render_mode="no_such_mode")
    assert env.render_mode is None
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="without a mode"):
        assert env.render() is None


def play(vector, steps, seed):
    """Everything a vector environment returns over random play."""
    rng = np.random.default_rng(0)
    observations = [vector.reset(seed=seed)[0]]
    rest = []
    for _ in range(steps):
        actions = rng.integers(2, size=vector.num_envs)
        observation, *others = vector.step(actions)
        observations.append(observation)
        rest.append(others)
    return observations, rest


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_vector_form_resets_as_gymnasium_does(mode):
    # The corridor begins the same for every seed, so both sides stay in step after automatic resets.
    own = gymnasium.make_vec("tabular/treasure-corridor-v0", 6, autoreset_mode=mode)
    theirs = gymnasium.make_vec(
        "tabular/treasure-corridor-v0", 6, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode(mode)}
    )
    assert isinstance(own.unwrapped, BatchedVectorEnv)
    assert own.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    assert own.observation_space == theirs.observation_space
    assert own.action_space == theirs.action_space
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(own.reset(seed=0)[0], theirs.reset(seed=0)[0])
    ends = 0
    for _ in range(100):
        actions = rng.integers(2, size=6)
        # gymnasium keeps one number of each reward; ours has a row per environment.
        theirs._rewards = np.zeros((6, 2), np.float32)
        found, expected = own.step(actions), theirs.step(actions)
        for one, other in zip(found[:4], expected[:4], strict=True):
            np.testing.assert_array_equal(one, other)
        assert found[4].keys() == expected[4].keys()
        if "final_obs" in found[4]:
            np.testing.assert_array_equal(found[4]["_final_obs"], expected[4]["_final_obs"])
            for one, other in zip(found[4]["final_obs"], expected[4]["final_obs"], strict=True):
                assert (one is None) == (other is None)
                assert one is None or one == other
        ends += int((found[2] | found[3]).sum())
    assert ends > 50


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_vector_form_is_determined_by_its_seeds(mode):
    def run(seed, number=4):
        return play(gymnasium.make_vec("tabular/identity-v0", number, autoreset_mode=mode), 30, seed)[0]

    first = np.array(run(3))
    np.testing.assert_array_equal(first, run(3))
    np.testing.assert_array_equal(first, run([3, 4, 5, 6]))
    # A row's future does not depend on how many rows there are.
    np.testing.assert_array_equal(first[:, :2], run(3, 2))
    assert (first != np.array(run(4))).any()
    assert np.unique(first).size == 4


def test_vector_form_cuts_episodes_at_the_limit():
    vector = gymnasium.make_vec("tabular/treasure-corridor-v0", 2, max_episode_steps=2)
    vector.reset(seed=0)
    vector.step(np.zeros(2, np.int64))
    _, _, terminated, truncated, _ = vector.step(np.zeros(2, np.int64))
    assert truncated.all()
    assert not terminated.any()


def test_vector_form_refuses():
    with pytest.raises(ValueError, match="NEXT_STEP or SAME_STEP"):
        gymnasium.make_vec("tabular/identity-v0", 2, autoreset_mode=AutoresetMode.DISABLED)
    vector = gymnasium.make_vec("tabular/identity-v0", 2)
    with pytest.raises(ValueError, match="one for each of the 2 rows"):
        vector.reset(seed=[1, 2, 3])
