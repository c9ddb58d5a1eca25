"""Problems: what may be given as environment, and what is refused how."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import gymnasium as gym
import mo_gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from morl import registry
from morl.errors import CapabilityError, ConfigurationError, EnvironmentFault, MorlError, ShapeError
from morl.experiments.config import from_yaml, to_yaml
from morl.policies import load_policy
from morl.problem import make_problem
from morl.rows import PlainBatch
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.mosac import MOSAC
from morl.solvers.subpo import SubPO
from morl.testing import check_policy

CPU = torch.device("cpu")


class Tiny(gym.Env[Any, Any]):
    observation_space: gym.Space[Any] = spaces.Discrete(2)
    action_space: gym.Space[Any] = spaces.Discrete(2)
    reward_space = spaces.Box(-1.0, 1.0, (2,))


class Images(Tiny):
    observation_space = spaces.Box(0, 255, (16, 16, 3), np.uint8)


class GreyImages(Tiny):
    observation_space = spaces.Box(0, 255, (16, 16), np.uint8)


class Texts(Tiny):
    observation_space = spaces.Dict({"a": spaces.Text(2)})


class Eye(Tiny):
    observation_space = spaces.Dict({"eye": spaces.Box(0, 255, (16, 16, 3), np.uint8)})


class Sampled(Tiny):
    """What is seen is drawn from the space."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        return self.observation_space.sample(), np.array([action, 1 - action], np.float32), bool(action), False, {}


class Dictionary(Sampled):
    observation_space = spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(-1.0, 1.0, (2,))})


class Pair(Sampled):
    observation_space = spaces.Tuple((spaces.Discrete(2), spaces.Discrete(3)))


def test_an_id() -> None:
    problem = make_problem("deep-sea-treasure-v0")
    spec = problem.spec
    assert (spec.env_id, spec.num_objectives, spec.max_episode_steps) == ("deep-sea-treasure-v0", 2, 100)
    assert spec.is_vector_reward
    assert not isinstance(problem.rows(2, device=CPU).batch, PlainBatch)
    assert isinstance(make_problem("deep-sea-treasure-v0", native=False).rows(2, device=CPU).batch, PlainBatch)


def test_a_mapping_with_arguments() -> None:
    problem = make_problem({"id": "deep-sea-treasure-v0", "float_state": True})
    assert problem.spec.env_arguments == {"float_state": True}
    assert problem.spec.observation_space.dtype == np.float32
    assert problem.rows(1, device=CPU).reset(np.array([0]), [0]).dtype == torch.float32


def test_a_callable() -> None:
    problem = make_problem(Tiny)
    assert problem.spec.env_id == "custom/Tiny"
    assert problem.spec.max_episode_steps is None
    limited = make_problem(lambda: gym.wrappers.TimeLimit(Tiny(), 17))
    assert limited.spec.max_episode_steps == 17
    wrapped = make_problem(lambda: mo_gymnasium.make("deep-sea-treasure-v0"))
    assert wrapped.spec.num_objectives == 2
    assert wrapped.spec.max_episode_steps == 100


def test_a_problem_stays_what_it_is() -> None:
    problem = make_problem(Tiny)
    assert make_problem(problem) is problem


