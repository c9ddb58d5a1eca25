"""Labels and commands, and the policies that follow them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from morl.action_spaces import FiniteActions, finite_actions
from morl.errors import ConfigurationError, ShapeError
from morl.functional import choice_errors, episode_labels, next_command, squared_errors, steps_to_go
from morl.nn.return_conditioned import ReturnConditionedNetwork
from morl.policies import ReturnConditionedPolicy
from morl.policies.return_conditioned import Condition
from morl.testing import check_policy

M = 2
ALL: tuple[Condition, ...] = ("weights", "returns", "horizon")
WIDTH = {"weights": M, "returns": M, "horizon": 1}
SPACES = {
    "discrete": spaces.Discrete(3, start=2),
    "components": spaces.MultiDiscrete([2, 3]),
    "box": spaces.Box(-2.0, 1.0, (2,)),
}


# --- labels and commands ---------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**31), steps=st.integers(1, 60), gamma=st.floats(0.85, 1.0), m=st.integers(1, 4))
def test_who_repeats_an_episode_is_always_asked_for_its_label(seed: int, steps: int, gamma: float, m: int) -> None:
    rewards = torch.randn(steps, 1, m, generator=torch.Generator().manual_seed(seed))
    ends = torch.arange(steps).unsqueeze(1) == steps - 1
    returns, left = episode_labels(rewards, ends, gamma)
    desired, horizon = returns[0], left[0].unsqueeze(-1)
    for t in range(steps):
        # Rounding, magnified by what the later steps are worth less.
        np.testing.assert_allclose(desired, returns[t], atol=1e-12 * steps / gamma**t)
        np.testing.assert_array_equal(horizon[:, 0], left[t])
        desired, horizon = next_command(desired, horizon, rewards[t], gamma)
    np.testing.assert_allclose(desired, 0.0, atol=1e-11 * steps / gamma**steps)
    assert horizon.item() == 1


def test_several_episodes_in_a_row_are_told_apart() -> None:
    ends = torch.tensor([[False, True], [True, False], [False, False], [False, True]])
    assert steps_to_go(ends).T.tolist() == [[2, 1, 2, 1], [1, 3, 2, 1]]


# --- losses ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["discrete", "components"])
def test_errors_of_choices_are_those_of_every_component(name: str) -> None:
    finite = finite_actions(SPACES[name])
    assert isinstance(finite, FiniteActions)
    outputs = torch.randn(7, finite.width)
    actions = torch.tensor([[1, 2]]).expand(7, 2) if name == "components" else torch.full((7,), 1)
    stored = finite.choices(actions).reshape(7, -1).float()
    parts = outputs.split(list(finite.sizes), -1)
    expected = sum(
        torch.nn.functional.cross_entropy(o, a.long(), reduction="none") for o, a in zip(parts, stored.T, strict=True)
    )
    torch.testing.assert_close(choice_errors(outputs, stored, finite), expected)
    assert squared_errors(torch.zeros(1, 2), torch.tensor([[1.0, 3.0]])).tolist() == [5.0]


# --- policies ----------------------------------------------------------------------------------------------------------------


def policy(takes: tuple[Condition, ...] = ALL, actions: str = "discrete", *, gamma: float = 0.9, q: int = 4) -> Any:
    width = sum(WIDTH[name] for name in takes)
    outputs = {"discrete": 3, "components": 5, "box": 2}[actions]
    network = ReturnConditionedNetwork(3, width, (16,), outputs)
    generator = torch.Generator().manual_seed(1)
    extras = {"log_std": torch.full((1, 2), -2.0)} if actions == "box" else {}
    return ReturnConditionedPolicy.unbound(
        spaces.Box(-1.0, 1.0, (3,)), SPACES[actions], network, network.init([generator], torch.device("cpu")),
        gamma=gamma, num_objectives=M, takes=takes,
        menu=(torch.rand(q, M, generator=generator), torch.randn(q, M, generator=generator), torch.arange(q) + 1.0),
        condition_centre=torch.zeros(1, width, dtype=torch.float64), condition_scale=torch.ones(1, width, dtype=torch.float64),
        **extras,
    )  # fmt: skip


@pytest.mark.parametrize("actions", SPACES)
@pytest.mark.parametrize("takes", [(), ("weights",), ("weights", "returns"), ("returns", "horizon"), ALL])
def test_every_kind_keeps_the_contract(takes: tuple[Condition, ...], actions: str) -> None:
    made = policy(takes, actions)
    check_policy(made)
    check_policy(made.at(np.array([0.3, 0.7])))
    assert made.memory(2).keys() == ({"returns", "horizon"} if {"returns", "horizon"} & set(takes) else set())


def test_a_command_follows_the_rewards_and_begins_anew() -> None:
    bound = policy().commanded([3.0, -1.0], 2)
    memory = bound.memory(2)
    step = (torch.zeros(2, 3), torch.full((2,), 2), torch.tensor([[1.0, 1.0]] * 2), torch.zeros(2, 3))
    after = bound.observe(memory, *step, torch.tensor([False, True]))
    np.testing.assert_allclose(after["returns"], [[2 / 0.9, -2 / 0.9], [3.0, -1.0]])
    assert after["horizon"].tolist() == [[1.0], [2.0]]


def test_names_on_the_menu_are_understood_and_stacks_act_as_each_alone() -> None:
    made = policy()
    names, returns = made.extras["menu_weights"][0], made.menu
    bound = [made.at(name.numpy()) for name in names]
    for one, expected, horizon in zip(bound, returns, made.extras["menu_horizons"][0], strict=True):
        np.testing.assert_array_equal(one.extras["own_returns"], expected[None])
        assert one.extras["own_horizons"].item() == horizon
    assert len({one.stacking_key() for one in bound}) == 1
    observations = torch.rand(len(bound), 5, 3) * 2 - 1
    stacked = type(made).stack(bound)
    together = stacked.act_stacked(observations, stacked.stacked_memory(len(bound), 5), None, True, None)
    alone = [one.act(o) - 2 for one, o in zip(bound, observations, strict=True)]
    np.testing.assert_array_equal(together, torch.stack(alone))


def test_what_it_is_told_makes_a_difference_and_is_kept_near_the_data() -> None:
    made = policy(("returns",), gamma=1.0)
    inputs = torch.zeros(1, 1, 3)
    outputs = {
        x: made._outputs(inputs, {"returns": torch.full((1, 1, M), x, dtype=torch.float64)})[0, 0, 0].item()
        for x in (0, 0.5, 3, 1e300)
    }
    assert outputs[0] != outputs[0.5] != outputs[3] == outputs[1e300]


def test_wrong_shapes_are_named() -> None:
    made = policy()
    with pytest.raises(ShapeError, match=r"weights have shape \(3,\); expected \(2,\)"):
        made.at(np.ones(3))
    with pytest.raises(ShapeError, match=r"desired return has shape \(1,\); expected \(2,\)"):
        made.commanded([1.0], 3)
    with pytest.raises(ShapeError, match="weights have 3 entries; expected 2"):
        made.act(np.zeros((1, 3), np.float32), weights=[0.2, 0.3, 0.5])
    with pytest.raises(ConfigurationError, match="at least one layer"):
        ReturnConditionedNetwork(3, 2, (), 4).init([torch.Generator()], torch.device("cpu"))
