"""Baselines keep the laws of learners, and do what their names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from morl.errors import CapabilityError, ConfigurationError
from morl.solvers import MODQN
from morl.testing import check_solver
from robust.baselines import M2TD3, RARL, ActionRobust, DomainRandomisation, Nominal
from robust.uncertainty import Box, Finite
from tests.robust.push_world import push_problem
from tests.robust.test_iwocs_deep import SAC

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "solver",
    [
        Nominal(solver=SAC, uncertainty=Box({"gain": (0.6, 1.0)}, nominal="clip")),
        DomainRandomisation(solver=SAC),
        M2TD3(solver=SAC, candidates=3, patience=5),
        RARL(solver=SAC),
        ActionRobust(solver=SAC, form="probabilistic", alpha=0.3),
    ],
    ids=["nominal", "domain_randomisation", "m2td3", "rarl", "action_robust"],
)
def test_the_laws_of_learners(solver):
    check_solver(solver, env=push_problem(), rounds=20)


def test_nominal_trains_at_the_clipped_model():
    solver = Nominal(solver=SAC, uncertainty=Box({"gain": (0.6, 1.0)}, nominal="clip"))
    learner = solver.make(push_problem(), None, seed=0, device=CPU)
    learner.learn(3)
    np.testing.assert_array_equal(learner.rows.batch.get_params(), [[0.6, 0.0]])


def test_the_critic_of_m2td3_finds_the_worst_model():
    """A point that drifts faster than the motor pushes is worth less, and a candidate goes there."""
    solver = M2TD3(
        solver=SAC.__class__(hidden=(32, 32), batch_size=64, learning_starts=100, critic_learning_rate=3e-3, rows_per_member=4),
        uncertainty=Box({"drift": (0.0, 1.0)}),
        candidates=2,
        candidate_learning_rate=0.02,
    )
    learner = solver.make(push_problem(), None, seed=0, device=CPU)
    learner.learn(1_500)
    worst = learner.region.models(learner.candidates[0].double().numpy())
    assert worst[:, 1].max() > 0.8
    assert learner.policies()[0].act(np.zeros(1, np.float32)).shape == (1,)


def test_the_adversary_makes_it_worse_and_the_agent_prepares():
    """One step from the origin; the adversary may add up to half a unit of the push. Gain 1: the best answer is not to move."""
    sac = SAC.__class__(hidden=(32, 32), batch_size=64, learning_starts=100, critic_learning_rate=3e-3, rows_per_member=4)
    world = push_problem(horizon=1)
    solver = ActionRobust(solver=sac, alpha=0.5, uncertainty=Box({"gain": (0.9, 1.0)}, nominal="keep"))
    learner = solver.make(world, None, seed=0, device=CPU)
    learner.learn(1_500)
    encoded = torch.full((1, 1, 1), 0.8)
    with torch.no_grad():
        pushes = [
            float(learner.adversary_actions(learner.adversary, encoded * sign, torch.zeros(1, 1, 2))[0]) for sign in (1, -1)
        ]
    # Away from the origin, which is where the point is pushed off.
    assert pushes[0] > 0.3
    assert pushes[1] < -0.3
    (policy,) = learner.policies()
    assert policy.act(np.array([0.8], np.float32))[0] < -0.3
    assert policy.action_space.shape == (1,)


def test_what_baselines_cannot_do():
    with pytest.raises(CapabilityError, match="its solver must be MOSAC"):
        RARL(solver=MODQN())
    with pytest.raises(CapabilityError, match="needs a native batched form"):
        RARL(solver=SAC).make(replace(push_problem(), make_batched=None), None, seed=0, device=CPU)
    with pytest.raises(ConfigurationError, match=r"alpha must be in \[0, 1\]"):
        ActionRobust(alpha=1.5)
    with pytest.raises(CapabilityError, match="its solver must be MOSAC"):
        M2TD3(solver=MODQN())
    with pytest.raises(CapabilityError, match="use uncertainty: box"):
        M2TD3(solver=SAC, uncertainty=Finite(((0.5, 0.0),))).make(push_problem(), None, seed=0, device=CPU)