def _fails() -> Any:
    raise RuntimeError("no\nlicence")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("deep-sea-treasure-v7", ConfigurationError, "unknown environment.*Did you mean 'deep-sea-treasure"),
        ("nowhere_at_all:env-v0", EnvironmentFault, "cannot be made: ModuleNotFoundError"),
        ({"float_state": True}, ConfigurationError, "without id"),
        ({"id": "deep-sea-treasure-v0", "depth": 3}, EnvironmentFault, "cannot be made: TypeError.*depth"),
        (12, ConfigurationError, "found int"),
        (None, ConfigurationError, "found NoneType"),
        (_fails, EnvironmentFault, "RuntimeError: no licence"),
        (lambda: 5, EnvironmentFault, "must be a gymnasium.Env, found int"),
        (lambda: Tiny, EnvironmentFault, "a class; pass a callable that makes an instance"),
    ],
)
def test_what_is_no_environment_is_refused_in_one_line(given: Any, error: type[MorlError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make_problem(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("solver", [MOSAC(), MOPPO(), MODQN(), EUPG()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    ("env", "message"),
    [(Images, "images"), (GreyImages, "images"), (Texts, "Text spaces"), (Eye, r"observations\['eye'\].*images")],
)
def test_observations_that_no_solver_takes(solver: Any, env: Any, message: str) -> None:
    with pytest.raises(CapabilityError, match=message) as caught:
        solver.make(make_problem(env), None, seed=0, device=CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("env", "message"), [(Images, "images"), (Dictionary, "integral"), (Texts, "Text spaces")])
def test_observations_that_no_table_takes(env: Any, message: str) -> None:
    with pytest.raises(CapabilityError, match=message):
        MOQLearning().make(make_problem(env), None, seed=0, device=CPU)


@pytest.mark.parametrize("solver", [MOSAC(), MOPPO(), MODQN(), EUPG(), SubPO()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("env", [Dictionary, Pair])
def test_observations_with_parts_are_taken(solver: Any, env: Any, tmp_path: Path) -> None:
    learner = solver.make(make_problem(env), None, seed=0, device=CPU)
    learner.learn(20 if not isinstance(solver, MOPPO) else learner.next_round())
    policy: Any = learner.policies()[0]
    observation = env().reset(seed=0)[0]
    loaded = load_policy(policy.save(tmp_path))
    assert loaded.observation_space == env.observation_space
    assert loaded.act(observation) == policy.act(observation)
    check_policy(policy)


def test_a_table_over_parts() -> None:
    """Blackjack's states are tuples of three numbers."""
    learner = MOQLearning().make(make_problem("Blackjack-v1"), None, seed=0, device=CPU)
    learner.learn(50)
    policy: Any = learner.policies()[0]
    assert policy.tensors()["actions"].shape == (1, 32 * 11 * 2)
    assert policy.act((20, 5, 1)) in (0, 1)
    with pytest.raises(ShapeError, match=r"observation\[1\] 11, which is not"):
        policy.act((20, 11, 1))


def _exits() -> Any:
    raise SystemExit(3)


def _asserts() -> Any:
    raise AssertionError


class Doubled(gym.Wrapper[Any, Any, Any, Any]):
    """Makes two objectives of one number, or of two."""

    def __init__(self, env: Any, reward_space: Any = None) -> None:
        super().__init__(env)
        if reward_space is not None:
            self.reward_space = reward_space

    def step(self, action: Any) -> Any:
        observation, reward, *rest = self.env.step(action)
        return observation, np.append(reward, 1.0), *rest


def test_the_outermost_layer_says_what_rewards_are() -> None:
    two = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    made = {
        2: lambda: gym.wrappers.TimeLimit(Doubled(gym.make("CartPole-v1"), two), 7),
        1: lambda: mo_gymnasium.wrappers.LinearReward(gym.make("deep-sea-treasure-v0"), np.array([0.5, 0.5])),
        3: lambda: mo_gymnasium.wrappers.MORecordEpisodeStatistics(gym.make("minecart-v0")),
    }
    for m, make in made.items():
        problem = make_problem(make)
        assert problem.spec.num_objectives == m
        assert problem.spec.is_vector_reward == (m > 1)
        rows = problem.rows(2, device=CPU)
        assert isinstance(rows.batch, PlainBatch)
        rows.reset(np.arange(2), [0, 1])
        assert rows.step(torch.tensor([1, 1]), np.arange(2))[1].shape == (2, m)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Doubled(gym.make("CartPole-v1")), r"Doubled returns a reward of shape \(2,\), but no layer.*\(2,\)\)"),
        (lambda: Doubled(gym.make("deep-sea-treasure-v0")), r"Doubled returns .* \(3,\), but its reward_space says \(2,\)"),
        (lambda: Doubled(gym.make("CartPole-v1"), (2,)), r"reward_space is \(2,\); expected a gymnasium Box"),
        (lambda: Doubled(gym.make("CartPole-v1"), spaces.Box(-1, 1, (2, 1))), r"has shape \(2, 1\); expected \(m,\)"),
        (_exits, r"cannot be made: it called sys.exit\(3\)"),
        (_asserts, r"AssertionError without a message, from line \d+ of .*: raise AssertionError"),
        (gym.make("CartPole-v1"), "a callable that makes one .*found TimeLimit"),
    ],
)
def test_rewards_that_nobody_declared_and_environments_that_cannot_be_made(make: Any, message: str) -> None:
    with pytest.raises(MorlError, match=message) as caught:
        make_problem(make)
    assert "\n" not in str(caught.value)


def test_wrappers_by_name() -> None:
    scaled = {"name": "RescaleAction", "min_action": -0.5, "max_action": [2.0]}
    env = {"id": "mo-mountaincarcontinuous-v0", "wrappers": [scaled, "FlattenObservation", "MORecordEpisodeStatistics"]}
    spec = make_problem(env).spec
    assert spec.action_space == spaces.Box(np.float32([-0.5]), np.float32([2.0]))
    assert (spec.num_objectives, spec.env_arguments) == (2, {"wrappers": env["wrappers"]})
    # No native form, whatever the wrapper; and another name where the known front would be another problem's.
    sea = make_problem({"id": "deep-sea-treasure-v0", "wrappers": ["FlattenObservation"], "float_state": True})
    assert isinstance(sea.rows(1, device=CPU).batch, PlainBatch)
    assert sea.spec.env_id == "deep-sea-treasure-v0"
    linear = make_problem({"id": "deep-sea-treasure-v0", "wrappers": [{"name": "LinearReward", "weight": [0.9, 0.1]}]})
    assert (linear.spec.env_id, linear.spec.num_objectives) == ("deep-sea-treasure-v0+LinearReward", 1)
    limited = make_problem({"id": "deep-sea-treasure-v0", "wrappers": [{"name": "TimeLimit", "max_episode_steps": 5}]})
    assert limited.spec.max_episode_steps == 5
    for none in ([], None):
        assert make_problem({"id": "deep-sea-treasure-v0", "wrappers": none}).make_batched is not None


def test_an_environment_with_wrappers_of_its_own_keeps_them() -> None:
    noisy = {"id": "parametric/wrapped-v0", "wrappers": [{"name": "observation_noise", "scale": 0.1}]}
    problem = make_problem(noisy)
    assert problem.spec.env_id == "parametric/wrapped-v0"
    assert not isinstance(problem.rows(1, device=CPU).batch, PlainBatch)


@pytest.mark.parametrize(
    ("wrappers", "error", "message"),
    [
        (
            ["RescaleActions"],
            ConfigurationError,
            "wrappers.0: unknown wrapper 'RescaleActions'. Did you mean 'RescaleAction'",
        ),
        (
            [{"name": "TimeLimit", "max_steps": 5}],
            ConfigurationError,
            "no argument 'max_steps'. Did you mean 'max_ep",
        ),
        (["FlattenObservation", "LinearRewards"], ConfigurationError, "env.wrappers.1: .*'LinearReward'"),
        ([{"name": "TimeLimit"}], ConfigurationError, "needs the argument.* max_episode_steps"),
        ([{"min_action": 1}], ConfigurationError, "expected a name or a mapping with name"),
        ("FlattenObservation", ConfigurationError, "must be a list"),
        ([3], ConfigurationError, "found 3"),
        (["RescaleAction"], ConfigurationError, "needs the argument.* min_action, max_action"),
        (
            [{"name": "RescaleAction", "min_action": -1, "max_action": 1}],
            EnvironmentFault,
            "wrapper RescaleAction cannot be",
        ),
        ([{"name": "LinearReward", "weight": [1.0]}], EnvironmentFault, "LinearReward cannot be .*different shape"),
    ],
    ids=str,
)
def test_wrappers_that_cannot_be_put_around(wrappers: Any, error: type[MorlError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        make_problem({"id": "deep-sea-treasure-v0", "wrappers": wrappers})
    assert "\n" not in str(caught.value)


def test_wrappers_survive_yaml_and_come_from_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("doubling")
    vars(module).update(COMPONENTS={"wrapper": {"doubled": "doubling:Doubled"}}, Doubled=_Declared)
    monkeypatch.setattr(registry, "_added", {})
    monkeypatch.setitem(sys.modules, "doubling", module)
    text = (
        "env: {id: CartPole-v1, wrappers: [doubled, {name: TimeLimit, max_episode_steps: 9}]}\n"
        "solver: modqn\nenv_steps: 10\nplugins: [doubling]\n"
    )
    config = from_yaml(text)
    assert from_yaml(to_yaml(config)) == config
    assert make_problem(config.env).spec.num_objectives == 2


class _Declared(Doubled):
    reward_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)


@pytest.mark.parametrize(
    "env_id",
    ["breakable-bottles-v0", "water-reservoir-v0", "mo-mountaincar-3d-v0", "mo-mountaincarcontinuous-v0", "fishwood-v0",
     "four-room-v0", "fruit-tree-v0", "resource-gathering-v0", "FrozenLake-v1"],
)  # fmt: skip
def test_ids_of_other_packages_are_learnt_on(env_id: str) -> None:
    problem = make_problem(env_id, native=False)
    discrete = isinstance(problem.spec.action_space, spaces.Discrete)
    solver = (
        MODQN(hidden=(8,), learning_starts=10, batch_size=8) if discrete else MOPPO(hidden=(8,), horizon=8, rows_per_member=2)
    )
    learner = solver.make(problem, None, seed=0, device=CPU)
    learner.learn(32)
    policy: Any = learner.policies()[0]
    env = problem.make_env()
    observation, _ = env.reset(seed=0)
    assert env.action_space.contains(policy.act(observation))
