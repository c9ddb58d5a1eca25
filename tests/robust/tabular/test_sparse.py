"""Sparse processes have the values of dense ones, and large ones are solved."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix

from morl.errors import CapabilityError, ShapeError
from robust import IWOCS
from robust.tabular import (
    KL,
    L1,
    Box,
    SRectangularL1,
    TabularMDP,
    robust_value_iteration,
    value_iteration,
    vector_policy_evaluation,
)

S, A = 12, 3


def process(seed=0):
    rng = np.random.default_rng(seed)
    p = np.zeros((S, A, S))
    for row in p.reshape(-1, S):
        reached = rng.choice(S, rng.integers(1, 5), replace=False)
        row[reached] = rng.dirichlet(np.ones(reached.size))
    return p, rng.random((S, A)), rng.random((S, A, S)), rng.random((S, A, S, 2))


FORMS = [
    lambda p: [csr_matrix(p[:, a]) for a in range(A)],
    lambda p: csr_array(p.reshape(S * A, S)),
    coo_array,
    lambda p: (csr_array(p[:, 0]), p[:, 1], csr_array(p[:, 2])),
]


@pytest.mark.parametrize("form", FORMS)
def test_values_are_those_of_the_dense_process(form):
    p, pairs, outcomes, vectors = process()
    sparse = form(p)
    for dense_rewards, rewards in ((pairs, pairs), (pairs, csr_array(pairs)), (outcomes, outcomes), (outcomes, form(outcomes))):
        dense, listed = (TabularMDP(t, r, 0.9) for t, r in ((p, dense_rewards), (sparse, rewards)))
        assert listed.transitions.shape == (S, A, 4)
        np.testing.assert_allclose(value_iteration(listed)[0], value_iteration(dense)[0], atol=1e-9)
        for kind in (L1, Box, SRectangularL1):
            ball = kind(radius=0.3, support="nominal")
            found, expected = (robust_value_iteration(mdp, ball)[0] for mdp in (listed, dense))
            np.testing.assert_allclose(found, expected, atol=1e-8)
        np.testing.assert_allclose(
            robust_value_iteration(listed, KL(0.2))[0], robust_value_iteration(dense, KL(0.2))[0], atol=1e-8
        )
    policy = np.arange(S) % A
    found, expected = (vector_policy_evaluation(TabularMDP(t, pairs, 0.9, vector_rewards=vectors), policy) for t in (sparse, p))
    np.testing.assert_allclose(found, expected)


def test_a_process_that_would_not_fit_when_dense_is_solved():
    n = 50_000
    here = np.arange(n)
    moves = [csr_array((np.ones(n, np.float32), (here, np.minimum(here + a, n - 1))), shape=(n, n)) for a in (0, 1)]
    start = time.perf_counter()
    mdp = TabularMDP(moves, np.repeat(here[:, None] == n - 1, 2, axis=1), 0.5)
    values, policy = value_iteration(mdp)
    assert time.perf_counter() - start < 20
    assert values[-3:] == pytest.approx([0.5, 1.0, 2.0])
    assert policy[-2] == 1


def test_a_full_row_makes_it_dense_and_kernels_may_be_sparse():
    p, pairs, _, _ = process()
    p[0, 0] = 1.0 / S
    assert TabularMDP(csr_array(p.reshape(S * A, S)), pairs, 0.9).successors is None
    other = np.roll(p, 1, axis=2)
    dense = IWOCS().solve_tabular([p, other], pairs, 0.9)
    sparse = IWOCS().solve_tabular([[csr_array(p[:, a]) for a in range(A)], csr_array(other.reshape(S * A, S))], pairs, 0.9)
    assert (sparse.lower, sparse.upper) == pytest.approx((dense.lower, dense.upper))


def test_what_does_not_fit_is_named():
    p, pairs, outcomes, _ = process()
    sparse = csr_array(p.reshape(S * A, S))
    with pytest.raises(CapabilityError, match="support='nominal'"):
        robust_value_iteration(TabularMDP(sparse, pairs, 0.9), L1(0.1))
    for arguments, message in (
        ((np.moveaxis(p, 1, 0), pairs), r"np\.moveaxis\(transitions, 0, 1\)"),
        ((p, pairs.T), r"np\.moveaxis\(rewards, 0, 1\)"),
        ((p, np.moveaxis(outcomes, 1, 0)), r"np\.moveaxis\(rewards, 0, 1\)"),
        (([csr_array(np.eye(2)), csr_array(np.eye(3))], pairs), r"\[\(2, 2\), \(3, 3\)\]"),
        ((sparse[:-1], pairs), r"shape \(35, 12\)"),
        (([[[1.0], [0.5, 0.5]]], pairs), "rows of the same length"),
    ):
        with pytest.raises(ShapeError, match=message):
            TabularMDP(*arguments, 0.9)
    with pytest.raises(ShapeError, match="leave it out"):
        TabularMDP(sparse, pairs, 0.9, successors=np.zeros((S, A, S), int))
