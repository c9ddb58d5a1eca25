"""Choices among finite actions, units of boxes, and messages whose remedies work."""

from __future__ import annotations

import json
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from morl.action_spaces import FiniteActions, box_actions, finite_actions, is_bounded_box
from morl.critics import values_of
from morl.functional import pessimistic_values
from morl.problem import make_problem
from morl.solvers import MODQN, MOSAC, MOQLearning
from morl.spaces import space_from_json, space_to_json
from tests.panel import Panel

CPU = torch.device("cpu")
FINITE: list[gym.Space[Any]] = [
    spaces.Discrete(5),
    spaces.MultiDiscrete([3, 2, 4]),
    spaces.MultiDiscrete([3, 3], start=[-1, 10]),
    spaces.MultiDiscrete([[2, 3], [4, 1]], dtype=np.int16),
    spaces.MultiBinary(3),
    spaces.MultiBinary((2, 2)),
    spaces.Box(-2, 1, (2,), np.int64),
    spaces.Box(0, 3, (), np.uint8),
    spaces.Box(np.zeros(2, np.bool_), np.ones(2, np.bool_), dtype=np.bool_),
]
LEVERS = FiniteActions((3,), (0, 0, 0), (3, 2, 4), False)
generator = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("limit", [0, 1_000], ids=["factored", "joint"])
@pytest.mark.parametrize("space", FINITE, ids=str)
def test_choices_name_actions_one_to_one(space: gym.Space[Any], limit: int) -> None:
    finite = finite_actions(space, joint_limit=limit)
    assert finite is not None
    assert finite.is_joint == (limit > 0 or len(finite.counts) == 1)
    assert finite.log_volume == pytest.approx(math.log(math.prod(finite.counts)))
    grids = torch.cartesian_prod(*(torch.arange(size) for size in finite.sizes)).reshape(-1, len(finite.sizes))
    choices = grids.squeeze(-1) if finite.is_joint else grids
    actions = finite.actions(choices)
    assert len(actions.reshape(len(actions), -1).unique(dim=0)) == math.prod(finite.counts)
    assert all(space.contains(int(a) if isinstance(space, spaces.Discrete) else np.asarray(a, space.dtype)) for a in actions)
    assert torch.equal(finite.choices(actions), choices)
    assert torch.equal(finite.choices(actions.unsqueeze(0)), choices.unsqueeze(0))


@pytest.mark.parametrize("space", [*FINITE, spaces.Discrete(3, start=-1, dtype=np.int32)], ids=str)
def test_files_keep_shape_and_kind_of_number(space: gym.Space[Any]) -> None:
    again = space_from_json(json.loads(json.dumps(space_to_json(space))))
    assert again == space
    assert again.dtype == space.dtype


def test_the_last_component_of_a_joint_choice_is_the_fastest() -> None:
    finite = finite_actions(spaces.MultiDiscrete([2, 3], start=[5, 0]), joint_limit=6)
    assert finite is not None
    assert finite.actions(torch.arange(6)).tolist() == [[5, 0], [5, 1], [5, 2], [6, 0], [6, 1], [6, 2]]


@pytest.mark.parametrize("sizes", [(3, 2, 4), (3, 3)], ids=["unequal", "equal"])
def test_heads_are_those_of_single_components_side_by_side(sizes: tuple[int, ...]) -> None:
    finite = FiniteActions((len(sizes),), (0,) * len(sizes), sizes, False)
    outputs = 3 * torch.randn(2, 50, sum(sizes), generator=generator)
    parts = outputs.split(sizes, -1)
    log_probs = finite.log_softmax(outputs)
    torch.testing.assert_close(log_probs, torch.cat([part.log_softmax(-1) for part in parts], -1))
    assert torch.equal(finite.best(outputs), torch.stack([part.argmax(-1) for part in parts], -1))
    uniform = torch.rand(finite.noise_shape((2, 50)), generator=generator)
    drawn = finite.sample(outputs, uniform)
    below = [part.softmax(-1).cumsum(-1) for part in parts]
    alone = [(uniform[..., j : j + 1] >= below[j]).sum(-1).clamp_max(size - 1) for j, size in enumerate(sizes)]
    assert torch.equal(drawn, torch.stack(alone, -1))
    index = finite.index(drawn)
    expected = sum(part.gather(-1, drawn[..., j : j + 1]) for j, part in enumerate(parts))
    torch.testing.assert_close(finite.total(outputs, index), expected.squeeze(-1))  # type: ignore[union-attr]
    vectors = torch.stack([outputs, -outputs], -1)
    torch.testing.assert_close(finite.total_values(vectors, index)[..., 1], -expected.squeeze(-1))  # type: ignore[union-attr]
    assert torch.equal(finite.one_hot(index).sum(-1), torch.full((2, 50), float(len(sizes))))


def test_nobody_draws_what_a_component_lacks() -> None:
    outputs = torch.zeros(4, 9)
    outputs[:, 3:5] = -40.0  # also where rounding loses the last bits of a probability
    last = torch.full((4, 3), 1 - 2**-24)
    assert (LEVERS.sample(outputs, last) < torch.tensor(LEVERS.sizes)).all()
    assert (LEVERS.scaled(last) < torch.tensor(LEVERS.sizes)).all()
    assert (LEVERS.best(torch.full((1, 9), -1e9)) < torch.tensor(LEVERS.sizes)).all()


