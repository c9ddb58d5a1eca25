from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import mo_gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import envs
from envs import BatchedEnv, batched_form, register
from envs.checks import check_batched_env, check_vector_reward_env
from envs.registry import OWN_IDS

pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")

DETERMINISTIC = [
    "deep-sea-treasure-v0",
    "deep-sea-treasure-concave-v0",
    "deep-sea-treasure-mirrored-v0",
    "fruit-tree-v0",
    "four-room-v0",
    "minecart-deterministic-v0",
]
RANDOM = ["resource-gathering-v0", "fishwood-v0", "minecart-v0"]


@pytest.mark.parametrize("env_id", [*DETERMINISTIC, *RANDOM, *OWN_IDS])
def test_every_native_form_conforms(env_id):
    reference = (lambda: mo_gymnasium.make(env_id)) if env_id in DETERMINISTIC else None
    one = batched_form(env_id, 1)
    assert isinstance(one, BatchedEnv)
    steps, rows = (40, 3) if hasattr(one, "model_file") else (250, 5)  # physics takes its time
    check_batched_env(lambda number: batched_form(env_id, number), reference, steps=steps, num_envs=rows)


@pytest.mark.filterwarnings("ignore:.*Box.*:UserWarning")  # gymnasium's advice on bounds that its own environments have
@pytest.mark.parametrize("env_id", OWN_IDS)
def test_own_ids_conform_as_single_environments(env_id):
    # By themselves these give plain numbers as rewards.
    arguments = {"reward": "vector"} if env_id.startswith("cormab/") else {}
    env = gymnasium.make(env_id, **arguments)
    check_env(env.unwrapped, skip_render_check=True)
    if getattr(env.unwrapped, "scalar_reward", False):
        return
    check_vector_reward_env(env)
    check_vector_reward_env(gymnasium.make(env_id, max_episode_steps=1, **arguments))


@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("CartPole-v1", {}),
        ("no-such-environment-v0", {}),
        ("breakable-bottles-v0", {}),
        ("minecart-rgb-v0", {}),
        ("minecart-v0", {"image_observation": True}),
        ("deep-sea-treasure-v0", {"dst_map": np.zeros((11, 11))}),
        ("deep-sea-treasure-v0", {"no_such_argument": 1}),
        ("deep-sea-treasure-v0", {"render_mode": "rgb_array"}),
        ("fruit-tree-v0", {"depth": 4}),
        ("four-room-v0", {"maze": np.array([["_", "9", "G"]])}),
        ("fishwood-v0", {"fishproba": 1.5}),
        ("tabular/identity-v0", {"render_mode": "human"}),
    ],
)
def test_no_native_form(env_id, arguments):
    assert batched_form(env_id, 2, **arguments) is None


def test_a_minecart_whose_mines_are_left_to_chance_has_no_native_form(tmp_path):
    config = tmp_path / "mines.json"
    config.write_text('{"capacity": 1.5, "mine_cnt": 2, "ore_cnt": 2, "mines": [{"x": 0.5, "y": 0.5}]}')
    assert batched_form("minecart-v0", 2, config=str(config)) is None


@pytest.mark.parametrize(("limit", "expected"), [(None, 100), (7, 7), (-1, None)])
def test_limit_is_that_of_gymnasium(limit, expected):
    assert batched_form("deep-sea-treasure-v0", 1, max_episode_steps=limit).max_episode_steps == expected


def test_ids_registered_for_the_same_class_are_covered(monkeypatch):
    # Other tests look at what is registered.
    monkeypatch.setattr(gymnasium.envs.registration, "registry", gymnasium.registry.copy())
    gymnasium.register(
        id="test-registry/short-tree-v0",
        entry_point="mo_gymnasium.envs.fruit_tree.fruit_tree:FruitTreeEnv",
        kwargs={"depth": 5},
        max_episode_steps=4,
    )
    batched = batched_form("test-registry/short-tree-v0", 3)
    assert batched.observation_space.high.max() == 31
    assert batched.max_episode_steps == 4
    assert batched_form("test-registry/short-tree-v0", 3, depth=7).observation_space.high.max() == 127


def test_register_may_be_called_again():
    before = gymnasium.spec("tabular/identity-v0")
    register()
    assert gymnasium.spec("tabular/identity-v0") is before


def test_all_names_exist():
    assert all(hasattr(envs, name) for name in envs.__all__)


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        (
            "gymnasium.spec('tabular/identity-v0')",
            "torch pyomo mo_gymnasium pygame scipy morl robust envs.adapters envs.minecart",
        ),
        (
            "e = gymnasium.make('cormab/capacity-v0'); e.reset(seed=0); e.step(e.action_space.sample())",
            "torch pyomo highspy networkx morl PIL",
        ),
        ("import envs.parametric, envs.parametric.hopper; gymnasium.spec('parametric/hopper-v0')", "mujoco"),
    ],
)
def test_only_the_library_that_is_needed_is_loaded(code, heavy):
    code = f"import sys, envs, gymnasium; {code}; sys.exit(' '.join(set({heavy.split()}) & sys.modules.keys()) or None)"
    root = Path(envs.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("actions", [[4, 0], [-1, 0], [0.0, 1.0], [[0], [1]], [0]])
def test_impossible_actions_are_refused_and_change_nothing(actions):
    batched = batched_form("deep-sea-treasure-v0", 2, max_episode_steps=1)
    rows = np.arange(2)
    batched.reset(rows, rows)
    with pytest.raises(ValueError, match="expected"):
        batched.step(rows, np.array(actions))
    assert batched.step(rows, np.array([3, 3]))[3].all()
    with pytest.raises(ResetNeeded, match=r"rows \[0, 1\] have ended"):
        batched.step(rows, np.array([3, 3]))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="num_envs is 0"):
        batched_form("deep-sea-treasure-v0", 0)
    with pytest.raises(ValueError, match="max_episode_steps is 0"):
        batched_form("deep-sea-treasure-v0", 1, max_episode_steps=0)
    with pytest.raises(ValueError, match="horizon"):
        batched_form("continuous/two-targets-v0", 1, horizon=0)
    batched = batched_form("deep-sea-treasure-v0", 2)
    with pytest.raises(ValueError, match="fixed transition model"):
        batched.reset(np.arange(2), np.arange(2), np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"rows has shape \(2,\) and seeds \(3,\)"):
        batched.reset(np.arange(2), np.arange(3))
