"""Indicators: hand-computed values, an independent implementation, empty sets, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pymoo.indicators.hv import HV
from pymoo.indicators.igd import IGD
from pymoo.indicators.igd_plus import IGDPlus

from morl.errors import ConfigurationError, ShapeError
from morl.indicators import cardinality, expected_utility, hypervolume, igd, igd_plus, maximum_utility_loss, sparsity
from morl.weights import simplex_lattice

CORNERS = np.eye(2)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_hypervolume_and_distances_equal_pymoo(m: int) -> None:
    rng = np.random.default_rng(m)
    values, front = rng.random((12, m)), rng.random((9, m)) + 0.5
    assert hypervolume(values, np.full(m, -0.1)) == pytest.approx(HV(ref_point=np.full(m, 0.1))(-values))
    assert igd(values, front) == pytest.approx(IGD(-front)(-values))
    assert igd_plus(values, front) == pytest.approx(IGDPlus(-front)(-values))


def test_hypervolume_known_values() -> None:
    assert hypervolume([[2.0, 1.0], [1.0, 2.0]], [0.0, 0.0]) == 3.0
    assert hypervolume([[2.0, 1.0], [-1.0, 9.0]], [0.0, 0.0]) == 2.0, "what is not above the reference point adds nothing"
    assert hypervolume([[3.0]], [1.0]) == 2.0
    assert hypervolume([[1.0, 1.0]], [1.0, 0.0]) == 0.0


def test_expected_utility_of_the_two_corners() -> None:
    exact = 0.75  # integral of max(w, 1 - w) over [0, 1]
    assert expected_utility(CORNERS, simplex_lattice(10_001, 2)) == pytest.approx(exact, abs=1e-4)
    assert expected_utility(CORNERS, simplex_lattice(50, 2)) == pytest.approx(exact, abs=0.01)


def test_maximum_utility_loss() -> None:
    weights = simplex_lattice(11, 2)
    assert maximum_utility_loss(CORNERS, CORNERS, weights) == 0.0
    assert maximum_utility_loss(CORNERS[:1], CORNERS, weights) == 1.0
    assert maximum_utility_loss(CORNERS + 0.25, CORNERS, weights) == pytest.approx(-0.25)


def test_igd_sees_what_igd_plus_forgives() -> None:
    assert igd([[2.0, 2.0]], [[1.0, 1.0]]) == pytest.approx(2**0.5)
    assert igd_plus([[2.0, 2.0]], [[1.0, 1.0]]) == 0.0


def test_sparsity_and_cardinality() -> None:
    front = np.array([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]])
    assert sparsity(front) == 2.0
    assert sparsity(front[::-1]) == 2.0
    assert sparsity(np.vstack([front, [[-5.0, -5.0]]])) == 2.0
    assert sparsity(front[:1]) == 0.0
    assert cardinality(np.vstack([front, front])) == 3


def test_empty_sets() -> None:
    none = np.zeros((0, 2))
    assert hypervolume(none, [0.0, 0.0]) == 0.0
    assert expected_utility(none, CORNERS) == -np.inf
    assert igd(none, CORNERS) == igd_plus(none, CORNERS) == maximum_utility_loss(none, CORNERS, CORNERS) == np.inf
    assert sparsity(none) == 0.0
    assert cardinality(none) == 0


def test_issue_66_a_reference_point_of_the_wrong_length_names_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"reference_point has shape \(2,\) but values has shape \(4, 3\)"):
        hypervolume(np.zeros((4, 3)), [0.0, 0.0])
    with pytest.raises(ShapeError):
        hypervolume(np.zeros((4, 3)), 0.0)


CALLS: list[Callable[[Any], Any]] = [
    lambda v: hypervolume(v, [0.0, 0.0]),
    lambda v: expected_utility(v, CORNERS),
    lambda v: igd(v, CORNERS),
    lambda v: igd_plus(v, CORNERS),
    lambda v: maximum_utility_loss(v, CORNERS, CORNERS),
    sparsity,
    cardinality,
]


@pytest.mark.parametrize("call", CALLS)
def test_bad_input(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ConfigurationError, match="row 1"):
        call([[1.0, 2.0], [np.nan, 1.0]])
    with pytest.raises(ConfigurationError):
        call([[1.0, np.inf]])
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        call([1.0, 2.0])


@pytest.mark.parametrize("call", CALLS[:5])
def test_disagreeing_numbers_of_objectives(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ShapeError, match=r"\(4, 3\)"):
        call(np.zeros((4, 3)))


def test_a_reference_point_must_be_finite_and_a_known_front_not_empty() -> None:
    with pytest.raises(ConfigurationError, match="finite"):
        hypervolume(CORNERS, [0.0, np.nan])
    with pytest.raises(ShapeError, match="known_front"):
        igd(CORNERS, np.zeros((0, 2)))