def test_probabilities_have_the_gradient_of_single_components() -> None:
    outputs = torch.randn(7, 9, generator=generator).requires_grad_()
    taken = LEVERS.index(torch.tensor([[2, 1, 3]]).expand(7, -1))
    (gradient,) = torch.autograd.grad(LEVERS.total(LEVERS.log_softmax(outputs), taken).sum(), outputs)
    expected = -LEVERS.log_softmax(outputs).exp().detach() + LEVERS.one_hot(taken)
    torch.testing.assert_close(gradient, expected)


def test_what_policies_ask_for_first_can_be_trained_with() -> None:
    finite = FiniteActions((2,), (0, 0), (6, 7), False)
    with torch.inference_mode():
        finite.log_softmax(torch.zeros(1, 13))
    outputs = torch.zeros(1, 13, requires_grad=True)
    finite.log_softmax(outputs).sum().backward()


@pytest.mark.parametrize(
    "space",
    [spaces.Dict({"a": spaces.Discrete(2)}), spaces.Text(2), spaces.Box(0.0, 1.0, (2,))],
    ids=["dict", "text", "real"],
)
def test_what_is_not_finite(space: gym.Space[Any]) -> None:
    assert finite_actions(space) is None


def test_unbounded_integers_are_counted_without_overflow() -> None:
    finite = finite_actions(spaces.Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (2,), np.int64))
    assert finite is not None
    assert finite.sizes == (2**64, 2**64)
    assert finite.is_too_large
    assert finite_actions(spaces.Box(2**63, 2**63 + 1, (2,), np.uint64)) is None


class Shifted(Panel):
    """One lever whose positions are called -1, 0 and 1."""

    sizes = np.array(3)
    observation_space: gym.Space[Any] = spaces.Discrete(3)
    action_space: gym.Space[Any] = spaces.Discrete(3, start=-1)


@pytest.mark.parametrize(
    "solver", [MODQN(hidden=(4,)), MOSAC(hidden=(4,)), MOQLearning(epsilon_steps=1)], ids=["modqn", "mosac", "moq"]
)
def test_critics_take_actions_as_the_environment_does(solver: Any) -> None:
    learner = solver.make(make_problem(Shifted), None, seed=0, device=CPU)
    learner.learn(100 * learner.next_round())
    observations = torch.zeros(3, dtype=torch.int64)
    found = values_of(learner, observations, torch.tensor([-1, 0, 1]))[0]
    if hasattr(learner, "q"):
        expected = learner.q[0, 0]
    elif hasattr(learner, "online"):
        expected = learner.net(learner.online, learner.encoder(observations[:1]).unsqueeze(0)).view(3, 2)
    else:
        twins = learner.critic_net(learner.critic, learner.encoder(observations[:1]).unsqueeze(0)).view(1, 2, 3, 2)
        expected = pessimistic_values(twins, learner.linear_weights)[0]
    torch.testing.assert_close(found, expected.detach())


# --- boxes -------------------------------------------------------------------------------------------------------------


@given(low=st.floats(-1e3, 1e3), width=st.floats(1e-3, 1e6), dtype=st.sampled_from([np.float32, np.float64]))
def test_saturated_and_clipped_actions_stay_inside(low: float, width: float, dtype: Any) -> None:
    space = spaces.Box(dtype(low), dtype(low + width), (1,), dtype)
    box = box_actions(space, CPU)
    for unit in (-1.0, 1.0):
        action = torch.addcmul(box.offset, torch.tensor([unit]), box.scale)
        assert space.contains(action.numpy().astype(dtype))
        assert space.contains(box.clip(torch.tensor([unit]) * torch.inf).numpy().astype(dtype))
    # The units are what they are called, up to the rounding of the bounds.
    np.testing.assert_allclose(box.scale.item(), width / 2, rtol=1e-5, atol=4e-7 * abs(low) + 1e-6)


def test_units_of_open_components() -> None:
    low, high = np.array([-np.inf, 5.0, -np.inf, -3.0]), np.array([np.inf, np.inf, -2.0, 1.0])
    box = box_actions(spaces.Box(low, high, dtype=np.float64), CPU)
    assert box.scale.tolist() == [1.0, 1.0, 1.0, 2.0]
    assert box.offset.tolist() == [0.0, 5.0, -2.0, -1.0]  # an open component is counted from its closed side
    assert box.clip(torch.tensor([9.0, 0.0, 0.0, 9.0])).tolist() == [9.0, 5.0, -2.0, 1.0]


@pytest.mark.parametrize(
    ("space", "bounded"),
    [
        (spaces.Box(-1.0, 1.0, ()), True),
        (spaces.Box(0.0, np.inf, (2,)), False),
        (spaces.Box(-3.4e38, 3.4e38, (1,)), False),
        (spaces.Box(-1e300, 1e300, (1,), np.float64), False),
        (spaces.Box(0, 5, (2,), np.int64), False),
    ],
    ids=str,
)
def test_bounded_means_a_width_that_can_be_counted_with(space: gym.Space[Any], bounded: bool) -> None:
    assert is_bounded_box(space) == bounded
