"""Learned policies among those that know the model."""

from __future__ import annotations

import numpy as np
import torch
from tiny import tiny

from morl.cormab import compare
from morl.cormab.baselines import Learned, Myopic, Trained
from morl.solvers import SEQUOIA

INSTANCE = tiny("budget")
SOLVER = SEQUOIA(hidden=(4,), learning_starts=64, warm_start_updates=20, batch_size=16, rows_per_member=4)


class First:
    """Always pulls the first arm."""

    def act(self, observations):
        return np.tile(np.array([1, 0, 0, 0], np.int8), (len(observations), 1))

    def values(self, observations, actions):
        """The last arm is the best, and pulling arms costs nothing."""
        return torch.as_tensor(actions @ np.array([0.0, 1.0, 2.0, 3.0]))[None, :, None]


def test_a_policy_acts_as_it_was_learned():
    decide = Learned(First()).prepare(INSTANCE, horizon=3, seed=0)
    actions = decide(np.zeros((2, 4), int), 0, np.random.default_rng(0))
    assert actions.dtype == np.bool_
    np.testing.assert_array_equal(actions, [[1, 0, 0, 0]] * 2)


def test_training_is_part_of_the_preparation_and_shared():
    runs = []

    class Counted:
        def run(self, env, **arguments):
            runs.append((env, arguments))
            return type("Result", (), {"policy": lambda self: First()})()

    solver = Counted()
    contenders = {
        "trained": Trained(solver=solver, env_steps=50),
        "greedy": Trained(solver=solver, env_steps=50, actions="greedy"),
        "longer": Trained(solver=solver, env_steps=60),
    }
    result = compare(contenders, [INSTANCE], episodes=3, horizon=7, timed_decisions=0)
    assert [arguments["env_steps"] for _, arguments in runs] == [50, 60]
    assert runs[0][0]["instance"] is INSTANCE
    assert runs[0][0]["horizon"] == 7
    assert result.table[1]["decision_ms_mean"] is None
    np.testing.assert_array_equal(result.expected[0], result.expected[2])
    assert not np.array_equal(result.expected[0], result.expected[1])


def test_a_solver_is_trained_on_each_instance():
    contender = Trained(solver=SOLVER, env_steps=160)
    result = compare({"learned": contender, "myopic": Myopic()}, [INSTANCE], episodes=4, horizon=5, timed_decisions=2)
    assert result.names == ("learned", "myopic")
    assert not result.infeasible.any()
    assert result.preparation_seconds[0, 0] > result.preparation_seconds[1, 0]
    again = compare({"learned": contender}, [INSTANCE], episodes=4, horizon=5, timed_decisions=2)
    np.testing.assert_array_equal(again.expected[0], result.expected[0])
