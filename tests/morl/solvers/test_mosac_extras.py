"""The networks that can be attached to MOSAC: what they learn, and that they are carried along."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from morl.errors import CapabilityError
from morl.problem import make_problem
from morl.solvers.mosac import MOSAC
from morl.task import Task, Utility

CPU = torch.device("cpu")
SOLVER = MOSAC(
    hidden=(32,), batch_size=32, learning_starts=20, capacity=2000, rows_per_member=4, critic_learning_rate=3e-3, gamma=0.5,
    temperature=0.5,
    extras=("unregularised_critic", "next_state_predictor"),
)  # fmt: skip


def made(solver: MOSAC = SOLVER, env: str = "continuous/two-targets-v0") -> Any:
    utility = Utility(weights=torch.tensor([[0.2, 0.8], [0.7, 0.3]]))
    return solver.make(make_problem(env), Task(utility=utility), seed=0, device=CPU)


@pytest.fixture(scope="module")
def trained() -> Any:
    learner = made()
    learner.learn(400 * learner.round_steps)
    return learner


def some_pairs(learner: Any) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(200, 2, generator=generator) - 1, 2 * torch.rand(200, 2, generator=generator) - 1


def test_the_unregularised_critic_leaves_the_entropy_out(trained: Any) -> None:
    observations, actions = some_pairs(trained)
    plain = trained.values(observations, actions)
    encoded = trained.encoder(observations).expand(2, -1, -1)
    regularised = trained._critic_values(trained.critic, encoded, actions)
    assert plain.shape == (2, 200, 2)
    # Rewards are never positive, so returns are not; the entropy of what follows lifts the other critic.
    assert plain.mean() < 0
    assert (regularised.mean((1, 2)) > plain.mean((1, 2)) + 0.1).all()


def test_the_plain_return_is_what_it_learns(trained: Any) -> None:
    """The first reward is known in closed form; what follows does not depend on the action, so differences are exact."""
    observations, actions = some_pairs(trained)
    rotated = torch.stack([-observations[:, 1], observations[:, 0]], 1)
    rewards = torch.stack([-(actions - c / 2).square().sum(1) for c in (observations, rotated)], 1)
    values = trained.values(observations, actions)
    for member in range(2):
        for objective in range(2):
            correlation = np.corrcoef(values[member, :, objective], rewards[:, objective])[0, 1]
            assert correlation > 0.9


def test_the_predictor_knows_that_the_next_context_is_independent(trained: Any) -> None:
    observations, actions = some_pairs(trained)
    predicted = trained.extras.predict(observations, actions)
    assert predicted.shape == (2, 200, 2)
    # The best prediction of a uniform number on [-1, 1] is 0, with a mean squared error of 1/3.
    assert predicted.square().mean() < 0.15
    assert trained.statistics()["next_state_predictor_loss"] == pytest.approx(1 / 3, abs=0.15)


@pytest.mark.parametrize("extra", ["unregularised_critic", "next_state_predictor"])
def test_one_may_be_attached_without_the_other(extra: str) -> None:
    learner = made(replace(SOLVER, extras=(extra,)))
    learner.learn(30 * learner.round_steps)
    learner.reindex([0, 1, 1], [False, False, True])
    learner.learn(30 * learner.round_steps)
    assert f"{extra}_loss" in learner.statistics()
    assert learner.values(torch.zeros(4, 2), torch.zeros(4, 2)).shape == (3, 4, 2)


def test_discrete_actions_have_the_critic_but_not_the_predictor() -> None:
    with pytest.raises(CapabilityError, match="continuous actions"):
        made(env="deep-sea-treasure-v0")
    learner = made(replace(SOLVER, extras=("unregularised_critic",)), env="deep-sea-treasure-v0")
    without = made(replace(SOLVER, extras=()), env="deep-sea-treasure-v0")
    for each in (learner, without):
        each.learn(200 * each.round_steps)
    # Nothing else changes.
    for left, right in zip(learner.actor + learner.critic, without.actor + without.critic, strict=True):
        assert torch.equal(left, right)
    observations = learner.observations
    actions = torch.zeros(len(observations), dtype=torch.int64)
    plain, regularised = learner.values(observations, actions), without.values(observations, actions)
    # A fixed temperature of 0.5 pays up to 0.5 log 4 for every step that follows, half of it with this discount.
    assert (regularised.mean((1, 2)) > plain.mean((1, 2)) + 0.1).all()
