"""MORL/D with IPRO: it finds concave fronts, ends with a certificate, goes on exactly, and refuses what has no referents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs.tabular.treasure_corridor import TreasureCorridor
from morl import Run
from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation
from morl.experiments.config import load_config
from morl.experiments.runner import run_config
from morl.oracles import pareto_value_iteration
from morl.problem import make_problem
from morl.scalarizations import Achievement, WeightedSum
from morl.solvers.eupg import EUPG
from morl.solvers.morld import MORLD
from morl.solvers.reward_aware import RewardAwareLearning
from morl.testing.solver import difference
from morl.weights.adaptation import IPRO

CPU = torch.device("cpu")
CORRIDOR = "tabular/treasure-corridor-v0"
JUDGED = Evaluation(episodes=1, max_episode_steps=30)


def morld(**settings: Any) -> MORLD:
    given: dict[str, Any] = {"solver": RewardAwareLearning(gamma=1.0, horizon=20), "num_members": 2, "exchange_period": 30}
    given |= {"scalarization": Achievement(rho=1e-4), "weight_adaptation": IPRO(patience=1)}
    return MORLD(**given | settings)


def made(solver: MORLD, env: Any = CORRIDOR, evaluation: Evaluation | None = None) -> Any:
    judged = evaluation or JUDGED
    return solver.make_evaluating(make_problem(env), None, seed=0, device=CPU, evaluation=judged)


@pytest.mark.parametrize("env_id", ["deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"])
def test_the_preset_finds_all_treasures(env_id: str, tmp_path: Path) -> None:
    config = load_config("morld/ipro_2d", overrides=[f"env={env_id}", "seed=3"])
    result = run_config(config, out=tmp_path)
    front = pareto_value_iteration(env_id, 1.0).values
    np.testing.assert_allclose(result.front[np.argsort(result.front[:, 0])], front, atol=1e-5)
    assert result.metrics[-1]["env_steps"] < 10_000
    found = result.certificate
    assert found is not None
    assert (found.lower, found.upper, found.status, found.proven) == (0.0, 0.0, "finished", False)
    assert "share of the range" in found.semantics
    assert Run.load(tmp_path).certificate == found


@pytest.mark.parametrize("schedule", ["synchronous", "turn_by_turn"])
def test_it_finds_the_front_and_ends_by_itself(schedule: str) -> None:
    result = morld(schedule=schedule).run(CORRIDOR, env_steps=40_000, evaluation=JUDGED, seed=0)
    front = TreasureCorridor(1).pareto_front(1.0)
    np.testing.assert_allclose(result.front[np.argsort(result.front[:, 0])], front, atol=1e-5)
    assert result.metrics[-1]["env_steps"] < 40_000
    assert result.certificate is not None
    assert result.certificate.gap == 0.0


def test_members_keep_the_reference_points_that_they_are_given() -> None:
    learner = made(morld(exchange_period=60))
    learner.learn(59)
    assert learner.report().certificate is None
    assert learner.utility.ideal_point.dim() == 1, "running, as for every scalarization that needs one"
    learner.learn(181)
    assert learner.n > 2
    points = torch.tensor(learner.adapted.memory["referents"], dtype=torch.float32)
    assert torch.equal(learner.utility.ideal_point, points)
    assert len(points.unique(dim=0)) == learner.n, "nobody has another one's"
    learner.learn(learner.next_exchange - learner.env_steps - 2 * learner.n)
    learner.evaluate()
    assert torch.equal(learner.utility.ideal_point, points), "no evaluation moves them"
    assert 0.0 < learner.report().certificate.gap < np.inf
    assert learner.report().certificate.status == "budget"


def test_it_goes_on_exactly_from_any_moment() -> None:
    slow: dict[str, Any] = {"solver": EUPG(hidden=(8,), rows_per_member=2, gamma=1.0), "weight_adaptation": IPRO(patience=3)}
    solver = morld(**slow, exchange_period=60)
    straight = made(solver)
    straight.learn(500)
    assert straight.adapted.memory["is_start"][0] == 0.0
    for moment in (30, 250, 400):
        first = made(solver)
        first.learn(moment)
        saved = {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in first.state().items()}
        second = made(solver)
        second.load_state(saved)
        second.learn(500 - second.env_steps)
        assert difference(straight.state(), second.state()) is None
        assert straight.report().certificate == second.report().certificate


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scalarization": WeightedSum()}, "IPRO gives every member a reference point.*to achievement.*not WeightedSum"),
        ({"normalisation": "running"}, "normalisation to none, not Achievement and running"),
    ],
)
def test_utilities_without_a_point_are_refused_at_construction(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CapabilityError, match=message) as caught:
        morld(**settings)
    assert "\n" not in str(caught.value)


def test_what_it_cannot_begin_with_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="each of the 3 objectives, found max_members 2; raise it"):
        made(morld(weight_adaptation=IPRO(max_members=2), weights="riesz"), "resource-gathering-v0")
    with pytest.raises(ConfigurationError, match=r"evaluation\.gamma is 0\.5 but the members' gamma is 1"):
        made(morld(), evaluation=Evaluation(gamma=0.5))
