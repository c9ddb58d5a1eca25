"""PSA: known values, what does not move, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from morl.errors import ConfigurationError, ShapeError
from morl.testing import check_weight_adaptation
from morl.weights.adaptation import PSA

REFERENCE = PSA(normalise=False, min_weight=0.0)
"""The rule as published."""
HALF = np.array([[0.5, 0.5]])


@pytest.mark.parametrize("rule", [PSA(), REFERENCE, PSA(min_weight=0.1, delta=0.5)], ids=repr)
def test_conformance(rule: PSA) -> None:
    check_weight_adaptation(rule)


@pytest.mark.parametrize("rule", [PSA(), REFERENCE], ids=repr)
def test_known_values(rule: PSA) -> None:
    moved = rule(HALF, np.array([[2.0, 1.0]]), np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(moved, [[0.54751, 0.45249]], atol=5e-6)
    np.testing.assert_allclose(moved, np.array([[0.55, 0.5 / 1.1]]) / (0.55 + 0.5 / 1.1), rtol=1e-12)


def test_neighbours_must_be_strictly_farther_than_the_threshold() -> None:
    rule = PSA(normalise=False, min_distance=0.25)
    values = np.array([[2.0, 1.0]])
    assert (rule(HALF, values, values + np.array([0.5, 0.0])) == HALF).all()
    assert (rule(HALF, values, values + np.array([0.75, 0.0])) != HALF).all()
    assert (REFERENCE(HALF, values, values) == HALF).all(), "its own value is no neighbour"
    both = np.array([[2.5, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(rule(HALF, values, both), rule(HALF, values, both[1:]))


def test_the_nearest_neighbour_decides() -> None:
    values = np.array([[2.0, 1.0]])
    near, far = [1.0, 2.0], [9.0, -9.0]
    assert REFERENCE(HALF, values, np.array([far, near]))[0, 0] > 0.5
    assert REFERENCE(HALF, values, np.array([far]))[0, 0] < 0.5


def test_normalising_makes_units_irrelevant() -> None:
    rng = np.random.default_rng(0)
    weights, values, archive = rng.dirichlet(np.ones(3), 5), rng.normal(size=(5, 3)), rng.normal(size=(8, 3))
    units = np.array([1.0, 1000.0, 0.01])
    np.testing.assert_allclose(PSA()(weights, values, archive), PSA()(weights, values * units, archive * units))


def test_corners_do_not_move_and_nothing_is_changed_in_place() -> None:
    weights = np.array([[0.0, 1.0], [1.0, 0.0], [0.3, 0.7]])
    copy = weights.copy()
    moved = PSA()(weights, np.array([[0.0, 5.0], [5.0, 0.0], [2.0, 3.0]]), np.array([[1.0, 4.0], [4.0, 1.0]]))
    assert (moved[:2] == weights[:2]).all()
    assert (moved[2] != weights[2]).all()
    assert (weights == copy).all()


def test_a_positive_weight_keeps_a_minimum() -> None:
    rule, weights = PSA(min_weight=0.05), np.array([[0.5, 0.5]])
    for _ in range(100):
        weights = rule(weights, np.array([[2.0, 1.0]]), np.array([[1.0, 2.0]]))
    assert 0.05 / 1.1 <= weights[0, 1] <= 0.05
    free = np.array([[0.5, 0.5]])
    for _ in range(100):
        free = REFERENCE(free, np.array([[2.0, 1.0]]), np.array([[1.0, 2.0]]))
    assert free[0, 1] < 1e-6


def test_bad_input() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 2\), values \(1, 3\)"):
        PSA()(HALF, np.zeros((1, 3)), np.zeros((4, 2)))
    for bad in ({"delta": 0.0}, {"min_distance": -1.0}, {"min_weight": 0.5}):
        with pytest.raises(ConfigurationError, match=next(iter(bad))):
            PSA(**bad)
