"""MODQN reaches known optima of tiny worlds; thresholds are shares of the exact value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from envs import batched_form
from morl.critics import values_of
from morl.evaluation import Evaluation, Evaluator
from morl.problem import make_problem
from morl.solvers.modqn import MODQN, MODQNLearner
from morl.task import Task, Utility

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")
SMALL = MODQN(
    hidden=(64,), rows_per_member=4, updates_per_step=0.5, learning_starts=100, epsilon_decay_steps=1_000, batch_size=64
)
FIRST = [0.1, 0.3, 0.6, 0.9]
WEIGHTS = np.stack([FIRST, 1 - np.array(FIRST)], 1)


def trained(solver: MODQN, env: str, env_steps: int, seed: int = 0) -> MODQNLearner:
    task = Task(utility=Utility(weights=torch.as_tensor(WEIGHTS, dtype=torch.float32)))
    learner = solver.make(make_problem(env), task, seed=seed, device=CPU)
    learner.learn(env_steps)
    return learner


def returns_of(learner: MODQNLearner, episodes: int = 1) -> np.ndarray:
    evaluation = Evaluation(episodes=episodes)
    return Evaluator(learner.env, evaluation, gamma=learner.gamma, device=CPU)(learner.policies()).mean()


def test_it_names_what_it_sees() -> None:
    values = returns_of(trained(SMALL, "tabular/identity-v0", 6_000), episodes=50)
    assert (values >= 0.99 * np.array([1.0, 0.5])).all()


@pytest.mark.parametrize(
    "changes",
    [{}, {"n_step": 3, "tau": 1.0, "target_period": 50, "prioritised": True}, {"replay": "shared"}],
    ids=["plain", "prioritised_n_step", "shared"],
)
def test_every_weight_finds_its_treasure_and_knows_its_worth(changes: dict[str, object]) -> None:
    learner = trained(replace(SMALL, **changes), "tabular/treasure-corridor-v0", 20_000)  # type: ignore[arg-type]
    front = batched_form("tabular/treasure-corridor-v0", 1).pareto_front(learner.gamma)  # type: ignore[union-attr]
    best = (WEIGHTS @ front.T).max(1)
    values = returns_of(learner)
    reached = (WEIGHTS * values).sum(1)
    assert (reached >= best - 0.01 * np.abs(best)).all(), (reached, best)
    if learner.solver.n_step > 1:
        return  # exploring actions inside the window bias the values
    # The critic's vector at the start is the return of its policy, objective by objective.
    start = torch.zeros(1, dtype=torch.int64)
    acted = [int(policy.act(start)[0]) for policy in learner.policies()]
    predicted = np.stack([values_of(learner, start, torch.tensor([a]))[i, 0].numpy() for i, a in enumerate(acted)])
    np.testing.assert_allclose(predicted, values, atol=0.5)
