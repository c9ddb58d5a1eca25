"""Laws of the MORL/D loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from morl.cooperation import HardTransfer
from morl.errors import ConfigurationError
from morl.scalarizations import Chebyshev
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.morld import MORLD
from morl.testing.solver import difference
from morl.weights.adaptation import PSA
from tests.conformance.cases import CORRIDOR, CPU, LEAVES, Case
from tests.laws.test_learners import LEARNED, of_member, parts_of

SOLVERS = {name: LEAVES[name] for name in ("mosac", "moppo_discrete", "modqn", "moq_per_member", "eupg")}


def made(case: Case, **settings: Any) -> Any:
    solver = MORLD(solver=case.solver, num_members=3, **settings)
    return solver.make(case.problem(), None, seed=0, device=CPU)


@pytest.mark.parametrize("case", SOLVERS.values(), ids=SOLVERS)
def test_turn_by_turn_trains_the_selected_member_only(case: Case) -> None:
    learner = made(case, schedule="turn_by_turn", exchange_period=200, update_passes=0)
    for turn in range(4):
        assert learner.exchanges == turn
        before = parts_of(learner.inner, *LEARNED, "optimiser")
        while learner.exchanges == turn:
            learner.learn(learner.next_round())
        after = parts_of(learner.inner, *LEARNED, "optimiser")
        changed = [difference(of_member(before, i), of_member(after, i)) is not None for i in range(3)]
        assert changed == [i == turn % 3 for i in range(3)]


@pytest.mark.parametrize("case", SOLVERS.values(), ids=SOLVERS)
def test_side_by_side_trains_everybody_alike(case: Case) -> None:
    learner = made(case, exchange_period=200)
    learner.learn(200)
    steps = learner.inner.member_steps
    assert steps.sum() <= 200
    assert np.ptp(steps) <= (200 if case.name == "eupg" else 0)
    assert (steps > 0).all()


def test_update_passes_train_the_others_once_they_have_outgrown_their_warm_up() -> None:
    solver = MODQN(hidden=(8,), batch_size=4, learning_starts=30, capacity=200, rows_per_member=2)
    settings: dict[str, Any] = {"schedule": "turn_by_turn", "exchange_period": 40}
    base = made(Case("modqn", solver, CORRIDOR), **settings, update_passes=5)
    assert base.learn(3 * 40) == {"training": 120}
    # 10 owed updates each (two rows per step after the warm-up of 30), and 5 passes in every later turn of somebody else.
    assert base.inner.updates.tolist() == [10 + 2 * 5, 10 + 5, 10]
    none = made(Case("modqn", solver, CORRIDOR), **settings, update_passes=0)
    none.learn(3 * 40)
    assert none.inner.updates.tolist() == [10, 10, 10]


@pytest.mark.parametrize("period", [1, 7, 30, 100])
@pytest.mark.parametrize("schedule", ["synchronous", "turn_by_turn"])
def test_periods_do_not_drift(period: int, schedule: str) -> None:
    learner = made(LEAVES["modqn"], schedule=schedule, exchange_period=period)
    total = learner.learn(240)["training"]
    assert total == learner.env_steps == 240
    # An exchange takes place at the last round boundary before its time; periods shorter than a round give one per round.
    unit = 6 if schedule == "synchronous" else 2
    assert learner.exchanges == min(240 // unit, (240 + unit - 1) // period)


def test_the_population_is_evaluated_before_training_and_at_every_exchange_only() -> None:
    learner = made(LEAVES["modqn"], exchange_period=60)
    calls: list[int] = []
    evaluator = learner.record.evaluator
    learner.record.evaluator = spy = _Counted(evaluator, calls)
    learner.learn(200)
    assert calls == [3, 3, 3, 3]
    learner.evaluate()
    assert len(calls) == 5
    learner.evaluate()
    assert len(calls) == 5
    assert spy.env_steps == evaluator.env_steps > 0
    assert learner.env_steps == 198


class _Counted:
    def __init__(self, evaluator: Any, calls: list[int]) -> None:
        self.evaluator_, self.calls = evaluator, calls

    def __call__(self, policies: Any, *, weights: Any) -> Any:
        self.calls.append(len(policies))
        return self.evaluator_(policies, weights=weights)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.evaluator_, name)


def test_a_running_ideal_point_is_the_best_of_the_archive_plus_a_margin() -> None:
    solver = EUPG(hidden=(8,), rows_per_member=4)
    learner = made(Case("eupg", solver, CORRIDOR), scalarization=Chebyshev(), exchange_period=60, ideal_margin=0.5)
    learner.learn(300)
    learner.evaluate()
    best = learner.record.archive.values.max(0)
    np.testing.assert_allclose(learner.utility.ideal_point.numpy(), best + 0.5, rtol=1e-6)
    scaled = made(
        Case("eupg", solver, CORRIDOR), scalarization=Chebyshev(), exchange_period=60, ideal_margin=0.5, normalisation="running"
    )
    scaled.learn(300)
    scaled.evaluate()
    front = scaled.record.archive.values
    spread = np.ptp(front, axis=0)
    spread = np.where(spread > 1e-8, spread, 1.0)
    np.testing.assert_allclose(scaled.utility.scale.numpy(), spread, rtol=1e-6)
    np.testing.assert_allclose(scaled.utility.ideal_point.numpy(), front.max(0) + 0.5 * spread, rtol=1e-6)


def test_a_given_ideal_point_stays() -> None:
    case = Case("eupg", EUPG(hidden=(8,), rows_per_member=4), CORRIDOR)
    learner = made(case, scalarization=Chebyshev(), exchange_period=60, ideal_point=(12.0, 0.0))
    learner.learn(200)
    assert learner.utility.ideal_point.tolist() == [12.0, 0.0]


def test_evaluating_moves_nothing_but_the_record() -> None:
    learner = made(LEAVES["modqn"], exchange_period=1000)
    learner.learn(120)
    before = {key: value for key, value in learner.state().items() if key.startswith("inner/")}
    before = {key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in before.items()}
    learner.evaluate()
    after = {key: value for key, value in learner.state().items() if key.startswith("inner/")}
    assert difference(before, after) is None


def test_psa_moves_interior_weights_only_and_reaches_the_members() -> None:
    case = LEAVES["moq_per_member"]
    learner = made(case, exchange_period=60, weight_adaptation=PSA(), weights=((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)))
    learner.learn(600)
    weights = learner.inner.task.utility.weights
    assert weights[0].tolist() == [0.0, 1.0]
    assert weights[2].tolist() == [1.0, 0.0]
    assert weights[1].tolist() != [0.5, 0.5]
    assert torch.equal(learner.inner.linear_weights, weights)


def test_transfer_gives_a_neighbour_its_predecessors_start() -> None:
    case = LEAVES["moq_per_member"]
    transferred: list[tuple[int, int]] = []
    learner = made(case, schedule="turn_by_turn", exchange_period=40, cooperation=(HardTransfer(),))
    original = learner.inner.transfer

    def spy(source: int, target: int, *, payload: Any) -> None:
        transferred.append((source, target))
        original(source, target, payload=payload)
        assert torch.equal(learner.inner.q[target], learner.inner.q[source])

    learner.inner.transfer = spy
    learner.learn(6 * 40)
    # In the first sweep only, and only forwards; the last member's nearest neighbour comes before it.
    assert transferred == [(0, 1)]


def test_another_population_is_another_record() -> None:
    learner = made(LEAVES["modqn"], exchange_period=60)
    learner.learn(60)
    learner.reindex([0, 1, 2, 1], [False, False, False, True])
    assert learner.n == 4
    assert learner.evaluate().values.shape == (4, 2)
    learner.learn(120)


def test_members_are_the_schedules_business() -> None:
    learner = made(LEAVES["modqn"])
    with pytest.raises(ConfigurationError, match="schedule"):
        learner.learn(10, members=[0])


def test_settings_reach_the_members_solver() -> None:
    from morl.cooperation import SharedReplay

    solver = MORLD(solver=LEAVES["modqn"].solver, cooperation=(SharedReplay(),))
    assert solver.inner_solver() == replace(LEAVES["modqn"].solver, replay="shared")
    assert solver.solver.replay == "per_member"
