"""Weight generators: known sets, determinism, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from morl.errors import ConfigurationError
from morl.testing import check_weight_generation
from morl.weights import dirichlet, extrema, riesz, simplex_lattice


def test_conformance() -> None:
    for generate in (riesz, dirichlet, simplex_lattice):
        check_weight_generation(generate, num_vectors=10, num_objectives=3)
        check_weight_generation(generate, num_vectors=6, num_objectives=2)
    check_weight_generation(extrema, num_vectors=4, num_objectives=4)


@pytest.mark.parametrize("generate", [riesz, simplex_lattice])
def test_two_objectives_are_exactly_even(generate: object) -> None:
    for n in (2, 3, 6, 7, 50):
        weights = generate(n, 2)  # type: ignore[operator]
        assert weights[:, 0].tolist() == [i / (n - 1) for i in range(n)]
        assert weights[::-1, 1].tolist() == weights[:, 0].tolist()


def test_one_vector_is_the_centre() -> None:
    assert riesz(1, 3).tolist() == simplex_lattice(1, 3).tolist() == [[1 / 3] * 3]
    assert riesz(1, 1).tolist() == [[1.0]]


@pytest.mark.parametrize(("m", "counts"), [(3, [3, 6, 10, 21, 91]), (4, [4, 10, 20]), (6, [6, 21, 126])])
def test_lattice_has_the_counts_of_das_and_dennis(m: int, counts: list[int]) -> None:
    for count in counts:
        weights = simplex_lattice(count, m)
        assert weights.shape == (count, m)
        assert len(np.unique(weights.round(9), axis=0)) == count


def test_lattice_names_the_nearest_counts() -> None:
    with pytest.raises(ConfigurationError, match="have 6 and 10"):
        simplex_lattice(7, 3)


def test_riesz_known_sets() -> None:
    middle = [[0.0, 0.0, 1.0], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]
    np.testing.assert_allclose(riesz(6, 3), middle, atol=1e-3)
    ten = riesz(10, 3)
    assert ((ten > 0).all(axis=1)).sum() == 1
    for corner in np.eye(3):
        assert (ten == corner).all(axis=1).any(), "corners are exact, so that they stay corners under adaptation"


def test_bug_17_riesz_depends_on_its_seed_only_and_touches_no_global_state() -> None:
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what must not move
    first = riesz(11, 3, seed=5)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    riesz.__globals__["_least_energy"].cache_clear()
    assert (riesz(11, 3, seed=5) == first).all()


def test_dirichlet_is_uniform_and_seeded() -> None:
    many = dirichlet(4000, 3, seed=1)
    np.testing.assert_allclose(many.mean(axis=0), 1 / 3, atol=0.02)
    assert (many[:, 0] > 0.5).mean() == pytest.approx(0.25, abs=0.03)
    assert not (dirichlet(5, 3, seed=1) == dirichlet(5, 3, seed=2)).all()


def test_extrema_has_one_vector_per_objective() -> None:
    assert extrema(3, 3).tolist() == [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    with pytest.raises(ConfigurationError, match="one vector per objective: 3, not 4"):
        extrema(4, 3)


def test_too_few_vectors() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        dirichlet(0, 2)
    with pytest.raises(ConfigurationError, match="3 corners"):
        riesz(2, 3)
    with pytest.raises(ConfigurationError, match="single weight vector"):
        simplex_lattice(2, 1)
