"""Neighbourhoods: known neighbours, ties, duplicates, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from morl.cooperation.neighbourhood import KNearest
from morl.errors import ConfigurationError, ShapeError
from morl.weights import simplex_lattice


def test_linear_lattice() -> None:
    neighbours = KNearest(k=1)(simplex_lattice(6, 2))
    assert neighbours.dtype == np.int64
    assert neighbours[0].tolist() == [1]
    assert neighbours[5].tolist() == [4]


@pytest.mark.parametrize("n", [3, 6, 10, 50])
def test_ties_go_to_the_lowest_index(n: int) -> None:
    neighbours = KNearest(k=2)(simplex_lattice(n, 2))
    assert neighbours[1:-1].tolist() == [[i - 1, i + 1] for i in range(1, n - 1)]


def test_bug_13_duplicated_weights_never_give_minus_one_nor_oneself() -> None:
    neighbours = KNearest(k=2)(np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]))
    assert neighbours.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]
    assert KNearest(k=3)(np.full((4, 2), 0.5)).tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_no_neighbours() -> None:
    assert KNearest(k=0)(simplex_lattice(4, 2)).shape == (4, 0)


def test_bad_input() -> None:
    with pytest.raises(ConfigurationError, match="need at least 4 members, there are 3"):
        KNearest(k=3)(simplex_lattice(3, 2))
    with pytest.raises(ConfigurationError, match="k must not be negative, found -1"):
        KNearest(k=-1)
    with pytest.raises(ShapeError):
        KNearest()(np.array([0.5, 0.5]))
