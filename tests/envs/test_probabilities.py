"""Distributions that are handed in: rounding is forgiven, mistakes are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from envs.arrays import read_array, read_whole
from envs.probabilities import read_distributions
from robust.tabular import TabularMDP, value_iteration

AXES = ("arm", "level", "state")


def rows(dtype, size=5):
    p = np.random.default_rng(0).random((4, 2, size)).astype(dtype)
    return p / p.sum(-1, keepdims=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("size", [3, 40])
def test_rows_that_sum_to_one_as_well_as_their_format_can(dtype, size):
    given = rows(dtype, size)
    for form in (given, torch.from_numpy(given).requires_grad_()):
        found = read_distributions("p", form, AXES)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found.sum(-1), 1.0, atol=1e-14)
        np.testing.assert_allclose(found, given, atol=1e-2 if dtype == np.float16 else 1e-6)
    with pytest.raises(ValueError, match=r"p\[0, 0\] sums to 0\.(89|9)"):
        read_distributions("p", given * dtype(0.9), AXES)


def test_single_precision_is_recognised_in_double_format():
    given = rows(np.float32)
    assert np.abs(given.astype(np.float64).sum(-1) - 1).max() > 1e-8
    np.testing.assert_array_equal(read_distributions("p", given.tolist(), AXES), read_distributions("p", given, AXES))
    with pytest.raises(ValueError, match="off by 1e-05"):
        read_distributions("p", [0.5, 0.50001], ("outcome",))


def test_good_rows_stay_as_they_are_and_negative_rounding_becomes_zero():
    good = rows(np.float64)
    np.testing.assert_array_equal(read_distributions("p", good, AXES), good)
    ninths = [1 / 9] * 9
    rest = 1 - sum(ninths)
    assert rest < 0
    found = read_distributions("p", [*ninths, rest], ("outcome",))
    assert found[-1] == 0.0
    assert found.sum() == pytest.approx(1.0, abs=1e-15)


def test_the_place_and_the_size_are_named():
    wrong = rows(np.float64)
    wrong[2, 1, 0] -= 2e-3
    wrong[3, 0, 0] += 1e-3
    with pytest.raises(ValueError, match=r"p\[2, 1\] sums to 0.998 .*arm 2, level 1: off by -0.002, and 1 other rows"):
        read_distributions("p", wrong, AXES)
    wrong[0, 1, 3] = -1e-6
    with pytest.raises(ValueError, match=r"p\[0, 1, 3\] is -1e-06 \(arm 0, level 1, state 3\)"):
        read_distributions("p", wrong, AXES)
    wrong[1, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinity \(arm 1, level 1, state 1\)"):
        read_distributions("p", wrong, AXES)


def test_a_process_in_single_precision_is_solved():
    p = rows(np.float32, 4)
    reward = np.arange(8.0).reshape(4, 2)
    values, _ = value_iteration(TabularMDP(p, reward, 0.9))
    normalised = p.astype(np.float64) / p.astype(np.float64).sum(-1, keepdims=True)
    np.testing.assert_allclose(values, value_iteration(TabularMDP(normalised, reward, 0.9))[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (csr_array(np.eye(2)), r"p is a sparse matrix of shape \(2, 2\)"),
        ([[1, 2], [3]], "rows of the same length"),
        ("text", "holds text"),
        ([None, 1], "objects such as NoneType"),
        ([1j], "complex"),
    ],
)
def test_what_is_no_array_is_refused_in_words(values, message):
    with pytest.raises(ValueError, match=message):
        read_array("p", values)


def test_whole_numbers_are_not_cut_off():
    assert read_whole("n", [[2.0, -1.0]]).tolist() == [[2, -1]]
    for wrong, message in (([0, 0.7], r"n\[1\] is 0.7"), ([np.nan], r"n\[0\] is nan"), ([1e300], "1e"), ([True], "truth")):
        with pytest.raises(ValueError, match=message):
            read_whole("n", wrong)
