"""Actions of several components: heads of one choice per component reach known optima, listed combinations are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from morl.evaluation import Evaluation, Evaluator
from morl.problem import make_problem
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.mosac import MOSAC
from morl.task import Task, Utility
from tests.panel import Panel, Switches, Together

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")
FIRST = [0.1, 0.9]
WEIGHTS = np.stack([FIRST, 1 - np.array(FIRST)], 1)
QUICK: dict[str, Any] = {"hidden": (32,), "rows_per_member": 16, "gamma": 0.5}

MOPPO_QUICK = MOPPO(**QUICK, horizon=16, minibatch_size=128, learning_rate=1e-2, critic_learning_rate=1e-2)
MODQN_QUICK = MODQN(**QUICK, learning_starts=200, updates_per_step=0.1, epsilon_decay_steps=2_000, learning_rate=3e-3)
MOSAC_QUICK = MOSAC(
    **QUICK, learning_starts=200, updates_per_step=0.1, learning_rate=3e-3, critic_learning_rate=3e-3, temperature=0.02
)


def trained(solver: Any, env: Any, env_steps: int) -> Any:
    utility = Utility(weights=torch.as_tensor(WEIGHTS, dtype=torch.float32), criterion=getattr(solver, "criterion", "ser"))
    learner = solver.make(make_problem(env), Task(utility=utility), seed=0, device=CPU)
    learner.learn(env_steps)
    return learner


@pytest.mark.parametrize(
    ("solver", "env", "env_steps"),
    [
        (MOPPO_QUICK, Panel, 10_000),
        (MODQN_QUICK, Panel, 6_000),
        (MOSAC_QUICK, Panel, 5_000),
        (EUPG(hidden=(32,), rows_per_member=64, gamma=0.5, learning_rate=5e-2), Switches, 15_000),
    ],
    ids=["moppo", "modqn", "mosac", "eupg_binary"],
)
def test_every_component_is_chosen_well(solver: Any, env: type[Panel], env_steps: int) -> None:
    learner = trained(solver, env, env_steps)
    assert not learner.finite.is_joint
    found = Evaluator(learner.env, Evaluation(episodes=50), gamma=1.0, device=CPU)(learner.policies()).mean()
    reached = (WEIGHTS * found).sum(1) / env.horizon
    best = np.array([env.best(w) for w in FIRST])
    assert (reached >= 0.95 * best).all(), (reached, best)


@pytest.mark.parametrize(
    ("solver", "env_steps"),
    [(MODQN_QUICK, 2_000), (MOSAC_QUICK, 3_000), (MOQLearning(epsilon_steps=300), 500)],
    ids=["modqn", "mosac", "moq"],
)
def test_listed_combinations_know_what_components_are_worth_together(solver: Any, env_steps: int) -> None:
    learner = trained(solver, Together, env_steps)
    assert learner.finite.is_joint
    for policy in learner.policies():
        assert policy.act(0).tolist() == [0, 0]
