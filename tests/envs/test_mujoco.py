"""The batched robots against the originals, step by step and bitwise."""

import copy
import pickle

import gymnasium
import mo_gymnasium  # noqa: F401 - registers its environments
import numpy as np
import pytest

from envs import batched_form
from envs.checks import check_batched_env
from envs.registry import ROBOTS

pytest.importorskip("mujoco")
IDS = [env_id for env_id, spec in gymnasium.registry.items() if spec.entry_point in ROBOTS]
ONE_OF_EACH_KIND = [
    *(env_id for env_id in IDS if env_id[0].isupper() and env_id.endswith("v5")),
    *("mo-halfcheetah-v4", "mo-hopper-2obj-v5", "mo-hopper-v4", "mo-reacher-v5", "Ant-v4", "InvertedPendulum-v4"),
]
FALLING = ("hopper", "walker", "humanoid-", "pendulum")


def played(env_id, rows=5, steps=40, **arguments):
    """Compare an episode of each row with the original's; return how episodes ended."""
    batched = batched_form(env_id, rows, max_episode_steps=steps, **arguments)
    assert batched is not None
    everyone = np.arange(rows)
    originals = [gymnasium.make(env_id, max_episode_steps=steps, disable_env_checker=True, **arguments) for _ in everyone]
    first = batched.reset(everyone, everyone + 5)
    for row, env in enumerate(originals):
        np.testing.assert_array_equal(first[row], env.reset(seed=row + 5)[0])
    rng = np.random.default_rng(0)
    alive, ends = everyone, set()
    while len(alive):
        if isinstance(batched.action_space, gymnasium.spaces.Discrete):
            actions = rng.integers(batched.action_space.n, size=len(alive))
        else:
            # Beyond the bounds too, and gently for some rows, so that some last.
            actions = rng.uniform(-1.2, 1.2, (len(alive), *batched.action_space.shape)) * (alive[:, None] + 1) / rows
            actions = (actions * batched.action_space.high).astype(np.float32)
        observations, rewards, terminated, truncated = batched.step(alive, actions)
        for i, row in enumerate(alive):
            observation, reward, has_terminated, was_truncated, _ = originals[row].step(actions[i])
            np.testing.assert_array_equal(observations[i], observation)
            np.testing.assert_array_equal(rewards[i], np.ravel(reward).astype(np.float32))
            assert (terminated[i], truncated[i]) == (has_terminated, was_truncated)
        ends |= {kind for kind, ended in (("terminated", terminated), ("truncated", truncated)) if ended.any()}
        alive = alive[~(terminated | truncated)]
    assert (batched.observation_space, batched.action_space) == (originals[0].observation_space, originals[0].action_space)
    assert batched.scalar_reward == (not hasattr(originals[0].unwrapped, "reward_space"))
    assert batched.scalar_reward or batched.reward_space == originals[0].unwrapped.reward_space
    return ends


@pytest.mark.parametrize("env_id", IDS)
def test_equals_the_original_bitwise(env_id):
    assert ("terminated" in played(env_id)) == any(name in env_id.lower() for name in FALLING)


