"""Baselines keep the laws of learners, and do what their names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

import envs
from morl.errors import CapabilityError, ConfigurationError
from morl.problem import make_problem
from morl.solvers import MODQN
from morl.solvers.eupg import EUPG
from morl.testing import check_solver
from robust.baselines import M2TD3, RARL, ActionRobust, DomainRandomisation, EWoK, Nominal
from robust.baselines.ewok import tilted_choice
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
        EWoK(solver=SAC, samples=3),
    ],
    ids=["nominal", "domain_randomisation", "m2td3", "rarl", "action_robust", "ewok"],
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
    worst = learner.region.models(learner.worst_models[0].double().numpy())
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


@pytest.mark.parametrize("world", ["pendulum", "cartpole", "acrobot", "mountain-car", "windy-walk"])
def test_several_next_states_of_one_state(world):
    """A copy goes on as the original does; another model leads elsewhere; the original stays where it is."""
    id_ = f"tabular/{world}-v0" if world == "windy-walk" else f"parametric/{world}-v0"
    batch, copies = envs.batched_form(id_, 2), envs.batched_form(id_, 6)
    batch.reset(np.arange(2), np.array([3, 4]))
    discrete = isinstance(batch.action_space, spaces.Discrete)
    action = np.zeros(2, np.int64) if discrete else np.full((2, 1), 0.5, np.float32)
    for _ in range(3):
        batch.step(np.arange(2), action)
    rows, originals = np.arange(6), np.repeat(np.arange(2), 3)
    copies.copy_state(rows, batch, originals)
    space = copies.parameter_space
    models = np.tile(space.nominal, (6, 1))
    models[[2, 5]] = space.high
    copies.set_params(models, rows)
    ahead = copies.step(rows, action[originals])
    found = batch.step(np.arange(2), action)
    for theirs, own in zip(ahead, found, strict=True):
        np.testing.assert_array_equal(theirs[[0, 1, 3, 4]], own[[0, 0, 1, 1]])
    if not discrete:
        assert (ahead[0][[2, 5]] != found[0]).any(-1).all()


def test_the_tilt_has_the_kl_radius():
    """Against the definition: the frequencies of the choice, and their distance from uniform for a small radius."""
    worth = np.random.default_rng(0).normal(size=(1, 8))
    uniform = (np.arange(200_000) + 0.5) / 200_000
    share = np.bincount(tilted_choice(np.tile(worth, (200_000, 1)), uniform, 0.02), minlength=8) / 200_000
    tilt = np.sqrt(2 * 0.02) / worth.std()
    expected = np.exp(-tilt * worth[0]) / np.exp(-tilt * worth[0]).sum()
    np.testing.assert_allclose(share, expected, atol=1e-4)
    assert (share * np.log(share * 8)).sum() == pytest.approx(0.02, rel=0.1)
    np.testing.assert_array_equal(tilted_choice(np.ones((3, 4)), np.array([0.0, 0.49, 0.99]), 5.0), [0, 1, 3])


def test_ewok_lets_the_worse_happen():
    """The drift is drawn from the set; once the critic knows what it costs, the point drifts away from the origin."""
    sac = SAC.__class__(hidden=(32, 32), batch_size=64, learning_starts=100, critic_learning_rate=3e-3, rows_per_member=4)
    box = Box({"drift": (-1.0, 1.0)})

    def outward(radius: float) -> float:
        learner = EWoK(solver=sac, uncertainty=box, radius=radius).make(push_problem(), None, seed=0, device=CPU)
        learner.learn(1_500)
        found = []
        for episode in range(25):
            rows = np.arange(4)
            before = learner.rows.reset(rows, [4 * episode + i for i in range(4)])
            learner.rows.step(torch.zeros(4, 1), rows)
            found.append(learner.rows.batch.env.get_params(rows)[:, 1] * np.sign(before[:, 0].numpy()))
        return float(np.mean(found))

    assert abs(outward(0.0)) < 0.15
    assert outward(2.0) > 0.35


def test_what_baselines_cannot_do():
    with pytest.raises(CapabilityError, match="several next states of one state, which parametric/hopper-v0 cannot give"):
        EWoK(solver=SAC).make(make_problem("parametric/hopper-v0"), None, seed=0, device=CPU)
    with pytest.raises(CapabilityError, match="EUPG has no critics; use MOSAC, MOPPO or MODQN"):
        EWoK(solver=EUPG())
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
