"""Robust Pareto fronts in both orders: against enumeration of all policies and kernels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from robust import IWOCS
from robust.tabular import (
    L1,
    Box,
    Finite,
    SRectangularL1,
    TabularMDP,
    robust_vector_policy_evaluation,
    weighted_front,
    worst_case_front,
)
from tests.robust.tabular.test_planning import exact_values, products
from tests.robust.worlds import COUNTER_KERNELS, COUNTER_REWARDS

SECOND = np.random.default_rng(76).random((3, 2))
"""Rewards of the second objective of the counter-example."""
WEIGHTS = np.stack([np.linspace(0, 1, 101), 1 - np.linspace(0, 1, 101)], axis=-1)


def two_objectives(second=SECOND):
    """The counter-example with a second objective."""
    vectors = np.stack([COUNTER_REWARDS, second], axis=-1)
    return TabularMDP(COUNTER_KERNELS[0], COUNTER_REWARDS, 0.9, vector_rewards=vectors)


def enumerated(mdp, kernels):
    """All policies and their vector values at the first state, ``(policies, kernels, m)``."""
    everything = products(kernels)
    tables = [exact_values(everything, mdp.vector_rewards[..., j], mdp.gamma) for j in range(mdp.vector_rewards.shape[-1])]
    return tables[0][0], np.stack([values[:, :, 0] for _, values in tables], axis=-1)


def non_dominated(points):
    points = points.round(8)
    dominated = ((points[:, None] >= points) & (points[:, None] > points).any(-1, keepdims=True)).all(-1).any(0)
    kept = np.unique(points[~dominated], axis=0)
    return kept[np.lexsort(-kept.T[::-1])]


def test_scalarise_then_robustify_equals_enumeration():
    mdp, rows = two_objectives(), Finite(COUNTER_KERNELS)
    policies, values = enumerated(mdp, COUNTER_KERNELS)
    assert values.shape == (8, 64, 2)
    guaranteed = np.einsum("pkm,nm->npk", values, WEIGHTS).min(axis=-1)
    front = weighted_front(mdp, rows, WEIGHTS)
    assert front.values == pytest.approx(guaranteed.max(axis=1), abs=1e-7)
    chosen = [policies.index(tuple(policy)) for policy in front.policies]
    assert guaranteed[np.arange(101), chosen] == pytest.approx(front.values, abs=1e-7)
    assert front.vectors == pytest.approx(values[chosen].min(axis=1), abs=1e-7)
    # The other order is more pessimistic.
    assert ((front.vectors * WEIGHTS).sum(axis=-1) <= front.values + 1e-8).all()
    assert len(np.unique(front.policies, axis=0)) > 1


def test_iwocs_finds_the_same_front():
    mdp = two_objectives()
    front = weighted_front(mdp, Finite(COUNTER_KERNELS), WEIGHTS)
    for w, value in zip(WEIGHTS, front.values, strict=True):
        result = IWOCS().solve_tabular(COUNTER_KERNELS, mdp.vector_rewards @ w, 0.9, rectangular=True)
        assert (result.status, result.lower) == ("converged", pytest.approx(value, abs=1e-6))


@pytest.mark.parametrize("seed", range(8))
def test_robustify_then_compare_equals_enumeration(seed):
    mdp = two_objectives(np.random.default_rng(76 + seed).random((3, 2)))
    policies, values = enumerated(mdp, COUNTER_KERNELS)
    worst = values.min(axis=1)
    front = worst_case_front(mdp, Finite(COUNTER_KERNELS))
    assert front.values == pytest.approx(non_dominated(worst), abs=1e-7)
    chosen = [policies.index(tuple(policy)) for policy in front.policies]
    assert worst[chosen] == pytest.approx(front.values, abs=1e-7)


@pytest.mark.parametrize(("ambiguity", "m"), [(L1(0.3), 2), (Box(0.1), 3)])
def test_fronts_of_other_sets_hold_the_best_of_all_policies(ambiguity, m):
    rng = np.random.default_rng(5)
    S, A, b = 5, 2, 3
    shape = (S, A, b)
    mdp = TabularMDP(
        rng.dirichlet(np.ones(b), size=(S, A)),
        np.zeros((S, A)),
        0.8,
        successors=rng.integers(0, S, size=shape),
        vector_rewards=rng.random((*shape, m)),
    )
    every = [np.array(p) for p in itertools.product(range(A), repeat=S)]
    worst = np.array([robust_vector_policy_evaluation(mdp, policy, ambiguity)[2] for policy in every])
    front = worst_case_front(mdp, ambiguity, start_state=2)
    assert front.values == pytest.approx(non_dominated(worst), abs=1e-7)
    weights = rng.dirichlet(np.ones(m), size=4)
    best = weighted_front(mdp, ambiguity, weights, start_state=2)
    assert (best.values >= (weights @ worst.T).max(axis=1) - 1e-8).all()


def test_bad_input():
    mdp, rows = two_objectives(), Finite(COUNTER_KERNELS)
    with pytest.raises(ShapeError, match=r"expected \(n, 2\)"):
        weighted_front(mdp, rows, [0.5, 0.5])
    for front in (lambda *a: weighted_front(*a, WEIGHTS), worst_case_front):
        with pytest.raises(CapabilityError, match="s-rectangular"):
            front(mdp, SRectangularL1(0.1))
        with pytest.raises(ConfigurationError, match="no vector rewards"):
            front(TabularMDP(COUNTER_KERNELS[0], COUNTER_REWARDS, 0.9), rows)
    with pytest.raises(CapabilityError, match="gave up after 1 partial"):
        worst_case_front(mdp, rows, max_nodes=1)
