"""Value sets against brute force, closed forms and each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from envs.tabular.exact import optimal_values, policy_values
from envs.tabular.tables import Tables
from morl.errors import ConfigurationError
from morl.functional.dominance import convex_non_dominated, non_dominated
from morl.oracles import (
    convex_hull_value_iteration,
    enumerate_policies,
    pareto_value_iteration,
    random_process,
    read_process,
)
from morl.oracles.convex_hull_value_iteration import supported

Array = npt.NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


def front(values: Array) -> Array:
    values = values[non_dominated(values.round(9))]
    return values[np.lexsort(values.round(9).T[::-1])]


def same(found: Array, expected: Array) -> None:
    expected = front(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-9)


def remembering(process: Any, gamma: float, steps: int, state: int) -> Array:
    """Returns of all policies that remember, by trying everything and dropping nothing but equals."""
    if steps == 0:
        return np.zeros((1, process.num_objectives))
    found = []
    for action in range(process.num_actions):
        successors, chances = process.leads_to(state, action)
        after = [gamma * p * remembering(process, gamma, steps - 1, s) for s, p in zip(successors, chances, strict=True)]
        found += [process.rewards[state, action] + sum(choice) for choice in itertools.product(*after)]
    return np.unique(np.array(found).round(12), axis=0)


@pytest.mark.parametrize("m", [2, 3, 4])
@settings(max_examples=15)
@given(seed=seeds, gamma=st.sampled_from([1.0, 0.9]))
def test_sets_are_those_of_all_policies_in_deterministic_worlds(m: int, seed: int, gamma: float) -> None:
    tables = random_process(np.random.default_rng(seed), objectives=m, deterministic=True, acyclic=True, states=8)
    everything = enumerate_policies(tables, gamma).values
    pareto = pareto_value_iteration(tables, gamma)
    hull = convex_hull_value_iteration(tables, gamma)
    same(pareto.values, everything)
    same(hull.values, everything[convex_non_dominated(everything.round(9))])
    assert {tuple(v) for v in hull.values.round(9)} <= {tuple(v) for v in pareto.values.round(9)}


@settings(max_examples=6)
@given(seed=seeds, gamma=st.sampled_from([0.0, 0.5, 0.7]))
@example(seed=57_723, gamma=0.7)  # going over from one policy to another one late is worth as much as neither, but for rounding
def test_hull_is_that_of_all_policies_in_uncertain_worlds_with_circles(seed: int, gamma: float) -> None:
    m = 2
    tables = random_process(np.random.default_rng(seed), states=4, objectives=m)
    everything = enumerate_policies(tables, gamma).values
    hull = convex_hull_value_iteration(tables, gamma)
    weights = np.random.default_rng(seed).dirichlet(np.ones(m), size=100)
    assert np.abs((weights @ hull.values.T).max(1) - (weights @ everything.T).max(1)).max() < 1e-6
    assert len(hull.values) <= len(front(everything))
    np.testing.assert_allclose(
        (optimal_values(tables, weights[:20], gamma) * weights[:20]).sum(1), (weights[:20] @ hull.values.T).max(1), atol=1e-6
    )


@settings(max_examples=15)
@given(seed=seeds, circles=st.booleans())
def test_uncertain_fronts_are_those_of_policies_that_remember(seed: int, circles: bool) -> None:
    rng = np.random.default_rng(seed)
    tables = random_process(rng, states=4, actions=2, acyclic=not circles, end=0.1)
    process = read_process(tables)
    found = pareto_value_iteration(tables, 0.9, horizon=3)
    same(found.values, remembering(process, 0.9, 3, 0))


@settings(max_examples=15)
@given(seed=seeds, cell=st.sampled_from([0.05, 0.3]))
def test_coarse_sets_keep_their_bound(seed: int, cell: float) -> None:
    tables = random_process(np.random.default_rng(seed), states=5, actions=2, objectives=2)
    exact = pareto_value_iteration(tables, 0.7, horizon=5)
    coarse = pareto_value_iteration(tables, 0.7, horizon=5, resolution=cell)
    shortfall = (exact.values[:, None] - coarse.values - coarse.error).max(-1).min(1)
    assert (shortfall <= 1e-12).all()
    # Discounted for ever: whatever a stationary policy earns is covered, to the bound.
    endless = pareto_value_iteration(tables, 0.7, resolution=cell)
    policies = enumerate_policies(tables, 0.7).values
    assert ((policies[:, None] - endless.values - endless.error).max(-1).min(1) <= 1e-12).all()


@settings(max_examples=15)
@given(seed=seeds, order=st.permutations(range(3)))
def test_permuted_objectives_give_permuted_sets(seed: int, order: list[int]) -> None:
    tables = random_process(np.random.default_rng(seed), objectives=3, states=6, acyclic=True, deterministic=True)
    permuted = Tables(**{**vars(tables), "rewards": tables.rewards[..., order]})
    for oracle in (pareto_value_iteration, convex_hull_value_iteration):
        same(oracle(permuted, 0.9).values, oracle(tables, 0.9).values[:, order])


@given(seed=seeds, constant=st.integers(-4, 4))
@settings(max_examples=15)
def test_a_constant_reward_moves_the_set(seed: int, constant: int) -> None:
    # Everybody plays the same number of steps.
    tables = random_process(np.random.default_rng(seed), states=5, end=0.0)
    moved = Tables(**{**vars(tables), "rewards": tables.rewards + constant})
    steps = 1 + 0.9 + 0.81
    for oracle in (pareto_value_iteration, convex_hull_value_iteration):
        same(oracle(moved, 0.9, horizon=3).values, oracle(tables, 0.9, horizon=3).values + constant * steps)


@pytest.mark.parametrize(
    ("env_id", "gamma", "number", "hull"),
    [
        ("deep-sea-treasure-v0", 1.0, 10, 9),  # (20.3, -14) lies on a chord
        ("deep-sea-treasure-v0", 0.99, 10, 10),
        ("deep-sea-treasure-concave-v0", 1.0, 10, 2),
        ("deep-sea-treasure-concave-v0", 0.99, 10, 2),
        ("fruit-tree-v0", 0.99, 64, 64),
        ("resource-gathering-v0", 0.99, None, None),
    ],
)
@pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")
def test_known_fronts(env_id: str, gamma: float, number: int | None, hull: int | None) -> None:
    import mo_gymnasium

    from morl.benchmarks.known_fronts import FRONTS

    known = FRONTS[env_id](mo_gymnasium.make(env_id).unwrapped, gamma).values
    found = pareto_value_iteration(env_id, gamma).values
    np.testing.assert_allclose(found, known, rtol=1e-6, atol=1e-6)
    if number is not None:
        assert (len(found), len(convex_hull_value_iteration(env_id, gamma).values)) == (number, hull)


@given(seed=seeds, size=st.integers(3, 30))
@settings(max_examples=30)
def test_the_sorted_hull_is_that_of_linear_programs(seed: int, size: int) -> None:
    values = np.random.default_rng(seed).integers(-8, 9, size=(size, 2)).astype(float)
    values = values[non_dominated(values)]
    np.testing.assert_array_equal(supported(values, 1e-9), convex_non_dominated(values))


@given(seed=seeds, size=st.integers(10, 40), m=st.integers(3, 4))
@settings(max_examples=15)
def test_points_settled_without_a_program_are_those_of_programs(seed: int, size: int, m: int) -> None:
    values = np.random.default_rng(seed).integers(-6, 7, size=(size, m)).astype(float)
    keep = non_dominated(values)
    scaled = values / np.maximum(np.ptp(values[keep], axis=0), 1.0)
    for i in np.flatnonzero(keep):
        others = scaled[keep & (np.arange(size) != i)]
        program = (
            linprog(
                np.r_[np.zeros(m), -1.0],
                A_ub=np.c_[others - scaled[i], np.ones(len(others))],
                b_ub=np.zeros(len(others)),
                A_eq=np.r_[np.ones(m), 0.0][None],
                b_eq=[1.0],
                bounds=[(0.0, None)] * m + [(None, None)],
            )
            if len(others)
            else None
        )
        keep[i] = program is None or -program.fun > 1e-9
    np.testing.assert_array_equal(convex_non_dominated(values), keep)


def test_starts_mix_their_sets() -> None:
    # Two states of two actions each, begun in with probabilities 0.25 and 0.75.
    step = np.zeros((3, 2, 3))
    step[..., 2] = 1.0
    pay = np.array([[[4.0, 0.0], [0.0, 4.0]], [[4.0, 0.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    tables = Tables.from_arrays(step, pay, start=[0.25, 0.75, 0.0], terminal_states=[2])
    np.testing.assert_allclose(pareto_value_iteration(tables, 1.0).values, [[0, 4], [1, 3], [3, 1], [4, 0]])
    np.testing.assert_allclose(convex_hull_value_iteration(tables, 1.0).values, [[0, 4], [4, 0]])
    np.testing.assert_allclose(optimal_values(tables, [0.3, 0.7], 1.0), [0, 4])
    np.testing.assert_allclose(policy_values(tables, np.array([0, 1, 0]), 1.0), [1, 3])


def test_too_large_answers_are_refused_in_a_line() -> None:
    tables = random_process(np.random.default_rng(0), states=12)
    with pytest.raises(ConfigurationError, match="531441 policies, more than the limit of 1000: use pareto_value_iteration"):
        enumerate_policies(tables, 0.9, limit=1000)
    with pytest.raises(ConfigurationError, match="coarser resolution"):
        pareto_value_iteration(tables, 0.9, limit=50)
    with pytest.raises(ConfigurationError, match="no episode ever ends"):
        pareto_value_iteration(random_process(np.random.default_rng(0), end=0.0), 1.0)
    with pytest.raises(ConfigurationError, match="expected a discount"):
        convex_hull_value_iteration(tables, 1.5)
    with pytest.raises(ConfigurationError, match="resolution is -1"):
        pareto_value_iteration(tables, 0.9, resolution=-1.0)
    with pytest.raises(ConfigurationError, match="horizon is 0"):
        pareto_value_iteration(tables, 0.9, horizon=0)
    paying = Tables.from_arrays([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]] * 2], [[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0]] * 2],
                                terminal_states=[1])  # fmt: skip
    with pytest.raises(ConfigurationError, match="a circle may pay"):
        pareto_value_iteration(paying, 1.0, max_sweeps=50)


def test_endless_policies_are_counted() -> None:
    tables = Tables.from_arrays([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]] * 2], [[[-1.0, 0.0], [1.0, 2.0]], [[0.0, 0.0]] * 2],
                                terminal_states=[1])  # fmt: skip
    found = enumerate_policies(tables, 1.0)
    assert (found.num_endless, found.values.tolist()) == (1, [[1.0, 2.0]])
    np.testing.assert_allclose(enumerate_policies(tables, 0.5).values, [[-2, 0], [1, 2]])
