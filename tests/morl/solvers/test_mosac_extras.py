"""The networks that can be attached to MOSAC: what they learn, and that they are carried along."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from morl.critics import values_of
from morl.problem import make_problem
from morl.solvers.mosac import MOSAC
from morl.task import Task, Utility

CPU = torch.device("cpu")
SOLVER = MOSAC(
    hidden=(32,), batch_size=32, learning_starts=20, capacity=2000, rows_per_member=4, critic_learning_rate=3e-3, gamma=0.5,
    temperature=0.5,
    extras=("unregularised_critic",),
)  # fmt: skip


def made(solver: MOSAC = SOLVER, env: str = "continuous/two-targets-v0") -> Any:
    utility = Utility(weights=torch.tensor([[0.2, 0.8], [0.7, 0.3]]))
    return solver.make(make_problem(env), Task(utility=utility), seed=0, device=CPU)


@pytest.fixture(scope="module")
def trained() -> Any:
    learner = made()
    learner.learn(400 * learner.next_round())
    return learner


def some_pairs(learner: Any) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(200, 2, generator=generator) - 1, 2 * torch.rand(200, 2, generator=generator) - 1


def test_the_unregularised_critic_leaves_the_entropy_out(trained: Any) -> None:
    observations, actions = some_pairs(trained)
    plain = values_of(trained, observations, actions)
    attached, trained.extras = trained.extras, None
    regularised = values_of(trained, observations, actions)
    trained.extras = attached
    assert plain.shape == (2, 200, 2)
    # Rewards are never positive, so returns are not; the entropy of what follows lifts the other critic.
    assert plain.mean() < 0
    assert (regularised.mean((1, 2)) > plain.mean((1, 2)) + 0.1).all()


def test_the_plain_return_is_what_it_learns(trained: Any) -> None:
    """The first reward is known in closed form; what follows does not depend on the action, so differences are exact."""
    observations, actions = some_pairs(trained)
    rotated = torch.stack([-observations[:, 1], observations[:, 0]], 1)
    rewards = torch.stack([-(actions - c / 2).square().sum(1) for c in (observations, rotated)], 1)
    values = values_of(trained, observations, actions)
    for member in range(2):
        for objective in range(2):
            correlation = np.corrcoef(values[member, :, objective], rewards[:, objective])[0, 1]
            assert correlation > 0.9


def test_they_follow_a_change_of_the_population() -> None:
    learner = made()
    learner.learn(30 * learner.next_round())
    learner.reindex([0, 1, 1], [False, False, True])
    learner.learn(30 * learner.next_round())
    assert "unregularised_critic_loss" in learner.statistics()
    assert values_of(learner, torch.zeros(4, 2), torch.zeros(4, 2)).shape == (3, 4, 2)


def test_discrete_actions_have_them_too() -> None:
    learner = made(env="deep-sea-treasure-v0")
    without = made(replace(SOLVER, extras=()), env="deep-sea-treasure-v0")
    for each in (learner, without):
        each.learn(200 * each.next_round())
    # Nothing else changes.
    for left, right in zip(learner.actor + learner.critic, without.actor + without.critic, strict=True):
        assert torch.equal(left, right)
    observations = learner.observations
    actions = torch.zeros(len(observations), dtype=torch.int64)
    plain, regularised = (values_of(each, observations, actions) for each in (learner, without))
    # A fixed temperature of 0.5 pays up to 0.5 log 4 for every step that follows, half of it with this discount.
    assert (regularised.mean((1, 2)) > plain.mean((1, 2)) + 0.1).all()
