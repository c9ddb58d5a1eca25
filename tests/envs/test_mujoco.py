"""The batched robots against the originals, step by step and bitwise."""

import mo_gymnasium
import numpy as np
import pytest

from envs import batched_form
from envs.checks import check_batched_env

pytest.importorskip("mujoco")
IDS = ["mo-halfcheetah-v4", "mo-halfcheetah-v5", "mo-hopper-v4", "mo-hopper-2d-v4", "mo-hopper-v5", "mo-hopper-2obj-v5"]


@pytest.mark.parametrize("env_id", IDS)
def test_equals_the_original_bitwise(env_id):
    rows = np.arange(9)
    batched = batched_form(env_id, len(rows), max_episode_steps=60)
    assert batched is not None
    originals = [mo_gymnasium.make(env_id, max_episode_steps=60) for _ in rows]
    first = batched.reset(rows, rows + 5)
    for row, env in enumerate(originals):
        np.testing.assert_array_equal(first[row], env.reset(seed=int(row) + 5)[0])
    rng = np.random.default_rng(0)
    alive = rows
    ends = set()
    for _ in range(60):
        # Beyond the bounds too, and gently for some rows, so that some hoppers last.
        actions = (rng.uniform(-1.2, 1.2, (len(alive), *batched.action_space.shape)) * (alive[:, None] + 1) / 9).astype(
            np.float32
        )
        observations, rewards, terminated, truncated = batched.step(alive, actions)
        for i, row in enumerate(alive):
            observation, reward, has_terminated, was_truncated, _ = originals[row].step(actions[i])
            np.testing.assert_array_equal(observations[i], observation)
            np.testing.assert_array_equal(rewards[i], reward)
            assert (terminated[i], truncated[i]) == (has_terminated, was_truncated)
        ends |= {kind for kind, ended in (("terminated", terminated), ("truncated", truncated)) if ended.any()}
        alive = alive[~(terminated | truncated)]
        if not len(alive):
            break
    assert ("terminated" in ends) == ("hopper" in env_id)
    assert (batched.observation_space, batched.action_space) == (originals[0].observation_space, originals[0].action_space)
    assert batched.reward_space == originals[0].unwrapped.reward_space


@pytest.mark.parametrize("env_id", IDS)
def test_conforms(env_id):
    check_batched_env(lambda rows: batched_form(env_id, rows, max_episode_steps=30))


def test_threads_change_no_number(monkeypatch):
    def played(threads):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        batched = batched_form("mo-halfcheetah-v4", 8)
        rows, rng = np.arange(8), np.random.default_rng(1)
        batched.reset(rows, rows)
        steps = [batched.step(rows, rng.uniform(-1, 1, (8, 6)).astype(np.float32)) for _ in range(20)]
        batched.close()
        return steps

    for one, two in zip(played(1), played(2), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


def test_arguments_of_the_original_that_the_batched_form_lacks_leave_it_to_the_original():
    assert batched_form("mo-halfcheetah-v5", 2, reset_noise_scale=0.0) is None
    assert batched_form("mo-hopper-v5", 2, healthy_reward=2.0) is None
    assert batched_form("mo-halfcheetah-v5", 2, ctrl_cost_weight=0.3) is not None
