"""One network for all weights learns what it is asked for: exact optima for weights that it was not trained with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from envs.continuous.quadratic_bandit import QuadraticBandit
from envs.tabular.exact import optimal_values
from morl.evaluation import Evaluation, Evaluator
from morl.problem import make_problem
from morl.solvers import MODQN, MOPPO, MOSAC
from morl.task import Task, Utility
from morl.weights import dirichlet, simplex_lattice
from morl.weights.sources import Hindsight, OwnWeights

CPU = torch.device("cpu")
BANDIT = {"id": "continuous/quadratic-bandit-v0", "num_objectives": 3}

_sac: dict[str, Any] = {
    "network": "conditioned",
    "hidden": (64, 64),
    "batch_size": 256,
    "learning_rate": 1e-3,
    "critic_learning_rate": 2e-3,
    "learning_starts": 100,
    "temperature": 0.01,
}
ACTORS = {
    "capql": (MOSAC(**_sac, learning_weights=OwnWeights()), 6, 2_400),
    "gpi_ls_continuous": (
        MOSAC(
            **{**_sac, "learning_starts": 10}, updates_per_step=0.25,
            episode_weights=OwnWeights(), learning_weights=Hindsight(others="support"),
        ),
        28, 5_600,
    ),
    "conditioned_ppo": (
        MOPPO(network="conditioned", hidden=(64, 64), rows_per_member=16, horizon=16, epochs=10, minibatch_size=256),
        10, 50_000,
    ),
}  # fmt: skip


def learned(solver: Any, env: Any, weights: Any, env_steps: int) -> Any:
    task = Task(utility=Utility(weights=torch.as_tensor(weights, dtype=torch.float32)))
    learner = solver.make(make_problem(env), task, seed=0, device=CPU)
    learner.learn(env_steps)
    return learner


@pytest.mark.parametrize("name", ACTORS)
def test_actors_are_near_the_optimum_for_any_weights(name: str) -> None:
    """Oracle O8: the best action is in closed form, and the regret is the squared distance from it.

    Critics of actions know their returns in every objective, not only along the weights.
    """
    solver, members, env_steps = ACTORS[name]
    learner = learned(solver, BANDIT, simplex_lattice(members, 3), env_steps)
    (policy,) = learner.policies()
    bandit = QuadraticBandit(1, num_objectives=3)
    asked = dirichlet(200, 3, seed=7)
    actions = np.stack([policy.act(np.zeros(1, np.float32), weights=w) for w in asked])
    values = -np.square(actions[:, None] - bandit.centres).sum(-1)
    regret = ((bandit.optimal_value(asked, 1.0) - values) * asked).sum(1)
    assert regret.max() < 1e-2
    if isinstance(solver, MOSAC):
        encoded = learner.encoder(torch.zeros(1, 1)).expand(200, -1)
        inputs = torch.cat([encoded, torch.from_numpy(np.concatenate([asked, actions], -1)).float()], -1).unsqueeze(0)
        said = learner.critic_net(learner.critic, inputs)[0].detach().mean(0).numpy()
        assert (np.abs(said - values).max(0) < 0.1 * np.ptp(values, axis=0)).all()


def test_values_are_those_of_the_policy_in_every_objective() -> None:
    """Not only along the weights: what the network says of its own policy is what that policy returns, by component."""
    gamma, asked = 0.9, dirichlet(20, 2, seed=3)
    solver = MODQN(
        network="conditioned", hidden=(64,), learning_rate=3e-3, batch_size=64, learning_starts=100, gamma=gamma,
        epsilon_end=1.0, tau=0.05, rows_per_member=1,
    )  # fmt: skip
    learner = learned(solver, "tabular/treasure-corridor-v0", simplex_lattice(6, 2), 2_500)
    problem = make_problem("tabular/treasure-corridor-v0")
    (policy,) = learner.policies()
    evaluator = Evaluator(problem, Evaluation(episodes=1), gamma=gamma, device=CPU)
    returned = evaluator([policy] * len(asked), weights=asked).mean()
    start = problem.rows(1, device=CPU).reset(np.array([0]), [0])
    weights = torch.as_tensor(asked, dtype=torch.float32).unsqueeze(0)
    seen = torch.cat([learner.encoder(start).expand(1, len(asked), -1), weights], -1)
    q = learner.loss.values(learner.online, seen)[0, 0].detach()
    best = (q * weights[0].unsqueeze(1)).sum(-1).argmax(-1)
    said = q[torch.arange(len(asked)), best].numpy()
    best_known = optimal_values(problem.make_env().unwrapped.tables, asked, gamma)
    spread = np.ptp(best_known, axis=0).max()
    assert np.abs(said - returned).max() < 0.1 * spread
    assert ((best_known - returned) * asked).sum(1).max() < 0.01 * spread
