"""MOSAC reaches known optima of tiny worlds; thresholds are shares of the way from an untrained policy to the exact value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envs import batched_form
from morl.critics import values_of
from morl.evaluation import Evaluation, Evaluator
from morl.problem import make_problem
from morl.solvers.mosac import MOSAC, MOSACLearner
from morl.task import Task, Utility

pytestmark = pytest.mark.learning
CPU = torch.device("cpu")


def made(solver: MOSAC, env: str, first: list[float], seed: int = 0) -> MOSACLearner:
    weights = torch.stack([torch.tensor(first), 1 - torch.tensor(first)], 1)
    return solver.make(make_problem(env), Task(utility=Utility(weights=weights)), seed=seed, device=CPU)


def utilities(learner: MOSACLearner, episodes: int) -> np.ndarray:
    values = Evaluator(learner.env, Evaluation(episodes=episodes), gamma=learner.gamma, device=CPU)(learner.policies()).mean()
    return (learner.task.utility.weights.numpy() * values).sum(1)


@pytest.mark.parametrize("engine", ["manual", "autograd"])
def test_continuous_actions_approach_the_closed_form(engine: str) -> None:
    first = [0.1, 0.5, 0.8]
    solver = MOSAC(
        hidden=(64, 64), batch_size=64, learning_starts=100, learning_rate=1e-3, rows_per_member=4, updates_per_step=0.25,
        gamma=0.9, update_engine=engine,  # type: ignore[arg-type]
    )  # fmt: skip
    learner = made(solver, "continuous/two-targets-v0", first)
    start = utilities(learner, 200)
    learner.learn(15_000)
    weights = learner.task.utility.weights.numpy()
    best = (weights * batched_form("continuous/two-targets-v0", 1).optimal_value(weights, solver.gamma)).sum(1)  # type: ignore[union-attr]
    share = (utilities(learner, 200) - start) / (best - start)
    assert (share >= 0.93).all(), share
    # The critics know each objective by itself: the vector at the start of an episode is the policy's return.
    contexts = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for i, policy in enumerate(learner.policies()):
        predicted = values_of(learner, contexts, policy.act(contexts))[i].mean(0).numpy()
        exact = batched_form("continuous/two-targets-v0", 1).optimal_value(weights[i], solver.gamma)  # type: ignore[union-attr]
        assert (predicted[0] > predicted[1]) == (exact[0] > exact[1]) or abs(exact[0] - exact[1]) < 0.1


def test_discrete_actions_find_their_treasures() -> None:
    solver = MOSAC(
        hidden=(32, 32), batch_size=64, learning_starts=200, learning_rate=1e-3, rows_per_member=4, updates_per_step=0.5,
        tau=0.02, temperature=0.05,
    )  # fmt: skip
    learner = made(solver, "tabular/treasure-corridor-v0", [0.1, 0.3, 0.6, 0.9])
    learner.learn(12_000)
    front = batched_form("tabular/treasure-corridor-v0", 1).pareto_front(solver.gamma)  # type: ignore[union-attr]
    possible = learner.task.utility.weights.numpy() @ front.T
    share = (utilities(learner, 1) - possible.min(1)) / np.ptp(possible, axis=1)
    assert (share >= 0.9).all(), share
