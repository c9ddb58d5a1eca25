"""MORL/D: what it refuses, and what its settings mean; its laws are in ``tests/laws/test_morld.py``."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from morl.archives import BoundedArchive
from morl.cooperation import HardTransfer, SharedReplay
from morl.cooperation.neighbourhood import KNearest
from morl.cooperation.trigger import Periodic
from morl.errors import CapabilityError, ConfigurationError, MorlError
from morl.problem import make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.solvers.mosac import MOSAC

CPU = torch.device("cpu")
CORRIDOR = "tabular/treasure-corridor-v0"


def made(env: Any = CORRIDOR, **settings: Any) -> Any:
    given = {"solver": MOQLearning(rows_per_member=1)} | settings
    return MORLD(**given).make(make_problem(env), None, seed=0, device=CPU)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_members": 0}, "num_members"),
        ({"exchange_period": 0}, "exchange_period"),
        ({"update_passes": -1}, "update_passes"),
        ({"ideal_margin": -0.5}, "ideal_margin"),
        ({"ideal_point": "best"}, "running"),
        ({"solver": "mosac"}, "must be a solver"),
        ({"weights": "riezs"}, "riesz"),
        ({"weights": ((0.5, 0.5),)}, "1 vectors for 6 members"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        MORLD(**wrong)
    assert "\n" not in str(caught.value)


def test_impossible_pairings_are_refused_before_anything_runs() -> None:
    with pytest.raises(CapabilityError, match="nothing is left to decompose"):
        MORLD(solver=MORLD())
    for on_policy in (MOPPO(), EUPG()):
        with pytest.raises(CapabilityError, match=r"on-policy.*MOSAC, MODQN, MOQLearning"):
            MORLD(solver=on_policy, cooperation=(SharedReplay(),))
    with pytest.raises(CapabilityError, match="scalar reward"):
        made("CartPole-v1", solver=MOPPO())
    with pytest.raises(CapabilityError, match="Discrete"):
        made("continuous/two-targets-v0", solver=EUPG())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ideal_point": (1.0, 2.0, 3.0), "scalarization": Chebyshev(), "solver": EUPG()}, "3 numbers.*2 objectives"),
        ({"weights": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), "num_members": 2}, r"shape \(2, 3\); expected \(2, 2\)"),
        ({"weights": ((0.9, 0.9), (0.0, 1.0)), "num_members": 2}, "simplex"),
        ({"weights": ((1.5, -0.5), (0.0, 1.0)), "num_members": 2}, "must not be negative, found -0.5"),
    ],
)
def test_settings_that_do_not_fit_the_environment(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MorlError, match=message) as caught:
        made(**settings)
    assert "\n" not in str(caught.value)


def test_weights_by_name_or_given() -> None:
    evenly = made(num_members=5).utility.weights
    np.testing.assert_allclose(evenly[:, 0], np.linspace(0, 1, 5), atol=1e-6)
    corners = made(num_members=2, weights="extrema").utility.weights
    assert corners.sort(0).values.tolist() == [[0.0, 0.0], [1.0, 1.0]]
    given = made(num_members=2, weights=((0.3, 0.7), (0.6, 0.4))).utility.weights
    torch.testing.assert_close(given, torch.tensor([[0.3, 0.7], [0.6, 0.4]]))


def test_the_criterion_is_the_solvers() -> None:
    assert made(solver=EUPG(rows_per_member=2), scalarization=Chebyshev()).utility.criterion == "esr"
    assert made(solver=MOQLearning(), scalarization=Chebyshev()).utility.criterion == "ser"


def test_the_archive_of_the_configuration_stays_empty() -> None:
    archive = BoundedArchive(capacity=2)
    learner = made(archive=archive, num_members=4, exchange_period=100)
    learner.learn(400)
    assert len(archive) == 0
    assert 1 <= len(learner.record.archive) <= 2


def test_every_component_at_once_for_every_member_count() -> None:
    for n in (1, 2, 4):
        learner = made(
            solver=MODQN(hidden=(8,), batch_size=4, learning_starts=5, capacity=100), num_members=n, exchange_period=40,
            cooperation=(SharedReplay(), HardTransfer(trigger=Periodic(), payload="all")),
            neighbourhood=KNearest(k=min(1, n - 1)), schedule="turn_by_turn",
        )  # fmt: skip
        learner.learn(200)
        assert learner.exchanges == 5


def test_it_reports_what_runs_need() -> None:
    learner = made(num_members=3, exchange_period=123)
    assert learner.evaluation_period == 123
    assert learner.uids == [0, 1, 2]
    learner.learn(123)
    assert learner.timing["evaluating"] > 0
    assert set(learner.statistics()) == {"td_error"}


def test_gamma_is_the_solvers() -> None:
    assert MORLD(solver=MOSAC(gamma=0.9)).gamma == 0.9


class ThreeRewards(gym.Env[Any, Any]):
    """Says two objectives, returns three."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)
    reward_space = gym.spaces.Box(-1.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return 0, {}

    def step(self, action: Any) -> Any:
        return 0, np.zeros(3, np.float32), True, False, {}


def test_an_environment_that_breaks_its_word_stops_the_run() -> None:
    with pytest.raises(MorlError, match=r"reward of shape \(3,\)"):
        made(ThreeRewards).learn(10)
