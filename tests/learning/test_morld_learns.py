"""MORL/D covers fronts that are known exactly, whoever improves the members."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from envs import batched_form
from morl.cooperation import HardTransfer, SharedReplay
from morl.evaluation import Evaluation
from morl.indicators import hypervolume
from morl.problem import make_problem
from morl.scalarizations import Chebyshev
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD, MORLDLearner
from morl.solvers.mosac import MOSAC
from morl.weights.adaptation import PSA

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")
CORRIDOR = "tabular/treasure-corridor-v0"


@dataclass(frozen=True)
class Setting:
    solver: Any
    env_steps: int
    more: dict[str, Any]


_dqn = MODQN(
    hidden=(32,), rows_per_member=4, updates_per_step=0.5, learning_starts=100, epsilon_decay_steps=1_000, batch_size=64
)
SETTINGS = {
    "moq": Setting(MOQLearning(learning_rate=1.0, epsilon_steps=500), 8_000, {}),
    "modqn": Setting(_dqn, 16_000, {}),
    "modqn_turn_by_turn": Setting(
        replace(_dqn, updates_per_step=0.25), 8_000,
        {"schedule": "turn_by_turn", "cooperation": (SharedReplay(), HardTransfer()), "exchange_period": 400},
    ),
    "modqn_shared_psa": Setting(_dqn, 16_000, {"cooperation": (SharedReplay(),), "weight_adaptation": PSA()}),
    "mosac": Setting(
        MOSAC(
            hidden=(32, 32), batch_size=64, learning_starts=200, learning_rate=1e-3, rows_per_member=4, updates_per_step=0.25,
            tau=0.02, temperature=0.05,
        ), 16_000, {},
    ),
    "moppo": Setting(MOPPO(rows_per_member=8, horizon=32, learning_rate=3e-3, entropy_coefficient=0.05), 60_000, {}),
    "eupg": Setting(EUPG(hidden=(32,), learning_rate=1e-2, entropy_coefficient=0.02), 60_000, {}),
}  # fmt: skip


def trained(setting: Setting, env: str = CORRIDOR, *, episodes: int = 1, **more: Any) -> MORLDLearner:
    settings = {"num_members": 6, "exchange_period": setting.env_steps // 8} | setting.more | more
    learner = MORLD(solver=setting.solver, **settings).make_evaluating(
        make_problem(env), None, seed=0, device=CPU, evaluation=Evaluation(episodes=episodes)
    )
    learner.learn(setting.env_steps)
    learner.evaluate()
    return learner


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_archive_holds_the_best_of_every_preference(setting: Setting) -> None:
    learner = trained(setting)
    front = batched_form(CORRIDOR, 1).pareto_front(learner.solver.gamma)  # type: ignore[union-attr]
    first = np.linspace(0, 1, 6)
    preferences = np.stack([first, 1 - first], 1)
    possible = preferences @ front.T
    reached = (preferences @ learner.record.archive.values.T).max(1)
    share = (reached - possible.min(1)) / np.ptp(possible, axis=1)
    assert (share >= 0.97).all(), share
    assert (share <= 1 + 1e-6).all(), "better than the exact front"


def test_chebyshev_members_cover_what_linear_ones_cannot() -> None:
    setting = Setting(EUPG(hidden=(32,), learning_rate=1e-2, gamma=1.0, entropy_coefficient=0.02), 150_000, {})
    learner = trained(setting, num_members=8, scalarization=Chebyshev(), ideal_point=(11.5, -0.5), exchange_period=10_000)
    front = batched_form(CORRIDOR, 1).pareto_front(1.0)  # type: ignore[union-attr]
    reference = np.array([0.0, -7.0])
    assert hypervolume(learner.record.archive.values, reference) >= 0.95 * hypervolume(front, reference)
    final = np.unique(learner.record.latest.values.round(3), axis=0)  # type: ignore[union-attr]
    # With gamma 1 these lie below the line from (1, -1) to (8, -4).
    assert [2.0, -2.0] in final.tolist() or [3.0, -3.0] in final.tolist()


def test_continuous_actions() -> None:
    solver = MOSAC(
        hidden=(64, 64),
        batch_size=64,
        learning_starts=100,
        learning_rate=1e-3,
        rows_per_member=4,
        updates_per_step=0.25,
        gamma=0.9,
    )
    learner = trained(
        Setting(solver, 20_000, {}), "continuous/two-targets-v0", episodes=50, num_members=5, exchange_period=4_000
    )
    form: Any = batched_form("continuous/two-targets-v0", 1)
    reference = np.array([-4.0, -4.0])
    assert hypervolume(learner.record.archive.values, reference) >= 0.95 * hypervolume(form.pareto_front(0.9), reference)


def test_deep_sea_treasure() -> None:
    solver = MOQLearning(learning_rate=1.0, epsilon_steps=4_000, epsilon_end=0.5)
    learner = trained(Setting(solver, 100_000, {}), "deep-sea-treasure-v0", num_members=10, exchange_period=10_000)
    # The whole front is worth 854.85; evenly spread weights reach nearly all of it.
    assert hypervolume(learner.record.archive.values, np.array([0.0, -50.0])) >= 0.97 * 854.85
