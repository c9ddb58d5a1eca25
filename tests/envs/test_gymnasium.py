"""What gymnasium and mo-gymnasium offer for environments works on every one of ours."""

from __future__ import annotations

import copy
import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.vector import AsyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers
from mo_gymnasium import wrappers as mo_wrappers
from mo_gymnasium.wrappers import vector as mo_vector_wrappers
from numpy.testing import assert_allclose, assert_array_equal

from envs.adapters import BatchedVectorEnv, SingleEnv
from envs.coverage import Grid, SubmodularReward
from envs.coverage.set_functions import Coverage, Stack
from envs.registry import NATIVE_FORMS, OWN_IDS, batched_form

STEPS = 12
SMALL = {  # what takes long to build
    "coverage/gp-v0": {"rows": 5, "columns": 6},
    "coverage/experiment-design-v0": {"rows": 5, "columns": 6},
}
VECTOR = [
    *(
        (env_id, {})
        for env_id in (
            "tabular/identity-v0",
            "tabular/treasure-corridor-v0",
            "tabular/walk-room-v0",
            "continuous/two-targets-v0",
        )
    ),
    ("continuous/quadratic-bandit-v0", {}),
    ("parametric/mo-hopper-v0", {}),
    *((f"coverage/{name}-v0", {"vector_reward": True}) for name in ("two-rooms", "car")),
    *((env_id, {"reward": "vector"}) for env_id in OWN_IDS if env_id.startswith("cormab/")),
]
"""Ids, and the arguments with which their reward is a vector."""
SCALAR = [env_id for env_id in OWN_IDS if (env_id, {}) not in VECTOR]


def make(env_id, **arguments):
    return gymnasium.make(env_id, **{**SMALL.get(env_id, {}), **arguments})


def make_vec(env_id, **arguments):
    return gymnasium.make_vec(env_id, num_envs=2, **{**SMALL.get(env_id, {}), **arguments})


def play(env, steps=STEPS):
    """Everything that comes back in random play, in bytes, and the episodes that a wrapper recorded."""
    env.action_space.seed(0)
    seen, episodes = [], []
    for _ in range(steps):
        *result, info = env.step(env.action_space.sample())
        seen += [np.asarray(part).tobytes() for part in result]
        episodes += [info["episode"]] if "episode" in info else []
        if isinstance(env, gymnasium.Env) and (result[2] or result[3]):
            seen.append(np.asarray(env.reset()[0]).tobytes())
    return seen, episodes


def pickled(env):
    return pickle.loads(pickle.dumps(env))  # noqa: S301 - our own bytes


@pytest.mark.parametrize("env_id", SCALAR)
def test_episodes_are_recorded_and_normalised(env_id):
    plain = make(env_id, max_episode_steps=STEPS)
    plain.reset(seed=4)
    plain.action_space.seed(0)
    rewards, ended = [], False
    while not ended:
        _, reward, terminated, truncated, _ = plain.step(plain.action_space.sample())
        assert type(reward) is float
        rewards.append(reward)
        ended = terminated or truncated
    env = wrappers.RecordEpisodeStatistics(wrappers.NormalizeObservation(make(env_id, max_episode_steps=STEPS)))
    env.reset(seed=4)
    episode = play(env)[1][0]
    assert episode["l"] == len(rewards)
    assert_allclose(episode["r"], sum(rewards), rtol=1e-6)
    scaled = wrappers.NormalizeReward(make(env_id))
    scaled.reset(seed=4)
    scaled.action_space.seed(0)
    assert isinstance(scaled.step(scaled.action_space.sample())[1], float)


@pytest.mark.parametrize("env_id", SCALAR)
def test_the_vector_form_is_that_of_gymnasium_but_faster(env_id):
    loop = make_vec(env_id, vectorization_mode="sync", wrappers=[wrappers.OrderEnforcing])
    native = make_vec(env_id)
    assert isinstance(native, BatchedVectorEnv)
    assert_array_equal(native.reset(seed=2)[0], loop.reset(seed=2)[0])
    assert play(native, 1)[0][0] == play(loop, 1)[0][0]
    env = vector_wrappers.RecordEpisodeStatistics(
        vector_wrappers.NormalizeReward(vector_wrappers.NormalizeObservation(make_vec(env_id, max_episode_steps=3)))
    )
    env.reset(seed=2)
    episodes = play(env)[1]
    assert all(episode["l"].max() <= 3 and np.isfinite(episode["r"]).all() for episode in episodes)
    assert episodes


