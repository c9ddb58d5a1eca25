"""Known values, bad input, and the reference implementation's bugs that scalarizations must not have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from morl.errors import ConfigurationError, ShapeError
from morl.scalarizations import (
    PBI,
    Achievement,
    AugmentedChebyshev,
    Chebyshev,
    Saturate,
    Scalarization,
    SmoothChebyshev,
    WeightedSum,
)  # fmt: skip
from morl.testing import check_scalarization

Z, HALF = np.array([10.0, 10.0]), np.array([0.5, 0.5])
ALL: list[Any] = [
    WeightedSum(),
    Chebyshev(),
    AugmentedChebyshev(),
    SmoothChebyshev(),
    PBI(),
    Achievement(),
    Achievement(rho=0.1),
    Saturate(level=0.5),
]


@pytest.mark.parametrize("s", ALL, ids=repr)
@pytest.mark.parametrize("m", [2, 5])
def test_conformance(s: Scalarization, m: int) -> None:
    check_scalarization(s, num_objectives=m, monotone=not isinstance(s, PBI))


def test_chebyshev_known_values() -> None:
    values = np.array([[10.0, 0.0], [6.0, 6.0]])
    assert Chebyshev()(values, HALF, ideal_point=Z).tolist() == [-5.0, -2.0]
    assert [float(Chebyshev()(v, HALF, ideal_point=Z)) for v in values] == [-5.0, -2.0]


def test_exceeding_the_ideal_point_is_not_punished() -> None:
    assert Chebyshev()(np.array([12.0, 12.0]), HALF, ideal_point=Z) == 1.0


@pytest.mark.parametrize(
    ("s", "expected"),
    [
        (WeightedSum(), 4.0),
        (AugmentedChebyshev(rho=0.1), -(0.75 * 8 + 0.1 * (0.25 * 0 + 0.75 * 8))),
        (SmoothChebyshev(mu=2.0), -2 * np.log(np.exp(0.0) + np.exp(3.0))),
        (PBI(theta=0.0), -(0.75 * 8) / np.sqrt(0.625)),
        (Achievement(), -8 / 0.75),
        (Achievement(rho=0.5), -8 / 0.75 - 4),
        (Saturate(level=0.6), 0.25 * 6 + 0.75 * 2),
    ],
    ids=repr,
)
def test_known_values(s: Scalarization, expected: float) -> None:
    result = s(np.array([10.0, 2.0]), np.array([0.25, 0.75]), ideal_point=Z)
    assert float(result) == pytest.approx(expected)


def test_smooth_chebyshev_is_below_and_close_to_chebyshev() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    w, z = np.full(3, 1 / 3), np.full(3, 2.0)
    gap = Chebyshev()(values, w, ideal_point=z) - SmoothChebyshev(mu=0.1)(values, w, ideal_point=z)
    assert (gap >= 0).all()
    assert (gap <= 0.1 * np.log(3) + 1e-12).all()


def test_chebyshev_prefers_the_concave_point_that_no_weighted_sum_does() -> None:
    front = np.array([[10.0, 0.0], [4.0, 4.0], [0.0, 10.0]])
    assert Chebyshev()(front, HALF, ideal_point=Z).argmax() == 1
    for w in np.linspace(0, 1, 21):
        assert WeightedSum()(front, np.array([w, 1 - w])).argmax() != 1


def test_pbi_has_a_finite_gradient_on_the_preference_line() -> None:
    v = torch.tensor([8.0, 8.0], requires_grad=True)
    PBI()(v, torch.tensor([0.5, 0.5]), ideal_point=torch.tensor([10.0, 10.0])).backward()
    assert v.grad is not None
    torch.testing.assert_close(v.grad, torch.full((2,), 0.5**0.5))


@pytest.mark.parametrize("s", ALL, ids=repr)
def test_bug_03_torch_batches_work(s: Scalarization) -> None:
    values, weights = torch.randn(6, 7, 3), torch.full((6, 1, 3), 1 / 3)
    assert s(values, weights, ideal_point=torch.ones(3)).shape == (6, 7)


def test_bug_10_evaluating_moves_nothing_and_arguments_have_one_order() -> None:
    z = Z.copy()
    Chebyshev()(np.array([99.0, 99.0]), HALF, ideal_point=z)
    assert (z == Z).all()
    assert Chebyshev()(np.array([10.0, 0.0]), HALF, ideal_point=z) == -5.0


def test_numpy_and_torch_may_be_mixed() -> None:
    result = Chebyshev()(torch.tensor([[6.0, 6.0]]), HALF, ideal_point=Z.tolist())
    assert isinstance(result, torch.Tensor)
    assert result.tolist() == [-2.0]


@pytest.mark.parametrize(
    ("cls", "bad"),
    [
        (AugmentedChebyshev, {"rho": -0.1}),
        (SmoothChebyshev, {"mu": 0.0}),
        (PBI, {"theta": -1.0}),
        (Achievement, {"rho": float("nan")}),
    ],
)
def test_parameters_out_of_range(cls: Any, bad: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=f"{cls.__name__}.{next(iter(bad))} must"):
        cls(**bad)


def test_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"\(4, 3\).*weights has shape \(2,\)"):
        WeightedSum()(np.zeros((4, 3)), HALF)
    with pytest.raises(ShapeError, match="broadcast"):
        WeightedSum()(np.zeros((4, 2)), np.zeros((3, 2)))
    with pytest.raises(ShapeError, match="ideal_point"):
        Chebyshev()(np.zeros((4, 2)), HALF, ideal_point=np.zeros(3))
    with pytest.raises(ConfigurationError, match="ideal_point"):
        Chebyshev()(np.zeros((4, 2)), HALF)
