"""Linear support: corner weights against enumeration, linear programs against HiGHS, coverage sets against brute force."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from envs import batched_form
from envs.registry import NATIVE_FORMS, OWN_IDS
from envs.tabular.exact import policy_values
from envs.tabular.tables import Tables
from morl.errors import ConfigurationError, MorlError, ShapeError
from morl.functional.dominance import convex_non_dominated
from morl.weights.linear_support import (
    LinearSupportResult,
    corner_weights,
    exact_coverage_set,
    improvement_gains,
    optimistic_gains,
    optimistic_linear_support,
)
from tests.strategies import value_sets

pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")


def enumerated_corners(values: Any) -> Any:
    """Every choice of m facets, solved, and kept if it lies on the upper surface."""
    p, m = values.shape
    facets = np.concatenate([np.c_[values, -np.ones(p)], np.c_[np.eye(m), np.zeros(m)]])
    found = []
    for chosen in itertools.combinations(facets, m):
        matrix = np.stack([*chosen, np.r_[np.ones(m), 0.0]])
        if abs(np.linalg.det(matrix)) > 1e-9:
            w, height = np.split(np.linalg.solve(matrix, np.r_[np.zeros(m), 1.0]), [m])
            if (w > -1e-9).all() and abs((values @ w).max() - height[0]) < 1e-9:
                found.append(w)
    return np.array(found)


def same_rows(first: Any, second: Any, within: float = 1e-7) -> bool:
    distances = np.abs(first[:, None] - second[None]).max(-1)
    return bool((distances.min(1) < within).all() and (distances.min(0) < within).all())


@settings(max_examples=40)
@given(values=value_sets(min_size=1, max_size=5))
def test_corners_are_the_vertices_of_the_upper_surface(values: Any) -> None:
    # Halves: duplicates, ties and collinear points are common.
    supported = values[convex_non_dominated(values)]
    assert same_rows(corner_weights(values), enumerated_corners(supported))


@pytest.mark.parametrize("m", range(2, 7))
def test_degenerate_sets(m: int) -> None:
    corners = corner_weights(np.eye(m))
    # Equal weights, and those on every face of the simplex.
    assert len(corners) == 2**m - 1
    assert same_rows(corners, np.array([np.array(s) / sum(s) for s in itertools.product((0, 1), repeat=m) if any(s)]))
    assert corner_weights(np.zeros((3, m))).tolist() == np.eye(m)[::-1].tolist()
    assert same_rows(corner_weights(np.concatenate([np.eye(m)] * 3 + [np.full((2, m), 1 / m)])), corners)
    assert same_rows(corner_weights(1e6 + 1e-3 * np.eye(m)), corners, 1e-6)


def test_what_no_visited_weight_shows_is_kept() -> None:
    # The best at (.65, .35), and at none of the weights at which a rule by visited weights would look.
    values = np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.6], [0.55, 0.8]])
    visited = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.4, 0.6]])
    assert 2 not in (visited @ values.T).argmax(1)
    found = optimistic_linear_support(lambda w: values[(w @ values.T).argmax(1)], 2)
    assert same_rows(found.values, values)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), m=st.integers(2, 6))
def test_optimistic_gains_solve_the_linear_programs(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (8, m)).astype(float) if seed % 2 else rng.normal(size=(8, m)) * 10.0 ** rng.integers(-2, 3, m)
    solved = np.concatenate([rng.dirichlet(np.ones(m), int(rng.integers(0, 20))), np.eye(m)])
    corners = corner_weights(values)
    height = (solved @ values.T).max(1)
    bounds = [-linprog(-w, A_ub=solved, b_ub=height, bounds=(None, None)).fun for w in corners]
    gains = optimistic_gains(corners, solved, values)
    np.testing.assert_allclose(gains, bounds - (corners @ values.T).max(1), atol=1e-6 * np.ptp(values, 0).max())
    assert np.isinf(optimistic_gains(corners, solved[:-1], values)).all(), "a corner of the simplex was not solved"


def test_what_policy_improvement_gains() -> None:
    weights, values = np.array([[0.5, 0.5], [1.0, 0.0]]), np.eye(2)
    np.testing.assert_allclose(improvement_gains(weights, np.array([[1.0, 0.5], [0.5, 3.0]]), values), [0.25, -0.5])
    with pytest.raises(ShapeError, match=r"improved has shape \(1, 2\)"):
        improvement_gains(weights, np.ones((1, 2)), values)


@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize(
    ("env_id", "gamma", "calls", "size"),
    [
        ("deep-sea-treasure-v0", 1.0, 17, 9),
        ("deep-sea-treasure-v0", 0.99, 19, 10),
        ("deep-sea-treasure-concave-v0", 1.0, 3, 2),
        ("deep-sea-treasure-concave-v0", 0.99, 3, 2),
    ],
)
def test_calls_on_deep_sea_treasure(env_id: str, gamma: float, calls: int, size: int, batch: int) -> None:
    found = exact_coverage_set(_tables(env_id), gamma, batch=batch)
    assert (found.calls, len(found.values), found.gap) == (calls, size, 0.0)


def _tables(env_id: str) -> Any:
    return getattr(batched_form(env_id, 1), "tables", None)


def finite_vector_environments() -> list[str]:
    """Every registered id that is stepped by tables and has a vector reward."""
    import mo_gymnasium  # noqa: F401 - registers its ids

    theirs = {env_id: NATIVE_FORMS.get(str(spec.entry_point), "") for env_id, spec in gymnasium.registry.items()}
    finite = [env_id for env_id, where in (theirs | OWN_IDS).items() if where.startswith("envs.tabular.")]
    return [env_id for env_id in dict.fromkeys(finite) if (t := _tables(env_id)) is not None and t.num_objectives > 1]


def test_the_coverage_set_of_every_finite_environment_is_exact_with_gap_zero() -> None:
    env_ids = finite_vector_environments()
    assert {"deep-sea-treasure-mirrored-v0", "resource-gathering-v0", "fishwood-v0", "tabular/treasure-corridor-v0"} < {
        *env_ids
    }
    for env_id in env_ids:
        found = exact_coverage_set(_tables(env_id), 0.99)
        assert found.gap == 0.0, env_id
        front = getattr(batched_form(env_id, 1), "pareto_front", None)
        if env_id == "fruit-tree-v0":
            assert len(found.values) == 64, "every fruit"
        elif front is not None:
            exact = front(0.99)
            assert same_rows(found.values, exact[convex_non_dominated(exact)], 1e-6), env_id


@pytest.mark.parametrize("m", range(2, 7))
def test_random_worlds_against_all_policies(m: int) -> None:
    rng = np.random.default_rng(m)
    for _ in range(2):
        tables, values = random_world(rng, m)
        found = exact_coverage_set(tables, 0.9, batch=1 if m < 4 else 64)
        assert found.gap == 0.0
        assert same_rows(found.values, values[convex_non_dominated(values)], 1e-8)
        loose = exact_coverage_set(tables, 0.9, epsilon=0.05)
        assert loose.gap <= 0.05
        weights = rng.dirichlet(np.ones(m), 10_000)
        assert ((weights @ values.T).max(1) - (weights @ loose.values.T).max(1)).max() <= loose.gap + 1e-9
        stopped = exact_coverage_set(tables, 0.9, max_calls=m + 1, batch=64)
        assert stopped.calls <= m + 1
        assert ((weights @ values.T).max(1) - (weights @ stopped.values.T).max(1)).max() <= stopped.gap + 1e-9
        assert_consistent(found)


def random_world(rng: np.random.Generator, m: int) -> tuple[Tables, Any]:
    """Four states, three actions, two branches, and the values of all 81 policies."""
    shape = (4, 3, 2)
    chances = rng.random(shape)
    tables = Tables(
        successors=rng.integers(4, size=shape),
        probabilities=chances / chances.sum(-1, keepdims=True),
        rewards=rng.normal(size=(*shape, m)).astype(np.float32),
        terminal=rng.random(shape) < 0.2,
        observations=np.arange(4),
        starts=np.array([0]),
    )
    return tables, policy_values(tables, np.array(list(itertools.product(range(3), repeat=4))), 0.9)


def assert_consistent(found: LinearSupportResult) -> None:
    assert found.history[0].calls == 0
    assert found.history[-1].calls == found.calls
    assert found.history[-1].gap == found.gap
    best = (found.weights @ found.values.T).max(1)
    np.testing.assert_allclose((found.weights * found.values).sum(1), best, atol=1e-8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": np.nan}, "epsilon"),
        ({"batch": 0}, "batch"),
        ({"max_calls": 0}, "max_calls"),
    ],
)
def test_bad_arguments(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        optimistic_linear_support(lambda w: w, 2, **wrong)


def test_bad_values() -> None:
    for wrong, message in ((np.ones((2, 1)), "one objective"), (np.zeros((0, 2)), "empty"), ([[np.nan, 0.0]], "NaN")):
        with pytest.raises(MorlError, match=message):
            corner_weights(wrong)
    with pytest.raises(ShapeError, match="one value each"):
        optimistic_linear_support(lambda w: w[:1], 3)
    with pytest.raises(ConfigurationError, match="num_objectives"):
        optimistic_linear_support(lambda w: w, 1)
