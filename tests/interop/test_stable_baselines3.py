"""stable-baselines3, which knows nothing of us, checks and learns our environments from their ids alone."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from envs.registry import OWN_IDS

pytest.importorskip("stable_baselines3")
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

# It asks every environment for pictures, whether somebody wants to see them or not.

VECTOR_REWARDS = {
    "tabular/identity-v0",
    "tabular/treasure-corridor-v0",
    "tabular/walk-room-v0",
    "continuous/two-targets-v0",
    "continuous/quadratic-bandit-v0",
    "parametric/mo-hopper-v0",
}
FAMILIES = [
    "tabular/river-swim-v0",
    "coverage/two-rooms-v0",
    "cormab/budget-v0",
    "parametric/pendulum-v0",
    "parametric/hopper-v0",
]
"""One id of each family whose reward is a number; all of ``continuous/`` pay vectors."""


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized Box action space.*:UserWarning")  # advice about torques
@pytest.mark.parametrize("env_id", [env_id for env_id in OWN_IDS if env_id not in VECTOR_REWARDS])
def test_environments_pass_its_checker(env_id):
    check_env(gymnasium.make(env_id), skip_render_check=True)


@pytest.mark.parametrize("env_id", FAMILIES)
def test_ppo_learns_from_the_id_alone(env_id):
    torch.manual_seed(0)
    model = PPO("MlpPolicy", env_id, n_steps=250, batch_size=250, n_epochs=2, policy_kwargs={"net_arch": [16]}, seed=0)
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(2_000)
    assert model.num_timesteps == 2_000
    assert any(not torch.equal(old, new) for old, new in zip(before, model.policy.parameters(), strict=True))
    if env_id != "parametric/hopper-v0":  # falls at different times
        length = {"tabular": 200, "coverage": 39, "cormab": 20, "parametric": 200}[env_id.split("/")[0]]
        assert {episode["l"] for episode in model.ep_info_buffer} == {length}
    assert np.isfinite([episode["r"] for episode in model.ep_info_buffer]).all()
    env = gymnasium.make(env_id)
    action, _ = model.predict(env.reset(seed=0)[0], deterministic=True)
    env.step(action)


def test_its_vector_environments_and_monitors_take_ours():
    env = VecNormalize(make_vec_env("coverage/hub-v0", n_envs=3, seed=0))
    env.reset()
    for _ in range(3):
        _, rewards, ended, infos = env.step(np.zeros(3, np.int64))
    assert ended.all()
    assert rewards.shape == (3,)
    seen = [float(info["episode"]["r"]) for info in infos]
    assert set(seen) <= {1.0, 2.0}  # places seen: chance's one, and perhaps the other
    assert not any(info["TimeLimit.truncated"] for info in infos)
    env.close()
