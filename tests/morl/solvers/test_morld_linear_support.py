"""MORL/D with linear support: it grows, ends with a certificate, goes on exactly, and refuses what it cannot bound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from envs import batched_form
from morl import Run
from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation
from morl.experiments.progress import Silent
from morl.experiments.run_config import RunConfig
from morl.experiments.runner import resume, run_config
from morl.functional.dominance import convex_non_dominated
from morl.problem import make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.eupg import EUPG
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.testing.solver import difference
from morl.weights.adaptation import LinearSupport
from morl.weights.linear_support import exact_coverage_set

CPU = torch.device("cpu")
CORRIDOR = "tabular/treasure-corridor-v0"
JUDGED = Evaluation(episodes=1, max_episode_steps=30)
_table = MOQLearning(learning_rate=1.0, epsilon_steps=200, epsilon_end=0.3, rows_per_member=4, initial_value=12.0)


def morld(**settings: Any) -> MORLD:
    given: dict[str, Any] = {"solver": _table, "num_members": 2, "weights": "extrema", "exchange_period": 400}
    return MORLD(**given | {"weight_adaptation": LinearSupport(patience=3)} | settings)


def made(solver: MORLD, env: Any = CORRIDOR, evaluation: Evaluation | None = None) -> Any:
    judged = evaluation or JUDGED
    return solver.make_evaluating(make_problem(env), None, seed=0, device=CPU, evaluation=judged)


@pytest.mark.parametrize("schedule", ["synchronous", "turn_by_turn"])
def test_it_grows_finds_the_coverage_set_and_ends_by_itself(schedule: str) -> None:
    # One after the other, each on transitions of its own: MPMOQL.
    alone: dict[str, Any] = {"weight_adaptation": LinearSupport(patience=3, batch=1)} if schedule == "turn_by_turn" else {}
    result = morld(schedule=schedule, **alone).run(CORRIDOR, env_steps=40_000, evaluation=JUDGED, seed=0)
    exact = exact_coverage_set(batched_form(CORRIDOR, 1).tables, 0.99)  # type: ignore[union-attr]
    front = result.front[convex_non_dominated(result.front)]
    np.testing.assert_allclose(front[np.lexsort(front.T[::-1])], exact.values, atol=1e-6)
    assert result.metrics[-1]["env_steps"] < 40_000
    assert len(result.tables["population"]) >= exact.calls
    found = result.certificate
    assert found is not None
    assert (found.gap, found.status, found.proven) == (0.0, "finished", False)
    assert found.lower == found.upper
    assert "provided that members learned all there is" in found.semantics


def test_before_the_first_exchange_nothing_is_known_and_then_everything_may_be_gained() -> None:
    learner = made(morld())
    learner.learn(200)
    assert learner.report().certificate is None
    learner = made(morld(schedule="turn_by_turn"))
    learner.learn(400)
    # The member whose turn it was counts, the other one's corner of the simplex is not solved.
    assert len(learner.adapted.solved.weights) == 1
    assert np.isinf(learner.report().certificate.gap)
    assert learner.report().certificate.status == "budget"
    assert learner.n == 2, "nobody is added before every corner of the simplex is solved"
    learner.learn(400)
    assert len(learner.adapted.solved.weights) == 2
    assert learner.n > 2


@pytest.mark.parametrize("schedule", ["synchronous", "turn_by_turn"])
def test_it_goes_on_exactly_from_any_moment(schedule: str) -> None:
    solver = morld(schedule=schedule)
    straight = made(solver)
    straight.learn(1_600)
    for moment in (40, 1_040):
        first = made(solver)
        first.learn(moment)
        saved = {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in first.state().items()}
        second = made(solver)
        second.load_state(saved)
        second.learn(1_600 - second.env_steps)
        assert difference(straight.state(), second.state()) is None
        assert straight.report().certificate == second.report().certificate


def test_a_run_that_was_killed_ends_with_the_same_certificate(tmp_path: Path) -> None:
    class Crash(Silent):
        def update(self, env_steps: int, metrics: Any) -> None:
            if env_steps >= 1_000:
                raise KeyboardInterrupt

    config = RunConfig(env=CORRIDOR, solver=morld(), env_steps=40_000, seed=0, evaluation=replace(JUDGED, period=500))
    whole = run_config(config, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_config(config, out=tmp_path / "killed", progress=Crash())
    again = resume(tmp_path / "killed")
    assert again.metrics == whole.metrics
    assert (again.front == whole.front).all()
    assert again.certificate == whole.certificate == Run.load(tmp_path / "whole").certificate


def test_growth_is_measured_at_the_weights_of_the_moment() -> None:
    learner = made(morld())
    learner.learn(400)
    latest = learner.record.latest
    assert learner.n > 2
    at_start = (learner.utility.weights.double().numpy() * latest.values).sum(1)
    np.testing.assert_allclose(learner.exchange.utilities, at_start, rtol=1e-6)
    learner.learn(400)
    # Members that were added a period ago have gained, or not, at their own weights.
    assert np.isfinite(learner.exchange.gains[: len(at_start)]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scalarization": Chebyshev()}, "LinearSupport bounds what weighted sums.*not Chebyshev"),
        ({"scalarization": Chebyshev(), "solver": EUPG()}, "not Chebyshev"),
        ({"normalisation": "running"}, "normalisation to none, not WeightedSum and running"),
    ],
)
def test_other_utilities_are_refused_at_construction(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CapabilityError, match=message) as caught:
        morld(**settings)
    assert "\n" not in str(caught.value)


def test_what_it_cannot_begin_with_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a member for each of the 3 objectives, found num_members 2"):
        made(morld(weights="riesz"), "resource-gathering-v0")
    with pytest.raises(ConfigurationError, match=r"evaluation\.gamma is 0\.5 but the members' gamma is 0\.99"):
        made(morld(), evaluation=Evaluation(gamma=0.5))


def test_esr_solvers_of_weighted_sums_are_fine() -> None:
    learner = made(morld(solver=EUPG(hidden=(8,), rows_per_member=4), exchange_period=80))
    learner.learn(400)
    assert len(learner.adapted.solved.weights) >= 2
