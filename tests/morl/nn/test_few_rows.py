"""Few rows on the host are evaluated as torch does it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from morl.nn.few_rows import are_few, evaluate_few
from morl.nn.stacked import StackedMLP


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
    assert are_few(net, 2)
    assert not are_few(net, 3)
