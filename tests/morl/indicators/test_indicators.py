"""Indicators: hand-computed values, an independent implementation, empty sets, bad input."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pymoo.indicators.hv import HV
from pymoo.indicators.igd import IGD
from pymoo.indicators.igd_plus import IGDPlus

from morl.errors import ConfigurationError, ShapeError
from morl.indicators import (
    cardinality,
    expected_utility,
    hypervolume,
    hypervolume_estimate,
    igd,
    igd_plus,
    maximum_utility_loss,
    sparsity,
)
from morl.indicators.volume import union
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


def spherical(number: int, m: int, seed: int = 0) -> Any:
    points = np.abs(np.random.default_rng(seed).normal(size=(number, m)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize(("number", "m"), [(60, 7), (30, 9), (18, 12)])
def test_estimated_volumes_agree_with_exact_ones(number: int, m: int) -> None:
    boxes = spherical(number, m) + 0.05
    exact = hypervolume_estimate(boxes, np.zeros(m))
    assert exact.standard_error == 0
    found = union(boxes)
    assert 0 < found.standard_error < 0.02 * exact.value
    assert found.value == pytest.approx(exact.value, abs=4 * found.standard_error)
    assert union(boxes) == found, "the same whenever it is repeated"
    few = boxes[:9]
    assert union(few).value == pytest.approx(hypervolume(few, np.zeros(m)), rel=1e-12)


@pytest.mark.parametrize(("number", "m"), [(80, 10), (80, 32), (500, 10), (1000, 6), (40, 300)])
def test_many_objectives_take_no_minutes_and_no_exception(number: int, m: int) -> None:
    values = spherical(number, m) + 1.0
    start = time.perf_counter()
    with pytest.warns(UserWarning, match=f"of {number} points with {m} objectives is an estimate"):
        found = hypervolume(values, np.zeros(m))
    assert time.perf_counter() - start < 10  # about half a second alone on its core
    estimate = hypervolume_estimate(values, np.zeros(m))
    assert found == estimate.value > 0
    assert estimate.standard_error < 0.1 * found
    # A copy, what is dominated, and what is not better than the reference point change nothing.
    more = np.vstack([values[:3], values, values[:5] - 0.5, -values[:5]])
    assert hypervolume_estimate(more, np.zeros(m)).value == pytest.approx(found, rel=1e-9 if m > 31 else 0.1)


def test_few_points_are_exact_however_many_the_objectives() -> None:
    assert hypervolume(np.ones((3, 32)), np.zeros(32)) == 1.0
    assert hypervolume(-np.ones((3, 32)), np.zeros(32)) == 0.0
    # Boxes of volume 2 that share the unit cube.
    assert hypervolume(1.0 + np.eye(40)[:12], np.zeros(40)) == pytest.approx(13.0)
    assert hypervolume(np.full((1, 300), 1e3), np.zeros(300)) == np.inf
    assert cardinality(np.vstack([np.eye(300)[:4], np.zeros((2, 300)), np.eye(300)[:2]])) == 4


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
    with pytest.raises(ShapeError, match="rows of the same length"):
        call([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("call", CALLS[:5])
def test_disagreeing_numbers_of_objectives(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ShapeError, match=r"\(4, 3\)"):
        call(np.zeros((4, 3)))


def test_a_reference_point_must_be_finite_and_a_known_front_not_empty() -> None:
    with pytest.raises(ConfigurationError, match="finite"):
        hypervolume(CORNERS, [0.0, np.nan])
    with pytest.raises(ShapeError, match="known_front"):
        igd(CORNERS, np.zeros((0, 2)))