_FALLS = {"healthy_reward": 0.3, "ctrl_cost_weight": 0.07, "healthy_z_range": (0.45, 1.25)}
_JUMPS = {**_FALLS, "healthy_z_range": (0.5, 0.76)}
_EVERYTHING_SEEN = {"exclude_current_positions_from_observation": False}


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("HalfCheetah-v5", {"forward_reward_weight": 1.3, "reset_noise_scale": 0.2, "frame_skip": 3, **_EVERYTHING_SEEN}),
        ("mo-halfcheetah-v4", {"forward_reward_weight": 1.3, "ctrl_cost_weight": 0.07, "reset_noise_scale": 0.0}),
        ("mo-halfcheetah-v5", {"forward_reward_weight": 1.3, "ctrl_cost_weight": 0.07}),
        ("Swimmer-v5", {"ctrl_cost_weight": 0.07, **_EVERYTHING_SEEN}),
        ("Hopper-v4", {"terminate_when_unhealthy": False, **_FALLS}),
        ("mo-hopper-2obj-v5", {"healthy_state_range": (-3.0, 3.0), "healthy_angle_range": (-0.1, 0.1), **_FALLS}),
        ("mo-walker2d-v4", _FALLS),
        ("mo-walker2d-v5", _FALLS),
        ("Ant-v4", {"use_contact_forces": True, **_EVERYTHING_SEEN, **_JUMPS}),
        ("mo-ant-v4", {"use_contact_forces": True, **_JUMPS}),
        ("Ant-v5", {"main_body": 2, "contact_force_range": (-0.5, 2.0), "contact_cost_weight": 0.3, **_JUMPS}),
        ("mo-ant-2obj-v5", {"include_cfrc_ext_in_observation": False, "xml_file": "ant.xml", **_JUMPS}),
        ("Humanoid-v5", {"contact_cost_weight": 1e-4, "contact_cost_range": (0.1, 1.0), "include_cvel_in_observation": False}),
        ("mo-humanoid-v5", {**_FALLS, **_EVERYTHING_SEEN, "include_cfrc_ext_in_observation": False}),
        ("HumanoidStandup-v5", {"impact_cost_range": (0.1, 2.0), "include_qfrc_actuator_in_observation": False}),
        ("InvertedDoublePendulum-v5", {"healthy_reward": 0.3, "reset_noise_scale": 0.2}),
        ("Reacher-v5", {"reward_dist_weight": 0.7, "reward_control_weight": 0.3}),
        ("Pusher-v5", {"reward_near_weight": 0.3, "reward_dist_weight": 0.7, "reward_control_weight": 0.3}),
    ],
)
def test_arguments_mean_what_they_mean_in_the_original(env_id, arguments):
    ends = played(env_id, rows=3, steps=25, **arguments)
    if "healthy_z_range" in arguments:
        assert ("terminated" in ends) == arguments.get("terminate_when_unhealthy", True)


def test_no_robot_is_forgotten():
    robots = {env_id for env_id, spec in gymnasium.registry.items() if ".envs.mujoco." in str(spec.entry_point)}
    assert robots - set(IDS) <= {"Pusher-v4"}, "which does not run with today's MuJoCo"
    assert {gymnasium.spec(env_id).entry_point for env_id in IDS} == set(ROBOTS)


@pytest.mark.parametrize("arguments", [{"width": 100}, {"camera_name": "track"}, {"no_such_argument": 1}])
def test_arguments_that_the_batched_form_lacks_leave_it_to_the_original(arguments):
    assert batched_form("Ant-v5", 2, **arguments) is None
    assert batched_form("mo-halfcheetah-v5", 2, **arguments) is None


@pytest.mark.parametrize("env_id", ONE_OF_EACH_KIND)
def test_conforms(env_id):
    check_batched_env(lambda rows: batched_form(env_id, rows, max_episode_steps=15), steps=40, num_envs=3)


def test_threads_change_no_number(monkeypatch):
    def steps_of(threads):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        batched = batched_form("mo-ant-v5", 8)
        rows, rng = np.arange(8), np.random.default_rng(1)
        batched.reset(rows, rows)
        steps = [batched.step(rows, rng.uniform(-1, 1, (8, 8)).astype(np.float32)) for _ in range(20)]
        batched.close()
        return steps

    for one, two in zip(steps_of(1), steps_of(2), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("env_id", ["Humanoid-v5", "mo-reacher-v4"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])  # noqa: S301
def test_copies_go_on_number_for_number(env_id, copied):
    env = batched_form(env_id, 2)
    rows = np.arange(2)
    env.reset(rows, rows)
    actions = np.stack([env.action_space.sample() for _ in rows])
    env.step(rows, actions)
    twin = copied(env)
    for ours, theirs in zip(env.step(rows, actions), twin.step(rows, actions), strict=True):
        np.testing.assert_array_equal(ours, theirs)
