"""Stacked perceptrons against one network at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from morl.errors import ConfigurationError
from morl.nn.stacked import Parameters, StackedMLP, blend_, member_slice, select, write_

CPU = torch.device("cpu")


def generators(n: int, offset: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(offset + i) for i in range(n)]


def filled(net: StackedMLP, n: int, seed: int = 0) -> Parameters:
    """Parameters with biases that are not zero."""
    generator = torch.Generator().manual_seed(seed)
    return [p.double() + 0.1 * torch.randn(p.shape, generator=generator) for p in net.init(generators(n), CPU)]


def alone(net: StackedMLP, parameters: Parameters, inputs: Tensor) -> Tensor:
    """One network ``[W1, b1, ...]`` as torch writes it; its weights are ``(out, in)`` in every layer."""
    h = inputs
    for i in range(0, len(parameters) - 2, 2):
        h = functional.linear(h, parameters[i].T, parameters[i + 1])
        h = h.relu() if net.activation == "relu" else h.tanh()
    return functional.linear(h, parameters[-2], parameters[-1])


@given(
    n=st.integers(1, 4), rows=st.integers(1, 6), inputs=st.integers(1, 5), outputs=st.integers(1, 5),
    hidden=st.lists(st.integers(1, 8), min_size=1, max_size=3).map(tuple), copies=st.sampled_from([None, 1, 2, 3]),
    activation=st.sampled_from(["relu", "tanh"]), seed=st.integers(0, 1000),
)  # fmt: skip
@settings(max_examples=40)
def test_equals_one_network_at_a_time(
    n: int, rows: int, inputs: int, outputs: int, hidden: tuple[int, ...], copies: int | None, activation: Any, seed: int
) -> None:
    net = StackedMLP(inputs, hidden, outputs, copies=copies, activation=activation)
    parameters = filled(net, n, seed)
    x = torch.randn(n, rows, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = net(parameters, x)
    if copies is None:
        expected = torch.stack([alone(net, [p[i] for p in parameters], x[i]) for i in range(n)])
    else:
        expected = torch.stack(
            [torch.stack([alone(net, [p[i, k] for p in parameters], x[i]) for k in range(copies)]) for i in range(n)]
        )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("copies", [None, 2])
def test_members_are_independent(copies: int | None) -> None:
    net = StackedMLP(4, (8, 8), 3, copies=copies)
    parameters = filled(net, 3)
    x = torch.randn(3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = net(parameters, x)
    for p in parameters:
        p[1].mul_(-2.0)
    x[1].add_(1.0)
    after = net(parameters, x)
    assert torch.equal(after[0], before[0])
    assert torch.equal(after[2], before[2])
    assert not torch.equal(after[1], before[1])


def test_initialisation_of_a_member_does_not_depend_on_the_others() -> None:
    net = StackedMLP(4, (8,), 3, copies=2)
    many, one = net.init(generators(5), CPU), net.init(generators(1, offset=3), CPU)
    assert all(torch.equal(p[3], q[0]) for p, q in zip(many, one, strict=True))
    assert not torch.equal(many[0][0], many[0][1])
    assert not torch.equal(many[0][0, 0], many[0][0, 1])


def test_initial_weights_are_orthogonal_and_biases_zero() -> None:
    net = StackedMLP(4, (8, 8), 3, hidden_gain=2.0, output_gain=0.5)
    parameters = net.init(generators(2), CPU)
    assert [tuple(p.shape) for p in parameters] == [(2, *shape) for shape in net.shapes]
    for weight, gain in ((parameters[0], 2.0), (parameters[2], 2.0), (parameters[4], 0.5)):
        smaller = min(weight.shape[1:])
        gram = weight @ weight.mT if weight.shape[1] == smaller else weight.mT @ weight
        torch.testing.assert_close(gram, gain**2 * torch.eye(smaller).expand_as(gram), rtol=1e-5, atol=1e-5)
    assert all((bias == 0).all() for bias in parameters[1::2])


def test_gradients_reach_every_parameter() -> None:
    net = StackedMLP(4, (8, 8), 3, copies=2, activation="tanh")
    leaves = [p.requires_grad_() for p in filled(net, 2)]
    gradients = torch.autograd.grad(net(leaves, torch.randn(2, 5, 4, dtype=torch.float64)).square().sum(), leaves)
    assert all((g != 0).any() for g in gradients)


@pytest.mark.parametrize("hidden", [(), (0,), (8, -1)])
def test_hidden_layers_must_exist(hidden: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="hidden"):
        StackedMLP(4, hidden, 3)


def test_flops_count_the_products() -> None:
    # 10 rows through 4 x 8, 8 x 8, 8 x 3, two operations per multiplication.
    assert StackedMLP(4, (8, 8), 3).flops(10) == 2 * 10 * (32 + 64 + 24)
    assert StackedMLP(4, (8, 8), 3, copies=2).flops(10) == 4 * 10 * (32 + 64 + 24)


def test_contiguous_members_are_a_slice() -> None:
    assert member_slice(None, 4) == slice(0, 4)
    assert member_slice([1, 2], 4) == slice(1, 3)
    assert member_slice([2], 4) == slice(2, 3)
    scattered = member_slice([0, 2], 4)
    assert isinstance(scattered, Tensor)
    assert scattered.tolist() == [0, 2]


def test_slices_are_views_and_indices_copies() -> None:
    parameters = [torch.zeros(4, 2), torch.zeros(4)]
    for p in select(parameters, slice(0, 4)) + select(parameters, slice(1, 3)):
        p.add_(1.0)
    assert parameters[1].tolist() == [1.0, 2.0, 2.0, 1.0]
    for p in select(parameters, torch.tensor([0, 3])):
        p.add_(1.0)
    assert parameters[1].tolist() == [1.0, 2.0, 2.0, 1.0]
    write_(parameters, torch.tensor([0, 3]), [torch.full((2, 2), 5.0), torch.tensor([6.0, 7.0])])
    assert parameters[1].tolist() == [6.0, 2.0, 2.0, 7.0]
    assert parameters[0][:, 0].tolist() == [5.0, 2.0, 2.0, 5.0]


@given(rate=st.floats(0.001, 1.0), seed=st.integers(0, 1000))
def test_blend_moves_by_the_rate(rate: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    target, live = (torch.randn(2, 3, dtype=torch.float64, generator=generator) for _ in range(2))
    moved = [target.clone()]
    blend_(moved, [live], rate)
    torch.testing.assert_close(moved[0], target + rate * (live - target), rtol=1e-12, atol=1e-12)
    blend_(moved, [live], 1.0)
    assert torch.equal(moved[0], live)
