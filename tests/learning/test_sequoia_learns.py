"""On problems of four arms the optimum is known by dynamic programming."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from envs.cormab import Instance
from envs.cormab.constraints import Budget, Capacity, ExactCount, Path, Scheduling
from envs.cormab.exact import action_values, horizon_values, joint_states
from envs.cormab.generators import response, up_down
from morl.problem import make_problem
from morl.solvers import SEQUOIA

PASSIVE, ACTIVE = (0.10, 0.05, 0.15, 0.20), (0.80, 0.75, 0.85, 0.90)
REWARDS = np.array([(0.2, 0.15, 0.1, 5), (0.2, 0.15, 0.1, 4), (0.1, 0.15, 0.2, 2), (0.1, 0.15, 0.2, 3)])
ARM_SLOTS = np.array([(1, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 0)], bool)
CONSTRAINTS = {
    "budget": Budget(4, 2),
    "capacity": Capacity([2, 3, 4, 2], [3, 4]),
    "scheduling": Scheduling(ARM_SLOTS, np.array([(1, 1, 1), (1, 1, 0)], bool), 2),
    "path": Path(4, [(0, 1), (1, 2), (2, 3), (0, 2)], source=0, budget=2, max_edges=3),
}
HORIZON = 20


def instance(kind: str) -> Instance:
    if kind != "interventions":
        return Instance(up_down(np.stack([PASSIVE, ACTIVE], 1)), REWARDS, CONSTRAINTS[kind])
    link = np.array([(1, 1, 0), (0, 1, 1), (1, 0, 0), (0, 0, 1)])
    parameters = (np.array(column)[:, None] for column in ((0.9, 0.8, 0.4, 0.3), (1.5, 1.6, 1, 1), (9, 9, 1, 2)))
    return Instance(up_down(response(3.0 * np.arange(3), *parameters)), REWARDS, ExactCount(3, 2), link=link)


@pytest.mark.learning
@pytest.mark.parametrize("kind", ["budget", "capacity", "scheduling", "path", "interventions"])
def test_it_reaches_95_percent_of_the_exact_optimum(kind: str) -> None:
    problem = instance(kind)
    env = make_problem({"id": f"cormab/{kind}-v0", "instance": problem, "expected_rewards": True})
    solver = SEQUOIA(gamma=0.9, learning_starts=320, warm_start_updates=300, learning_rate_decay=900)
    learner = solver.make(env, None, seed=0, device=torch.device("cpu"))
    learner.learn(2_240)
    [policy] = learner.policies()
    states = joint_states(problem)
    chosen = policy.act(states).astype(bool)
    actions, place = np.unique(chosen, axis=0, return_inverse=True)
    value = np.zeros(len(states))
    for _ in range(HORIZON):
        value = action_values(problem, value, actions, 1.0)[place.reshape(-1), np.arange(len(states))]
    best, myopic = horizon_values(problem, HORIZON)[0], horizon_values(problem, HORIZON, greedy=True)[0]
    assert value[0] >= 0.95 * best
    assert value[0] - myopic >= 0.5 * (best - myopic)
