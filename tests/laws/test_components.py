"""Laws of scalarizations, dominance, weights, neighbourhoods, archives and indicators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morl.archives import Archive, ArchiveEntry, BoundedArchive, ConvexCoverageSet, ParetoArchive, Status
from morl.cooperation.neighbourhood import KNearest
from morl.functional.dominance import convex_non_dominated, dominates, non_dominated
from morl.indicators import cardinality, expected_utility, hypervolume, igd, igd_plus, maximum_utility_loss
from morl.registry import component, names
from morl.scalarizations import PBI, Achievement, Scalarization, SmoothChebyshev
from morl.weights import dirichlet, riesz, simplex_lattice
from morl.weights.adaptation import PSA
from tests.strategies import finite, simplex, value_sets

SCALARIZATIONS: list[Scalarization] = [
    *(component("scalarization", name)() for name in names("scalarization")),
    SmoothChebyshev(mu=0.5),
    Achievement(rho=0.1),
]
MONOTONE = [s for s in SCALARIZATIONS if not isinstance(s, PBI)]
each_scalarization = pytest.mark.parametrize("s", SCALARIZATIONS, ids=repr)


@each_scalarization
@given(data=st.data())
def test_broadcasting_equals_looping(s: Scalarization, data: st.DataObject) -> None:
    values = data.draw(value_sets(num_objectives=3, min_size=1, elements=finite))
    weights = data.draw(simplex(rows=4, num_objectives=3))
    z = data.draw(value_sets(num_objectives=3, min_size=1, max_size=1))[0]
    batched = s(values[:, None], weights, ideal_point=z)
    assert batched.shape == (len(values), 4)
    for i, v in enumerate(values):
        for j, w in enumerate(weights):
            assert batched[i, j] == pytest.approx(float(s(v, w, ideal_point=z)), rel=1e-9, abs=1e-6)


@each_scalarization
@given(values=value_sets(num_objectives=3, min_size=1), weights=simplex(rows=1, num_objectives=3))
def test_same_input_same_output_and_nothing_changed(s: Scalarization, values: Any, weights: Any) -> None:
    z = np.full(3, 4.0)
    copies = values.copy(), weights.copy(), z.copy()
    first = s(values, weights, ideal_point=z)
    s(values + 100, weights, ideal_point=z)
    assert (s(values, weights, ideal_point=z) == first).all()
    assert all((x == y).all() for x, y in zip((values, weights, z), copies, strict=True))


@each_scalarization
@given(values=value_sets(num_objectives=3, min_size=1, elements=finite), weights=simplex(rows=1, num_objectives=3))
def test_torch_equals_numpy(s: Scalarization, values: Any, weights: Any) -> None:
    z = np.full(3, 4.0)
    result = s(torch.from_numpy(values), torch.from_numpy(weights), ideal_point=torch.from_numpy(z))
    assert isinstance(result, torch.Tensor)
    np.testing.assert_allclose(result.numpy(), s(values, weights, ideal_point=z), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("s", MONOTONE, ids=repr)
@given(data=st.data())
def test_a_dominating_value_never_scores_less(s: Scalarization, data: st.DataObject) -> None:
    worse = data.draw(value_sets(num_objectives=3, min_size=1))
    gain = np.abs(data.draw(value_sets(num_objectives=3, min_size=len(worse), max_size=len(worse))))
    weights = data.draw(simplex(rows=1, num_objectives=3))
    z = np.zeros(3)  # values on both sides of it: exceeding the ideal point is never punished
    assert (s(worse + gain, weights, ideal_point=z) >= s(worse, weights, ideal_point=z) - 1e-9).all()


@given(value_sets(min_size=1))
def test_dominance_is_irreflexive_and_transitive(values: Any) -> None:
    table = dominates(values[:, None], values[None])
    assert not table.diagonal().any()
    through = (table[:, :, None] & table[None]).any(axis=1)
    assert not (through & ~table).any()
    torch_table = dominates(torch.from_numpy(values)[:, None], torch.from_numpy(values)[None])
    assert (torch_table.numpy() == table).all()


@given(value_sets())
def test_non_dominated_is_what_the_definition_says(values: Any) -> None:
    table = dominates(values[:, None], values[None])
    first = [not (values[:i] == v).all(axis=1).any() for i, v in enumerate(values)]
    assert non_dominated(values).tolist() == [new and not beaten for new, beaten in zip(first, table.any(axis=0), strict=True)]


@given(value_sets(min_size=1, max_size=8), st.integers(0, 10))
def test_convex_coverage_set_loses_no_weighted_sum_and_has_no_superfluous_point(values: Any, seed: int) -> None:
    kept = values[convex_non_dominated(values)]
    weights = np.concatenate([np.eye(values.shape[1]), dirichlet(200, values.shape[1], seed=seed)])
    np.testing.assert_allclose((weights @ kept.T).max(axis=1), (weights @ values.T).max(axis=1), atol=1e-9)
    assert convex_non_dominated(kept).all()
    assert non_dominated(kept).all()


@given(value_sets(min_size=1), st.randoms(use_true_random=False))
def test_hypervolume_is_monotone_and_does_not_depend_on_the_order(values: Any, random: Any) -> None:
    reference = np.full(values.shape[1], -4.0)
    whole = hypervolume(values, reference)
    assert whole >= hypervolume(values[1:], reference) - 1e-9
    assert hypervolume(values + 0.5, reference) > whole
    order = list(range(len(values)))
    random.shuffle(order)
    assert hypervolume(values[order], reference) == pytest.approx(whole)
    assert hypervolume(values[non_dominated(values)], reference) == pytest.approx(whole)


@given(value_sets(min_size=1))
def test_a_front_has_no_distance_to_itself(values: Any) -> None:
    front = values[non_dominated(values)]
    weights = riesz(10, values.shape[1])
    assert igd(values, front) == igd_plus(values, front) == 0.0
    assert maximum_utility_loss(values, front, weights) == pytest.approx(0.0, abs=1e-12)
    assert expected_utility(values, weights) == pytest.approx(expected_utility(front, weights))
    assert cardinality(values) == len(front)


def offered(values: Any) -> list[ArchiveEntry]:
    return [
        ArchiveEntry(
            values=v,
            standard_errors=0 * v,
            undiscounted=v,
            weights=None,
            policy=None,
            env_steps=0,
            member=i,
            episodes=1,
            gamma=1.0,
            deterministic=True,
        )
        for i, v in enumerate(values)
    ]


def as_set(values: Any) -> set[tuple[float, ...]]:
    return {tuple(v) for v in values}


@pytest.mark.parametrize("archive", [ParetoArchive(), ConvexCoverageSet()], ids=lambda a: type(a).__name__)
@given(values=value_sets(min_size=1, max_size=8), random=st.randoms(use_true_random=False), cut=st.integers(0, 8))
def test_archive_is_the_filtered_set_in_whatever_order_it_came(archive: Archive, values: Any, random: Any, cut: int) -> None:
    entries = offered(values)
    random.shuffle(entries)
    filled = archive.fresh()
    statuses = filled.add(entries[:cut]) + filled.add(entries[cut:])
    assert as_set(filled.values) == as_set(values[archive.keep(values)])
    assert len(filled) == len(as_set(filled.values))
    assert {entry.member for entry in filled} <= {e.member for e, s in zip(entries, statuses, strict=True) if s is Status.ADDED}


@given(value_sets(min_size=1), st.integers(1, 4))
def test_bounded_archive_never_exceeds_its_capacity(values: Any, capacity: int) -> None:
    archive = BoundedArchive(capacity=capacity)
    for entry in offered(values):
        archive.add([entry])
        assert len(archive) <= capacity
        assert non_dominated(archive.values).all()


@given(st.integers(1, 12), st.integers(2, 5), st.integers(0, 2**31))
def test_generated_weights_are_on_the_simplex(n: int, m: int, seed: int) -> None:
    made = [dirichlet(n, m, seed=seed)] + ([simplex_lattice(n, 2)] if m == 2 else [])
    for weights in made:
        assert weights.shape == (n, m)
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)


@given(data=st.data())
def test_psa_stays_on_the_simplex_and_keeps_zeros(data: st.DataObject) -> None:
    values = data.draw(value_sets(num_objectives=3, min_size=1, max_size=6))
    weights = data.draw(simplex(rows=len(values), num_objectives=3))
    archive = data.draw(value_sets(num_objectives=3))
    moved = PSA()(weights, values, archive)
    np.testing.assert_allclose(moved.sum(axis=1), 1.0)
    assert ((moved == 0) == (weights == 0)).all()


@given(data=st.data(), n=st.integers(2, 8))
def test_neighbours_are_others_and_nobody_nearer_is_left_out(data: st.DataObject, n: int) -> None:
    k = data.draw(st.integers(0, n - 1))
    weights = data.draw(simplex(rows=n, num_objectives=3))
    neighbours = KNearest(k=k)(weights)
    assert neighbours.shape == (n, k)
    distance = np.linalg.norm(weights[:, None] - weights[None], axis=-1)
    for i, row in enumerate(neighbours.tolist()):
        others = set(range(n)) - {i}
        assert set(row) <= others
        assert len(set(row)) == k
        assert all(distance[i, j] <= distance[i, o] + 1e-6 for j in row for o in others - set(row))
