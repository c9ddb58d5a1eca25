"""Utilities and tasks: what members maximise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morl.errors import ConfigurationError, MorlError, ShapeError
from morl.experiments.result import checked_weights
from morl.scalarizations import AugmentedChebyshev, Chebyshev, SmoothChebyshev, WeightedSum
from morl.task import Task, Utility

W = torch.tensor([[0.5, 0.5], [0.2, 0.8], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"weights": torch.tensor([0.5, 0.5])}, ShapeError, r"shape \(2,\); expected \(n, m\)"),
        ({"weights": torch.tensor([[0.5, 0.6]])}, ConfigurationError, r"simplex.*1\.1"),
        ({"weights": torch.tensor([[1.5, -0.5]])}, ConfigurationError, r"simplex.*-0\.5"),
        ({"weights": torch.tensor([[float("nan"), 1.0]])}, ConfigurationError, "simplex"),
        ({"weights": W, "ideal_point": torch.zeros(3)}, ShapeError, r"ideal_point has shape \(3,\)"),
        ({"weights": W, "scale": torch.ones(1)}, ShapeError, r"scale has shape \(1,\)"),
        ({"weights": W, "scale": torch.tensor([1.0, 0.0])}, ConfigurationError, "positive"),
        ({"weights": W, "scalarization": Chebyshev()}, ConfigurationError, r"Chebyshev.*ideal_point"),
    ],
)
def test_wrong_utilities_are_refused_in_one_line(wrong: dict[str, Any], error: type[MorlError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        Utility(**wrong)
    assert "\n" not in str(caught.value)


def test_every_member_has_its_own_weights_and_ideal_point() -> None:
    values = torch.arange(24.0).view(3, 4, 2)
    linear = Utility(weights=W)
    torch.testing.assert_close(linear(values), torch.einsum("nbm,nm->nb", values, W))
    own = Utility(weights=W, scalarization=Chebyshev(), ideal_point=torch.tensor([[30.0, 30.0], [40.0, 40.0], [50.0, 50.0]]))
    for i in range(3):
        z = (i + 3) * 10.0
        torch.testing.assert_close(own(values)[i], -(W[i] * (z - values[i]).clamp_min(0)).amax(-1))
    assert own(values[:, 0]).shape == (3,)
    assert own(values.unsqueeze(1)).shape == (3, 1, 4)


def test_a_scale_is_a_change_of_units() -> None:
    scale, ideal = torch.tensor([10.0, 0.1]), torch.tensor([30.0, 3.0])
    values = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0))
    for scalarization in (WeightedSum(), Chebyshev()):
        scaled = Utility(weights=W, scalarization=scalarization, ideal_point=ideal, scale=scale)
        plain = Utility(weights=W, scalarization=scalarization, ideal_point=ideal / scale)
        torch.testing.assert_close(scaled(values), plain(values / scale))


@given(data=st.data())
def test_a_step_along_the_linearised_weights_never_lowers_the_utility(data: st.DataObject) -> None:
    numbers = st.floats(-5, 5, width=32)
    value = torch.tensor([[data.draw(numbers), data.draw(numbers)]])
    first = data.draw(st.floats(0.0625, 0.9375, width=32))
    scalarization = data.draw(st.sampled_from([WeightedSum(), AugmentedChebyshev(), SmoothChebyshev(mu=1.0)]))
    utility = Utility(
        weights=torch.tensor([[first, 1 - first]]), scalarization=scalarization, ideal_point=torch.tensor([6.0, 6.0]),
        scale=torch.tensor([2.0, 1.0]),
    )  # fmt: skip
    w = utility.linearised(value)
    assert torch.allclose(w.sum(-1), torch.ones(1))
    assert (w >= 0).all()
    assert utility(value + 1e-2 * w) >= utility(value) - 1e-5


def test_linearisation_knows_its_cases() -> None:
    linear = Utility(weights=W, scale=torch.tensor([10.0, 1.0]))
    expected = W / torch.tensor([10.0, 1.0])
    torch.testing.assert_close(linear.linearised(torch.zeros(3, 2)), expected / expected.sum(-1, keepdim=True))
    worst_first = Utility(weights=W[:2], scalarization=Chebyshev(), ideal_point=torch.tensor([10.0, 10.0]))
    torch.testing.assert_close(worst_first.linearised(torch.tensor([[0.0, 9.0], [9.0, 0.0]])), torch.eye(2))


def test_selecting_members() -> None:
    utility = Utility(weights=W, scalarization=Chebyshev(), ideal_point=torch.arange(6.0).view(3, 2))
    some = utility.select(torch.tensor([2, 0]))
    assert some.weights.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert some.ideal_point.tolist() == [[4.0, 5.0], [0.0, 1.0]]  # type: ignore[union-attr]


def test_dynamics_are_one_model_per_member() -> None:
    assert Task(utility=Utility(weights=W), dynamics=torch.zeros(3, 4)).num_members == 3
    for wrong in (torch.zeros(2, 4), torch.zeros(3)):
        with pytest.raises(ShapeError, match=r"expected \(3, k\)"):
            Task(utility=Utility(weights=W), dynamics=wrong)


def test_weights_that_are_what_others_leave_may_miss_zero_by_rounding():
    ninths = [1 / 9] * 9
    weights = [*ninths, 1 - sum(ninths)]
    assert weights[-1] < 0
    utility = Utility(scalarization=WeightedSum(), weights=torch.tensor([weights], dtype=torch.float64))
    assert utility.weights.min() == 0
    assert checked_weights(weights, 10).min() == 0
    assert checked_weights(np.full(3, 1 / 3, np.float32), 3).sum() == pytest.approx(1.0)
    with pytest.raises(ConfigurationError, match=r"smallest entry -0\.001"):
        Utility(scalarization=WeightedSum(), weights=torch.tensor([[1.001, -0.001]]))
    with pytest.raises(ShapeError, match="holds text"):
        checked_weights(["a"], 1)
