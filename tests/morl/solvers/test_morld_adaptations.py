"""MORL/D with weights that follow what training changed: what rules are told, whom they may copy, what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation
from morl.problem import make_problem
from morl.scalarizations import PBI, Chebyshev
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.testing.solver import difference, through_files
from morl.weights.adaptation import AWA, UCB, Briefing, Population, PredictionGuided, RandomWeights

CORRIDOR = "tabular/treasure-corridor-v0"
_table = MOQLearning(learning_rate=1.0, epsilon_steps=200, epsilon_end=0.3, rows_per_member=2)
_eupg = EUPG(hidden=(8,), rows_per_member=2)
_one = MODQN(network="conditioned", hidden=(8,), batch_size=8, learning_starts=4, rows_per_member=2)


def made(solver: Any, adaptation: Any, *, seed: int = 0, **settings: Any) -> Any:
    given = {"num_members": 4, "exchange_period": 80} | settings
    return MORLD(solver=solver, weight_adaptation=adaptation, **given).make_evaluating(
        make_problem(CORRIDOR),
        None,
        seed=seed,
        device=torch.device("cpu"),
        evaluation=Evaluation(episodes=1, max_episode_steps=20),
    )


@dataclass(frozen=True)
class Listens:
    """Keeps every briefing, and makes each member but the first a copy of the first."""

    memory: int = 6
    heard: list[Any] = field(default_factory=list)

    def __call__(
        self, weights: Any, values: Any, archive_values: Any, *, gains: Any, rng: Any, briefing: Any = None
    ) -> Population:
        self.heard.append((briefing, weights, values))
        n = len(weights)
        return Population(weights=weights[::-1].copy(), parents=[0] * n, fresh=[False] + [True] * (n - 1))


@pytest.mark.parametrize("schedule", ["synchronous", "turn_by_turn"])
def test_a_rule_is_told_what_every_period_changed(schedule: str) -> None:
    rule = Listens()
    learner = made(_table, rule, schedule=schedule, normalisation="running")
    learner.evaluate()
    before = learner.record.latest.values
    for exchange in range(3):
        weights = learner.utility.weights.double().numpy()
        trained = list(range(4)) if schedule == "synchronous" else list(learner.exchange.turn)
        learner.learn(80)
        told, _, values = rule.heard[exchange]
        latest = told.changes
        assert len(latest.weights) == min(rule.memory, (exchange + 1) * len(trained))
        np.testing.assert_allclose(latest.weights[-len(trained) :], weights[trained], atol=1e-6)
        np.testing.assert_allclose(latest.before[-len(trained) :], before[trained])
        np.testing.assert_allclose(latest.after[-len(trained) :], values[trained])
        assert latest.period[-1] == exchange
        assert told.ideal_point is None
        assert told.attained is None
        # All are copies of the first one now.
        before = values[[0] * 4]
    spread = np.ptp(learner.record.archive.values, axis=0)
    np.testing.assert_allclose(told.scale, np.where(spread > 1e-8, spread, 1.0), rtol=1e-6)


def test_a_rule_is_told_the_ideal_point_of_the_utility() -> None:
    rule = Listens()
    learner = made(_eupg, rule, scalarization=Chebyshev(), ideal_margin=0.5)
    learner.learn(80)
    told: Briefing = rule.heard[0][0]
    np.testing.assert_allclose(told.ideal_point, learner.record.archive.values.max(0) + 0.5, rtol=1e-6)


def test_members_of_one_network_are_not_copied_and_new_weights_are_measured_from_what_was_tried() -> None:
    @dataclass(frozen=True)
    class Asks(Listens):
        def __call__(self, weights: Any, values: Any, archive_values: Any, **more: Any) -> Population:
            told, w = more["briefing"], weights[::-1].copy()
            w[1] = [0.42, 0.58]
            tried = told.attained(w[1:2])
            super().__call__(weights, values, archive_values, **more)
            self.heard.append(tried)
            return Population(weights=w, parents=[0, 0, 0, 0], fresh=[False, True, True, True])

    rule = Asks()
    learner = made(_one, rule)
    uids = list(learner.uids)
    learner.learn(80)
    assert list(learner.uids) == uids, "nobody was copied"
    assert learner.utility.weights[1].tolist() == pytest.approx([0.42, 0.58])
    expected = rule.heard[0][2][[0] * 4].copy()
    expected[1] = rule.heard[1][0]
    assert (learner.adapted.before == expected).all()


RULES = {
    "awa": (_eupg, AWA(nus=2), {"scalarization": Chebyshev()}),
    "awa_published": (_eupg, AWA(place="sparsest_point"), {"scalarization": Chebyshev()}),
    "awa_linear": (_table, AWA(), {}),
    "prediction_guided": (_table, PredictionGuided(), {}),
    "prediction_guided_turns": (_table, PredictionGuided(keep_corners=False), {"schedule": "turn_by_turn"}),
    "ucb": (_table, UCB(), {}),
    "ucb_one_network": (_one, UCB(num_candidates=6), {}),
    "awa_one_network": (_one, AWA(), {}),
    "random": (_table, RandomWeights(), {}),
}


@pytest.mark.parametrize("name", RULES)
def test_it_goes_on_exactly_from_the_middle_of_a_period(name: str) -> None:
    solver, rule, settings = RULES[name]
    straight, again = (made(solver, rule, exchange_period=40, **settings) for _ in range(2))
    straight.learn(100)
    saved = through_files(straight.state())
    straight.learn(80)
    again.load_state(saved)
    again.learn(80)
    assert difference(straight.state(), again.state()) is None
    assert straight.exchanges >= 3
    corners = straight.utility.weights.max(1).values == 1.0
    assert corners.sum() >= 2 or not getattr(rule, "keep_corners", True)


@pytest.mark.parametrize(
    ("adaptation", "settings", "error", "message"),
    [
        (AWA(), {"num_members": 2}, ConfigurationError, "AWA keeps a member at each of the 2.*num_members to 3 or more"),
        (UCB(), {"num_members": 2}, ConfigurationError, "UCB keeps a member at each of the 2 corners.*keep_corners to false"),
        (AWA(nus=4), {}, ConfigurationError, "nus must be less than the 4 members, found 4"),
        (AWA(), {"scalarization": PBI(), "solver": _eupg}, CapabilityError, "not of PBI; set scalarization to weighted_sum"),
        (AWA(place="sparsest_point"), {}, CapabilityError, "Chebyshev transform, which means nothing for a weighted sum"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_training(adaptation: Any, settings: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        made(settings.pop("solver", _table), adaptation, **settings)
    assert "\n" not in str(caught.value)
