"""The population engine: accounts of returns, resetting, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from morl.capabilities import HasCritics
from morl.critics import values_of
from morl.errors import ConfigurationError, ShapeError, TrainingDiverged
from morl.population import RETURN_SMOOTHING
from morl.protocols import EnvRows, Learner
from morl.scalarizations import Chebyshev
from morl.solvers.moq import MOQLearning
from morl.task import Task, Utility
from tests.conformance.cases import CASES, CORRIDOR, CPU, Case

CASE = Case("moq", MOQLearning(rows_per_member=2, gamma=0.9), CORRIDOR)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_learners_fulfil_the_protocols(case: Case) -> None:
    learner = case.make()
    assert isinstance(learner, Learner)
    inner = getattr(learner, "inner", learner)
    assert isinstance(inner.rows, EnvRows)
    if isinstance(learner, HasCritics) and case.name in {"mosac", "modqn", "moq"}:
        space, actions = learner.spec.observation_space, learner.spec.action_space
        obs = torch.as_tensor(np.stack([space.sample() for _ in range(4)]))
        act = torch.as_tensor(np.stack([actions.sample() for _ in range(4)]))
        assert values_of(learner, obs, act).shape == (3, 4, 2)


def test_running_returns_are_discounted_and_smoothed() -> None:
    learner = CASE.make()
    followed: list[tuple[np.ndarray, np.ndarray]] = []
    original = learner.rows.step

    def spy(actions: Any, rows: Any) -> Any:
        result = original(actions, rows)
        followed.append((result[1].numpy().copy(), (result[2] | result[3]).numpy().copy()))
        return result

    learner.rows.step = spy
    learner.learn(40 * learner.next_round())
    returns, discounts = np.zeros((6, 2)), np.ones((6, 1))
    means: list[Any] = [None] * 3
    for rewards, done in followed:
        returns += discounts * rewards
        discounts *= 0.9
        for member in range(3):
            ended = np.flatnonzero(done[2 * member : 2 * member + 2]) + 2 * member
            if len(ended):
                mean = returns[ended].mean(0)
                old = means[member]
                means[member] = mean if old is None else old + RETURN_SMOOTHING * (mean - old)
        returns[done], discounts[done] = 0.0, 1.0
    np.testing.assert_allclose(learner.start_returns.numpy(), np.stack(means), rtol=1e-4, atol=1e-5)


def test_statistics_that_are_not_finite_stop_the_run() -> None:
    learner = CASE.make()
    learner.learn(20)
    assert set(learner.statistics()) == {"td_error"}
    learner.stats["td_error"][1] = float("nan")
    with pytest.raises(TrainingDiverged, match=r"td_error became nan for member\(s\) \[1\]; lower learning_rate"):
        learner.statistics()


@pytest.mark.parametrize("members", [[], [3], [-1], [0, 7]])
def test_members_that_do_not_exist_are_named(members: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="0 to 2"):
        CASE.make().learn(10, members)


def test_a_member_is_kept_once() -> None:
    with pytest.raises(ConfigurationError, match="member 1 is kept twice"):
        CASE.make().reindex([1, 1], [False, False])


def test_a_task_of_the_wrong_size() -> None:
    with pytest.raises(ShapeError, match="for 2 members but the population has 3"):
        CASE.make().set_task(Task(utility=Utility(weights=torch.full((2, 2), 0.5))))
    with pytest.raises(ShapeError, match=r"3 objectives but tabular/treasure-corridor-v0 has 2; give 2 weights"):
        CASE.solver.make(CASE.problem(), Task(utility=Utility(weights=torch.full((1, 3), 1 / 3))), seed=0, device=CPU)


def test_without_a_task_there_is_one_member_with_equal_weights() -> None:
    learner = CASE.solver.make(CASE.problem(), None, seed=0, device=CPU)
    assert learner.task.utility.weights.tolist() == [[0.5, 0.5]]


def test_nonlinear_utilities_follow_the_running_return() -> None:
    utility = Utility(weights=torch.full((3, 2), 0.5), scalarization=Chebyshev(), ideal_point=torch.tensor([11.0, 0.0]))
    learner = CASE.solver.make(CASE.problem(), Task(utility=utility), seed=0, device=CPU)
    learner.learn(60 * learner.next_round())
    assert torch.equal(learner.linear_weights, utility.linearised(learner.start_returns))
    assert torch.equal(learner.task.utility.weights, utility.weights)


def test_time_is_accounted_for() -> None:
    learner = CASE.make()
    learner.learn(200)
    assert set(learner.timing) == {"acting", "environment", "learning"}
    assert min(learner.timing.values()) > 0