@pytest.mark.parametrize(("env_id", "arguments"), VECTOR)
def test_wrappers_for_several_objectives(env_id, arguments):
    env = make(env_id, **arguments)
    m = env.unwrapped.reward_dim
    assert env.unwrapped.reward_space.shape == (m,)
    env.reset(seed=0)
    env.action_space.seed(0)
    action = env.action_space.sample()
    reward = env.step(action)[1]
    assert reward.shape == (m,)

    def first_reward(wrapped):
        wrapped.reset(seed=0)
        return wrapped.step(action)[1]

    weight = np.arange(1.0, m + 1)
    assert_allclose(first_reward(mo_wrappers.LinearReward(make(env_id, **arguments), weight)), reward @ weight, rtol=1e-5)
    clipped = first_reward(mo_wrappers.MOClipReward(make(env_id, **arguments), m - 1, -0.1, 0.1))
    assert_array_equal(clipped, [*reward[:-1], np.clip(reward[-1], -0.1, 0.1)])
    assert_array_equal(first_reward(mo_wrappers.MONormalizeReward(make(env_id, **arguments), m - 1))[:-1], reward[:-1])
    skipped = mo_wrappers.MORecordEpisodeStatistics(mo_wrappers.MOMaxAndSkipObservation(make(env_id, **arguments), skip=2))
    skipped.reset(seed=0)
    assert skipped.step(action)[1].shape == (m,)
    assert skipped.episode_returns.shape == (m,)
    loop = mo_vector_wrappers.MOSyncVectorEnv([lambda: make(env_id, **arguments)] * 2)
    native = mo_vector_wrappers.MORecordEpisodeStatistics(make_vec(env_id, **arguments))
    assert native.unwrapped.reward_dim == m
    for vector in (loop, native):
        vector.reset(seed=0)
        vector.action_space.seed(0)
    actions = loop.action_space.sample()
    assert_array_equal(native.step(actions)[1], loop.step(actions)[1].astype(np.float32))


@pytest.mark.parametrize("go", [copy.deepcopy, pickled], ids=["copy", "pickle"])
@pytest.mark.parametrize("env_id", OWN_IDS)
def test_copies_go_on_where_the_original_stands(env_id, go):
    for env in (make(env_id), make_vec(env_id), make(env_id).unwrapped):
        go(env)
        env.reset(seed=1)
        play(env, 1)
        other = go(env)
        # Stepping one does not move the other.
        first = play(env)[0]
        assert play(other)[0] == first
        assert_array_equal(other.reset()[0], env.reset()[0])


def test_copies_of_what_is_wrapped_and_of_batched_forms_go_on_too():
    layers = [{"name": "observation_delay", "steps": 2}, {"name": "time_constrained_adversary"}]
    forms = [SingleEnv(batched_form("parametric/wrapped-v0", 1, base="parametric/walker2d-v0", layers=layers))]
    forms += [SingleEnv(batched_form(env_id, 1)) for env_id in ("mo-hopper-v5", "minecart-v0", "four-room-v0", "fishwood-v0")]
    forms.append(SubmodularReward(gymnasium.make("CliffWalking-v1"), Coverage([[cell] for cell in range(48)]), int))
    assert NATIVE_FORMS
    for env in forms:
        env.reset(seed=1)
        play(env, 1)
        others = [copy.deepcopy(env), pickled(env)]
        first = play(env)[0]
        assert all(play(other)[0] == first for other in others)


def test_processes_hold_copies():
    env = AsyncVectorEnv([lambda: gymnasium.make("parametric/hopper-v0")] * 2)
    alone = gymnasium.make("parametric/hopper-v0")
    assert_array_equal(env.reset(seed=6)[0][1], alone.reset(seed=7)[0])
    env.close()


