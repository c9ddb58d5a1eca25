"""Utilities of expected returns and expected utilities of returns, against brute force and each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import batched_form
from envs.tabular.tables import Tables
from morl.errors import ConfigurationError, ShapeError
from morl.oracles import (
    PiecewiseLinear,
    best_mixture,
    best_mixture_smooth,
    convex_hull_value_iteration,
    enumerate_policies,
    random_process,
    reward_aware_value_iteration,
)
from morl.scalarizations import AugmentedChebyshev

Array = npt.NDArray[np.float64]
Lottery = list[tuple[float, Array]]
seeds = st.integers(0, 2**32 - 1)


def lotteries(tables: Tables, gamma: float, steps: int, state: int, step: int, accrued: Array) -> list[Lottery]:
    """Distributions of the return under every policy that remembers its whole history."""
    found: list[Lottery] = []
    for action in range(tables.successors.shape[1]):
        outcomes: list[list[Lottery]] = []
        for branch, chance in enumerate(tables.probabilities[state, action]):
            total = accrued + gamma**step * tables.rewards[state, action, branch]
            if tables.terminal[state, action, branch] or step + 1 == steps:
                after: list[Lottery] = [[(1.0, total)]]
            else:
                after = lotteries(tables, gamma, steps, int(tables.successors[state, action, branch]), step + 1, total)
            outcomes.append([[(chance * p, z) for p, z in lottery] for lottery in after])
        found += [list(itertools.chain(*choice)) for choice in itertools.product(*outcomes)]
    return found


def worth(lottery: Lottery, utility: Any) -> float:
    return float(sum(p * utility(z[None])[0] for p, z in lottery))


def smallest(returns: Array) -> Array:
    return returns.min(-1)


def far_from(returns: Array) -> Array:
    """A utility that is neither concave nor monotone."""
    return np.sin(returns[:, 0]) - np.abs(returns[:, 1] - 1.0)


@settings(max_examples=15)
@given(seed=seeds, gamma=st.sampled_from([1.0, 0.9]), utility=st.sampled_from([smallest, far_from]))
def test_the_largest_expected_utility_is_that_of_all_policies(seed: int, gamma: float, utility: Any) -> None:
    tables = random_process(np.random.default_rng(seed), states=4, actions=2)
    everything = lotteries(tables, gamma, 3, 0, 0, np.zeros(2))
    found = reward_aware_value_iteration(tables, gamma, utility, horizon=3)
    assert abs(found.value - max(worth(lottery, utility) for lottery in everything)) < 1e-9
    assert (found.bound, found.is_estimated) == (0.0, False)


@settings(max_examples=15)
@given(seed=seeds, spacing=st.sampled_from([0.3, 1.7]))
def test_a_grid_keeps_its_bound(seed: int, spacing: float) -> None:
    tables = random_process(np.random.default_rng(seed), states=6, actions=2)
    exact = reward_aware_value_iteration(tables, 0.9, smallest, horizon=5)
    coarse = reward_aware_value_iteration(tables, 0.9, smallest, horizon=5, spacing=spacing, lipschitz=1.0)
    assert abs(exact.value - coarse.value) <= coarse.bound + 1e-9
    assert coarse.num_nodes <= exact.num_nodes
    guessed = reward_aware_value_iteration(tables, 0.9, smallest, horizon=5, spacing=spacing)
    assert guessed.is_estimated
    assert guessed.lipschitz <= 1.0 + 1e-9


def test_the_policy_earns_the_value() -> None:
    tables = random_process(np.random.default_rng(5), states=5, actions=3)
    found = reward_aware_value_iteration(tables, 0.9, smallest, horizon=4)
    rng, returns = np.random.default_rng(0), []
    for _ in range(4000):
        state, accrued = 0, np.zeros(2)
        for step in range(4):
            action = found.policy.act(state, found.policy.rounded(accrued), step)
            branch = int(rng.random() >= tables.probabilities[state, action, 0])
            accrued = accrued + 0.9**step * tables.rewards[state, action, branch]
            if tables.terminal[state, action, branch]:
                break
            state = int(tables.successors[state, action, branch])
        returns.append(accrued)
    earned = smallest(np.array(returns))
    assert abs(earned.mean() - found.value) < 4 * earned.std() / len(earned) ** 0.5


def coin() -> Tables:
    """A coin pays (4, 0) or (0, 4); what is safe pays (1.5, 1.5)."""
    return Tables(
        successors=np.zeros((1, 2, 2), np.int64),
        probabilities=np.array([[[0.5, 0.5], [1.0, 0.0]]]),
        rewards=np.array([[[[4.0, 0.0], [0.0, 4.0]], [[1.5, 1.5], [0.0, 0.0]]]]),
        terminal=np.ones((1, 2, 2), np.bool_),
        observations=np.arange(1),
        starts=np.array([0]),
    )


def test_the_two_criteria_differ_by_a_known_gap() -> None:
    # Expected returns make the coin worth min(2, 2); in every single episode its worst objective is 0.
    mixture = best_mixture(coin(), 1.0, PiecewiseLinear.minimum(2))
    safe = reward_aware_value_iteration(coin(), 1.0, smallest)
    assert (mixture.utility, mixture.policy.tolist()) == (2.0, [[1.0, 0.0]])
    assert (safe.value, safe.policy.act(0, [0, 0], 0)) == (1.5, 1)
    # And in a small random world of eight states. Its best mixture lies between two neighbours of the hull.
    tables = random_process(np.random.default_rng(0), states=8, acyclic=True)
    expected = best_mixture(tables, 1.0, PiecewiseLinear.minimum(2)).utility
    single = reward_aware_value_iteration(tables, 1.0, smallest).value
    np.testing.assert_allclose([expected, single, expected - single], [0.8317, 0.4165, 0.4152], atol=1e-4)
    hull = convex_hull_value_iteration(tables, 1.0).values
    shares = np.linspace(0.0, 1.0, 1001)[:, None, None]
    assert abs(smallest(shares * hull[:-1] + (1 - shares) * hull[1:]).max() - expected) < 1e-2
    assert smallest(enumerate_policies(tables, 1.0).values).max() < expected


@settings(max_examples=20)
@given(seed=seeds, gamma=st.sampled_from([0.5, 0.95]), m=st.integers(2, 3))
def test_mixtures_are_at_least_as_good_as_policies_and_follow_what_they_say(seed: int, gamma: float, m: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_process(rng, states=5, objectives=m)
    pure = enumerate_policies(tables, gamma).values
    weights, ideal = rng.dirichlet(np.ones(m)), pure.max(0)
    utility = PiecewiseLinear.chebyshev(weights, ideal_point=ideal, rho=0.1)
    np.testing.assert_allclose(utility(pure), AugmentedChebyshev(rho=0.1)(pure, weights, ideal_point=ideal), atol=1e-9)
    for choice in (utility, PiecewiseLinear.minimum(m)):
        found = best_mixture(tables, gamma, choice)
        assert found.utility >= choice(pure).max() - 1e-7
        # The policy's own value, by its linear equations.
        process_rows = np.einsum("sa,sam->sm", found.policy, _rewards(tables, found.states))
        chain = np.einsum("sa,sat->st", found.policy, _chances(tables, found.states))
        value = np.linalg.solve(np.eye(len(found.states)) - gamma * chain, process_rows)[0]
        np.testing.assert_allclose(value, found.value, atol=1e-6)
    linear = best_mixture(tables, gamma, PiecewiseLinear.weighted_sum(weights))
    assert abs(linear.utility - (pure @ weights).max()) < 1e-6


def _rewards(tables: Tables, states: Any) -> Array:
    return np.asarray(np.einsum("sabm,sab->sam", tables.rewards, tables.probabilities)[states])


def _chances(tables: Tables, states: Any) -> Array:
    whole = np.zeros((*tables.successors.shape[:2], len(tables.successors)))
    s, a, b = np.nonzero(~tables.terminal)
    np.add.at(whole, (s, a, tables.successors[s, a, b]), tables.probabilities[s, a, b])
    return whole[np.ix_(states, np.arange(whole.shape[1]), states)]


@settings(max_examples=10)
@given(seed=seeds)
def test_smooth_utilities_reach_the_optimum_to_their_gap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = random_process(rng, states=6, objectives=2)
    target = rng.normal(size=2) * 3

    def utility(v: Array) -> float:
        return -float(((v - target) ** 2).sum())

    found = best_mixture_smooth(tables, 0.9, utility, lambda v: -2 * (v - target), tolerance=1e-7)
    assert 0.0 <= found.bound <= 1e-6
    # Any mixture of two policies that are best for some weights is no better.
    hull = enumerate_policies(tables, 0.9).values
    shares = rng.random((2000, 1))
    pairs = rng.integers(len(hull), size=(2, 2000))
    mixed = shares * hull[pairs[0]] + (1 - shares) * hull[pairs[1]]
    assert found.utility + found.bound >= -((mixed - target) ** 2).sum(1).min() - 1e-9


def test_concave_fronts_are_crossed_by_mixtures() -> None:
    # Between the two ends of the concave map's hull, by hand.
    hull = convex_hull_value_iteration("deep-sea-treasure-concave-v0", 1.0).values
    found = best_mixture("deep-sea-treasure-concave-v0", 1.0, PiecewiseLinear.chebyshev([0.1, 0.9], ideal_point=[124, -1]))
    share = (found.value - hull[0]) / (hull[1] - hull[0])
    assert share[0] == pytest.approx(share[1], abs=1e-6)
    assert 0 < share[0] < 1


def test_what_makes_no_sense_is_refused_in_a_line() -> None:
    circles = random_process(np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match="give a horizon"):
        reward_aware_value_iteration(circles, 0.9, smallest)
    with pytest.raises(ConfigurationError, match="give a coarser spacing"):
        reward_aware_value_iteration(circles, 0.9, smallest, horizon=30, limit=1000)
    with pytest.raises(ShapeError, match="utility of returns"):
        reward_aware_value_iteration(circles, 0.9, lambda z: z, horizon=2)
    with pytest.raises(ConfigurationError, match="not finite"):
        reward_aware_value_iteration(circles, 0.9, lambda z: z[:, 0] * np.nan, horizon=2)
    with pytest.raises(ConfigurationError, match="spacing is -1"):
        reward_aware_value_iteration(circles, 0.9, smallest, horizon=2, spacing=-1.0)
    with pytest.raises(ConfigurationError, match="no episode is in state 3"):
        reward_aware_value_iteration(coin(), 1.0, smallest).policy.act(3, [0, 0], 0)
    with pytest.raises(ShapeError, match=r"expected \(k, 2\)"):
        best_mixture(circles, 0.9, PiecewiseLinear.minimum(3))
    with pytest.raises(ShapeError, match="gradient has shape"):
        best_mixture_smooth(circles, 0.9, lambda v: 0.0, lambda v: 1.0)
    paying = Tables.from_arrays([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]] * 2], [[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0]] * 2],
                                terminal_states=[1])  # fmt: skip
    with pytest.raises(ConfigurationError, match="a circle pays"):
        best_mixture(paying, 1.0, PiecewiseLinear.minimum(2))


def test_time_limits_of_environments_are_horizons() -> None:
    batched = batched_form("tabular/treasure-corridor-v0", 1, max_episode_steps=2)
    found = reward_aware_value_iteration(batched, 1.0, lambda z: z[:, 0])
    assert found.policy.horizon == 2
