"""Few rows on the host are evaluated as torch does it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.nn.distributions import gaussian_log_density, gaussian_sample
from morl.nn.few_rows import are_few, evaluate_few, few_gaussian_actions
from morl.nn.stacked import Packed, StackedMLP


@settings(max_examples=40)
@given(
    n=st.integers(1, 4), rows=st.integers(1, 5), d=st.integers(1, 6), a=st.integers(1, 4), packed=st.booleans(),
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple), activation=st.sampled_from(["tanh", "relu"]),
)  # fmt: skip
def test_law_the_same_up_to_rounding(
    n: int, rows: int, d: int, a: int, packed: bool, hidden: tuple[int, ...], activation: Any
) -> None:
    net = StackedMLP(d, hidden, a, activation=activation)
    chance = torch.Generator().manual_seed(n)
    actor = [p + 0.1 for p in net.init([torch.Generator().manual_seed(i) for i in range(n)], torch.device("cpu"))]
    actor.append(0.3 * torch.randn(n, a, generator=chance))
    if packed:
        actor = Packed(actor)
    inputs, noise = (torch.randn(n, rows, width, generator=chance) for width in (d, a))
    before = [p.clone() for p in actor]
    actions, log_densities = few_gaussian_actions(net, actor, inputs, noise)
    mean, log_std = net(actor[:-1], inputs), actor[-1].unsqueeze(1)
    for found, expected in zip((actions, log_densities), gaussian_sample(mean, log_std, noise), strict=True):
        assert found.dtype is torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(log_densities, gaussian_log_density(actions, mean, log_std), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(p, q) for p, q in zip(actor, before, strict=True))


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_values_are_those_of_the_network(n: int, activation: Any) -> None:
    net = StackedMLP(4, (8, 6), 5, activation=activation)
    generators = [torch.Generator().manual_seed(i) for i in range(n)]
    parameters = [p + 0.1 for p in net.init(generators, torch.device("cpu"))]
    inputs = torch.randn(n, 2, 4, generator=generators[0])
    before = inputs.clone()
    found = torch.from_numpy(evaluate_few(net, parameters, inputs.numpy()))
    torch.testing.assert_close(found, net(parameters, inputs))
    assert torch.equal(inputs, before)


def test_large_products_are_left_to_torch() -> None:
    net = StackedMLP(4, (64, 64), 2)
    assert are_few(net, 1)
    assert are_few(net, 16)
    assert not are_few(net, 17)
    assert not are_few(StackedMLP(4, (128, 128), 2), 1)