@pytest.mark.parametrize(
    ("env_id", "arguments", "own"),
    [
        ("parametric/pendulum-v0", {}, 200),
        ("parametric/pendulum-v0", {"horizon": 50}, 50),
        ("parametric/hopper-v0", {}, 1000),
        ("parametric/wrapped-v0", {"base": "parametric/cartpole-v0"}, 500),
        ("cormab/budget-v0", {}, 20),
        ("continuous/two-targets-v0", {}, 10),
        ("coverage/hub-v0", {}, None),  # ends by itself
    ],
)
def test_the_specification_knows_the_time_limit(env_id, arguments, own):
    for given, expected in ((None, own), (-1, own), (2, 2)):
        env = gymnasium.make(env_id, max_episode_steps=given, **arguments)
        assert env.spec.max_episode_steps == expected
        vector = gymnasium.make_vec(env_id, num_envs=2, max_episode_steps=given, **arguments)
        assert vector.spec.max_episode_steps == expected
        again = env.spec.make()
        assert again.spec.max_episode_steps == expected
        again.reset(seed=0)
        again.action_space.seed(0)
        again.step(again.action_space.sample())
        assert again.step(again.action_space.sample())[3] == (expected == 2)
    assert gymnasium.spec(env_id).max_episode_steps is None  # where arguments decide, gymnasium adds no limit of its own


def test_one_objective_is_a_number_unless_a_vector_is_asked_for():
    double = Stack([Coverage([[cell] for cell in range(900)]), Coverage([[cell] for cell in range(900)])])
    for arguments, shape in (({}, ()), ({"vector_reward": True}, (1,)), ({"set_function": double}, (2,))):
        env = gymnasium.make("coverage/grid-v0", **arguments)
        vector = gymnasium.make_vec("coverage/grid-v0", num_envs=3, **arguments)
        for each in (env, vector):
            each.reset(seed=0)
        assert np.shape(env.step(1)[1]) == shape
        assert np.shape(vector.step(np.ones(3, np.int64))[1]) == (3, *shape)
    # The batched form pays all of them the same way.
    batched = Grid(1)
    batched.reset(np.arange(1), np.arange(1))
    assert batched.step(np.arange(1), np.ones(1, np.int64))[1].shape == (1, 1)


def test_infos_say_which_models_are_in_force():
    env = gymnasium.make_vec("parametric/wrapped-v0", num_envs=2, base="parametric/pendulum-v0", max_episode_steps=1)
    first = env.reset(seed=np.int64(0))[1]["params"]["mass"]
    action = np.zeros((2, 1), np.float32)
    assert_array_equal(env.step(action)[4]["params"]["mass"], first)
    infos = env.step(action)[4]  # reset: domain randomisation drew others
    assert not np.isin(infos["params"]["mass"], first).any()
    as_list = vector_wrappers.DictInfoToList(env).step(action)[4]
    assert [info["params"]["mass"] for info in as_list] == infos["params"]["mass"].tolist()
    same = gymnasium.make_vec("parametric/wrapped-v0", num_envs=2, max_episode_steps=1, autoreset_mode="SameStep")
    first = same.reset(seed=0)[1]["params"]["mass"]
    infos = same.step(action)[4]
    assert_array_equal(infos["final_info"]["params"]["mass"], first)
    assert not np.isin(infos["params"]["mass"], first).any()


ROBOTS = {f"parametric/{name}-v0" for name in ("mo-hopper", "walker2d", "half-cheetah", "ant", "humanoid-standup")}
"""Filmed like the hopper, which stands for them: a picture of a robot takes long without a graphics card."""


@pytest.mark.parametrize("env_id", [env_id for env_id in OWN_IDS if env_id not in ROBOTS])
def test_films_are_recorded(env_id, tmp_path):
    pytest.importorskip("moviepy")
    film = wrappers.RecordVideo(make(env_id, render_mode="rgb_array"), str(tmp_path / "films"), video_length=2)
    try:
        film.reset(seed=0)
        play(film, steps=2)
    except gymnasium.error.DependencyNotInstalled as error:
        pytest.skip(str(error))
    film.close()
    assert next((tmp_path / "films").glob("*.mp4")).stat().st_size > 500
