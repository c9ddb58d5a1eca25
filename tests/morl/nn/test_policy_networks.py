"""Networks behind stochastic policies: steps equal whole episodes, members do not mix, memory is what was seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from morl.errors import CapabilityError
from morl.nn.policy_networks import make_network, network_from

CPU = torch.device("cpu")
CASES = [
    ("perceptron", None), ("perceptron", (3, 4)), ("table", (3, 4)), ("gru", None), ("gru", (3, 4)), ("attention", None),
    ("attention", (3, 4)),
]  # fmt: skip
each = pytest.mark.parametrize(("name", "sizes"), CASES, ids=str)


def made(name: str, sizes: Any, members: int = 2) -> tuple[Any, list[torch.Tensor]]:
    network = make_network(name, inputs=2, sizes=sizes, hidden=(5, 4), outputs=3)
    parameters = network.init([torch.Generator().manual_seed(i) for i in range(members)], CPU)
    rng = torch.Generator().manual_seed(9)
    return network, [torch.randn(p.shape, generator=rng) for p in parameters]


def inputs_of(sizes: Any, shape: tuple[int, ...]) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    if sizes is None:
        return torch.randn(*shape, 2, generator=rng)
    return torch.stack([torch.randint(size, shape, generator=rng) for size in sizes], -1)


@each
def test_shapes_and_members(name: str, sizes: Any) -> None:
    network, parameters = made(name, sizes)
    assert [tuple(p.shape[1:]) for p in parameters] == network.shapes
    inputs = inputs_of(sizes, (2, 4, 6))
    together = network.unroll(parameters, inputs)
    assert together.shape == (2, 4, 6, 3)
    for i in range(2):
        alone = network.unroll([p[i : i + 1] for p in parameters], inputs[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)


@each
def test_going_step_by_step_is_the_same_as_the_whole_episode(name: str, sizes: Any) -> None:
    network, parameters = made(name, sizes)
    inputs = inputs_of(sizes, (2, 4, 6))
    memory, outputs = network.start(2, 4, CPU), []
    for t in range(6):
        output, memory = network.step(parameters, inputs[:, :, t], memory)
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs, 2), network.unroll(parameters, inputs))


@each
def test_who_does_not_take_part_remembers_nothing_of_it(name: str, sizes: Any) -> None:
    network, parameters = made(name, sizes)
    inputs = inputs_of(sizes, (2, 4, 3))
    active = torch.tensor([[True, False, True, True], [False, True, True, True]])
    memory = network.start(2, 4, CPU)
    _, memory = network.step(parameters, inputs[:, :, 0], memory, active)
    output, _ = network.step(parameters, inputs[:, :, 1], memory)
    fresh, _ = network.step(parameters, inputs[:, :, 1], network.start(2, 4, CPU))
    both = network.unroll(parameters, inputs)[:, :, 1]
    torch.testing.assert_close(output, torch.where(active.unsqueeze(-1), both, fresh))


@each
def test_round_trip_through_its_description(name: str, sizes: Any) -> None:
    network, parameters = made(name, sizes)
    inputs = inputs_of(sizes, (2, 4, 3))
    assert torch.equal(network_from(network.config()).unroll(parameters, inputs), network.unroll(parameters, inputs))


def test_integers_look_up_what_a_one_hot_matrix_would_multiply() -> None:
    network, parameters = made("perceptron", (3, 4))
    plain = make_network("perceptron", inputs=7, sizes=None, hidden=(5, 4), outputs=3)
    inputs = inputs_of((3, 4), (2, 4, 3))
    one_hot = torch.cat([torch.nn.functional.one_hot(inputs[..., k], size) for k, size in enumerate((3, 4))], -1).float()
    torch.testing.assert_close(network.unroll(parameters, inputs), plain.unroll(parameters, one_hot))


@pytest.mark.parametrize("name", ["gru", "attention"])
def test_outputs_depend_on_the_past_and_not_on_the_future(name: str) -> None:
    network, parameters = made(name, None)
    inputs = inputs_of(None, (2, 4, 6))
    changed = inputs.clone()
    changed[:, :, 3] += 1.0
    before, after = network.unroll(parameters, inputs), network.unroll(parameters, changed)
    assert torch.equal(before[:, :, :3], after[:, :, :3])
    assert ((before - after)[:, :, 4:].abs().amax((0, 1, 3)) > 1e-4).all()


def test_a_gru_is_torch_s_gru() -> None:
    network, parameters = made("gru", None, members=1)
    reference = torch.nn.GRU(2, 5, batch_first=True)
    weight, bias, recurrent, recurrent_bias = (p[0] for p in parameters[:4])
    values = {"weight_ih_l0": weight.T, "bias_ih_l0": bias, "weight_hh_l0": recurrent.T, "bias_hh_l0": recurrent_bias}
    reference.load_state_dict(values)
    inputs = inputs_of(None, (1, 4, 6))
    states, _ = reference(inputs[0])
    first, first_bias, last, last_bias = (p[0] for p in parameters[4:])
    expected = (states @ first + first_bias).tanh() @ last + last_bias
    torch.testing.assert_close(network.unroll(parameters, inputs)[0], expected)


def test_a_new_policy_is_close_to_uniform() -> None:
    for name, sizes in CASES:
        network = make_network(name, inputs=2, sizes=sizes, hidden=(16, 8), outputs=3)
        parameters = network.init([torch.Generator().manual_seed(0)], CPU)
        assert network.unroll(parameters, inputs_of(sizes, (1, 4, 6))).abs().max() < 0.1


def test_a_table_of_real_numbers_is_refused() -> None:
    with pytest.raises(CapabilityError, match="integral"):
        make_network("table", inputs=2, sizes=None, hidden=(), outputs=3)
