"""Evaluation: returns by hand, both discounts, grouping, chunks, common random numbers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from envs.parametric import Parameter, ParameterSpace
from morl.errors import ConfigurationError
from morl.evaluation import Evaluation, Evaluator, Returns
from morl.policies.tabular import TabularPolicy
from morl.problem import make_problem
from tests.conformance.cases import CORRIDOR, CPU, LEAVES, TARGETS

TREASURES = [1.0, 2.0, 3.0, 8.0, 10.0, 11.0]


def digs_at(cell: int) -> TabularPolicy:
    """Walks to a cell of the corridor and digs there."""
    actions = torch.zeros(1, 6, dtype=torch.int64)
    actions[0, cell:] = 1
    return TabularPolicy(spaces.Discrete(6), spaces.Discrete(2), actions)


def evaluator(env: Any = CORRIDOR, *, gamma: float = 0.9, **settings: Any) -> Evaluator:
    return Evaluator(make_problem(env), Evaluation(**settings), gamma=gamma, device=CPU)


def test_returns_are_what_they_are_by_hand() -> None:
    judge = evaluator(episodes=3)
    result = judge([digs_at(cell) for cell in range(6)])
    assert result.discounted.shape == result.undiscounted.shape == (6, 1, 3, 2)
    for cell in range(6):
        np.testing.assert_allclose(result.undiscounted[cell, 0, 1], [TREASURES[cell], -(cell + 1)])
        by_hand = [0.9**cell * TREASURES[cell], -sum(0.9**t for t in range(cell + 1))]
        np.testing.assert_allclose(result.discounted[cell, 0, 1], by_hand, rtol=1e-6)
        assert (result.lengths[cell] == cell + 1).all()
    assert judge.env_steps == 3 * sum(range(1, 7))
    np.testing.assert_allclose(result.standard_error(), 0.0, atol=1e-14)
    np.testing.assert_allclose(result.mean(), result.discounted[:, 0, 0])


def test_standard_errors() -> None:
    values = np.random.default_rng(0).normal(size=(2, 1, 5, 3))
    returns = Returns(values, values, np.ones((2, 1, 5), dtype=np.int64))
    np.testing.assert_allclose(returns.standard_error(), values[:, 0].std(1, ddof=1) / np.sqrt(5))


def test_gamma_of_the_evaluation_wins() -> None:
    assert evaluator(gamma=0.9).gamma == 0.9
    judge = evaluator(episodes=1)
    undiscounted = Evaluator(make_problem(CORRIDOR), Evaluation(gamma=1.0), gamma=0.9, device=CPU)([digs_at(5)])
    np.testing.assert_allclose(undiscounted.discounted, undiscounted.undiscounted)
    assert judge([digs_at(5)]).mean()[0, 0] < 11.0


def test_policies_of_different_kinds_are_judged_in_their_order() -> None:
    networks = LEAVES["eupg"].make().policies()
    mixed = [digs_at(3), networks[0], digs_at(0), networks[1]]
    together = evaluator()(mixed)
    for i, policy in enumerate(mixed):
        np.testing.assert_allclose(together.discounted[i], evaluator()([policy]).discounted[0])


@pytest.mark.parametrize("max_rows", [1, 3, 4, 7, 1000])
@pytest.mark.parametrize("deterministic", [True, False])
def test_the_number_of_rows_decides_nothing_for_the_best_actions_and_is_kept(max_rows: int, deterministic: bool) -> None:
    policies = LEAVES["mosac"].make().policies()
    judge = evaluator(TARGETS, episodes=5, max_rows=max_rows, deterministic=deterministic)
    result = judge(policies)
    assert judge._rows is not None
    assert judge._rows.num_rows <= max_rows
    assert result.lengths.min() == 10
    if deterministic:
        np.testing.assert_allclose(result.discounted, evaluator(TARGETS, episodes=5)(policies).discounted, rtol=1e-5)
    # Episodes differ from each other.
    assert np.ptp(result.discounted[0, 0, :, 0]) > 0


def test_fresh_episodes_are_others_and_overlap_where_numbers_do() -> None:
    policy = LEAVES["mosac"].make().policies()[:1]
    judge = evaluator(TARGETS, episodes=4)
    first, later = judge(policy).discounted, judge(policy, first_episode=2).discounted
    np.testing.assert_array_equal(first[0, 0, 2:], later[0, 0, :2])
    fresh = judge(policy, episodes=3, first_episode=100).discounted
    assert not np.isin(fresh, first).any()


def test_sampled_evaluation_is_repeatable_and_not_the_best_actions() -> None:
    policies = LEAVES["mosac"].make().policies()
    sampled = [evaluator(TARGETS, deterministic=False)(some).discounted for some in (policies, policies, policies[1:2])]
    np.testing.assert_array_equal(sampled[0], sampled[1])
    np.testing.assert_allclose(sampled[0][1], sampled[2][0], rtol=1e-5)
    assert not np.allclose(sampled[0], evaluator(TARGETS)(policies).discounted)


class Endless(gym.Env[Any, Any]):
    """Never ends; its transition model is the reward."""

    observation_space = spaces.Discrete(6)
    action_space = spaces.Discrete(2)
    reward_space = spaces.Box(-9.0, 9.0, (2,))
    parameter_space = ParameterSpace((Parameter(name="reward", nominal=1.0, low=-9.0, high=9.0, smallest=-9.0),))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.reward = float(self.parameter_space.vector(options["params"], current=self.parameter_space.nominal)[0])
        self.noise = self.np_random.random()
        return 0, {}

    def step(self, action: Any) -> Any:
        return 0, np.array([self.reward, self.noise], np.float32), False, False, {}


def test_endless_episodes_are_cut() -> None:
    result = evaluator(Endless, gamma=1.0, episodes=2, max_episode_steps=7)([digs_at(0)])
    assert (result.lengths == 7).all()
    np.testing.assert_allclose(result.mean()[0, 0], 7.0)


@pytest.mark.parametrize("max_rows", [256, 4])
def test_every_transition_model_sees_the_same_episodes(max_rows: int) -> None:
    judge = evaluator(Endless, gamma=1.0, episodes=3, max_episode_steps=2, max_rows=max_rows)
    result = judge([digs_at(0), digs_at(1)], dynamics=torch.tensor([[1.0], [5.0], [-2.0]]))
    assert result.discounted.shape == (2, 3, 3, 2)
    np.testing.assert_allclose(result.discounted[..., 0], np.broadcast_to([[2.0], [10.0], [-4.0]], (2, 3, 3)))
    assert (result.discounted[..., 1] == result.discounted[:1, :1, :, 1]).all()
    assert len(np.unique(result.discounted[0, 0, :, 1])) == 3


@pytest.mark.parametrize(
    "wrong", [{"episodes": 0}, {"max_episode_steps": 0}, {"max_rows": 0}, {"period": 0}, {"gamma": 1.1}, {"final_episodes": -1}]
)
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"evaluation.{next(iter(wrong))}"):
        Evaluation(**wrong)
