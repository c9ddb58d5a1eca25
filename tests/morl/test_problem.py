"""Problems: what may be given as environment, and what is refused how."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mo_gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from morl.errors import CapabilityError, ConfigurationError, EnvironmentFault, MorlError
from morl.experiments.evaluation import Evaluation
from morl.problem import make_problem
from morl.rows import PlainBatch
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.mosac import MOSAC

CPU = torch.device("cpu")


class Tiny(gym.Env[Any, Any]):
    observation_space: gym.Space[Any] = spaces.Discrete(2)
    action_space: gym.Space[Any] = spaces.Discrete(2)
    reward_space = spaces.Box(-1.0, 1.0, (2,))


class Images(Tiny):
    observation_space = spaces.Box(0, 255, (16, 16, 3), np.uint8)


class GreyImages(Tiny):
    observation_space = spaces.Box(0, 255, (16, 16), np.uint8)


class Dictionary(Tiny):
    observation_space = spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(-1.0, 1.0, (2,))})


class Pair(Tiny):
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


def test_a_problem_stays_and_takes_another_evaluation() -> None:
    problem = make_problem(Tiny)
    assert make_problem(problem) is problem
    assert make_problem(problem, evaluation=Evaluation(episodes=3)).evaluation.episodes == 3


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
    [(Images, "images"), (GreyImages, "images"), (Dictionary, "FlattenObservation"), (Pair, "FlattenObservation")],
)
def test_observations_that_no_solver_takes(solver: Any, env: Any, message: str) -> None:
    with pytest.raises(CapabilityError, match=message) as caught:
        solver.make(make_problem(env), None, seed=0, device=CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("env", [Images, Dictionary, Pair])
def test_observations_that_no_table_takes(env: Any) -> None:
    with pytest.raises(CapabilityError, match=r"integral observations|more than 4,000,000 states"):
        MOQLearning().make(make_problem(env), None, seed=0, device=CPU)
