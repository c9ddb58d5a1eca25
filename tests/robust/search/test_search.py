"""Searches: every one finds the minimiser of a quadratic within its budget, and counts what it spends."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from envs.parametric import Parameter, ParameterSpace
from morl.errors import CapabilityError, ConfigurationError, EnvironmentFault
from robust.search import (
    BayesianSearch,
    CMAESSearch,
    CornerSearch,
    FiniteDifferenceSearch,
    GridSearch,
    RandomSearch,
    SobolSearch,
    minimise,
    minimise_side_by_side,
)
from robust.search.bayesian import gaussian_process
from robust.uncertainty import Box, Finite

SPACE = ParameterSpace(
    (
        Parameter(name="mass", nominal=1.0, low=0.0 + 0.5, high=2.5),
        Parameter(name="length", nominal=1.0, low=0.5, high=1.5),
    )
)
REGION = Box().region(SPACE)
SEARCHES = {
    "grid": (GridSearch(points_per_dimension=21), 0.03),
    "random": (RandomSearch(num_candidates=400), 0.06),
    "sobol": (SobolSearch(log2_candidates=8), 0.06),
    "cma_es": (CMAESSearch(generations=20, population=12), 0.02),
    "bayesian": (BayesianSearch(), 0.05),
    "finite_differences": (FiniteDifferenceSearch(), 0.06),
}


class Counted:
    """A function that counts its calls and evaluations."""

    def __init__(self, minimiser):
        self.minimiser, self.calls, self.evaluations = np.asarray(minimiser), 0, 0

    def __call__(self, models):
        self.calls += 1
        self.evaluations += len(models)
        scaled = (models - self.minimiser) / (REGION.high - REGION.low)
        return 3.0 + (scaled**2).sum(1) + 0.5 * scaled[:, 0] * scaled[:, 1]


def run(search, objective, region=REGION, seed=0, **more):
    return minimise(search, objective, region, rng=np.random.default_rng(seed), **more)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("minimiser", [[1.1, 0.8], [0.5, 1.5]])
def test_finds_the_minimiser_of_a_quadratic(name, minimiser):
    search, tolerance = SEARCHES[name]
    objective = Counted(minimiser)
    result = run(search, objective)
    assert REGION.distance(result.params[None], np.array([minimiser]))[0, 0] < tolerance
    assert result.status == "completed"
    assert result.evaluations == objective.evaluations == search.evaluations(REGION)
    assert result.value == result.values.min() == objective(result.params[None])[0]
    assert REGION.contains(result.models).all()
    again = run(search, Counted(minimiser))
    assert_array_equal(result.models, again.models)


def test_one_parameter_is_enough():
    region = Box({"mass": (0.5, 2.5)}).region(SPACE)
    for search, tolerance in SEARCHES.values():
        result = run(search, Counted([0.9, 1.0]), region)
        assert abs(result.params[0] - 0.9) < 2 * tolerance
        assert (result.models[:, 1] == 1.0).all()


def test_corners_are_exact_for_monotone_functions():
    objective = Counted([9.0, -9.0])
    result = run(CornerSearch(), objective)
    assert_array_equal(result.params, [2.5, 0.5])
    assert (objective.calls, result.evaluations) == (1, 5)


def test_grids_closed_and_half_open():
    closed, half = GridSearch(points_per_dimension=5), GridSearch(points_per_dimension=5, half_open=True)
    assert closed.models(REGION)[:, 0].max() == 2.5
    # The points of published half-open grids: low + k (high - low) / n.
    assert_array_equal(np.unique(half.models(REGION)[:, 1]), 0.5 + np.arange(5) * 0.2)
    assert len(closed.models(REGION)) == 25


def test_a_list_is_enumerated_or_refused():
    region = Finite(((1.0, 1.0), (2.0, 0.7), (0.6, 1.4))).region(SPACE)
    result = run(GridSearch(), Counted([2.0, 0.7]), region)
    assert_array_equal(result.models, region.candidates)
    assert_array_equal(result.params, [2.0, 0.7])
    assert region.contains(run(RandomSearch(num_candidates=9), Counted([1.0, 1.0]), region).models).all()
    for search in (CornerSearch(), SobolSearch(), CMAESSearch(), BayesianSearch(), FiniteDifferenceSearch()):
        with pytest.raises(CapabilityError, match="use search: grid"):
            run(search, Counted([1.0, 1.0]), region)


def test_side_by_side_equals_one_by_one():
    search = CMAESSearch(generations=3, population=5)
    minimisers = [[1.0, 1.0], [2.0, 0.6]]
    objectives = [Counted(m) for m in minimisers]
    together = minimise_side_by_side(
        search,
        lambda generations: [f(models) for f, models in zip(objectives, generations, strict=True)],
        REGION,
        rngs=[np.random.default_rng(i) for i in range(2)],
    )
    for i, result in enumerate(together):
        assert_array_equal(result.models, run(search, Counted(minimisers[i]), seed=i).models)
    assert objectives[0].calls == 3


def test_budget_is_kept_and_said():
    for budget in (1, 7, 12, 13, 30):
        objective = Counted([1.0, 1.0])
        result = run(CMAESSearch(generations=5, population=6), objective, budget=budget)
        assert objective.evaluations == result.evaluations <= budget
        assert result.status == ("completed" if budget >= 30 else "budget")
    assert run(GridSearch(), Counted([1.0, 1.0]), budget=3).evaluations == 3
    with pytest.raises(ConfigurationError, match="budget of at least 1"):
        run(GridSearch(), Counted([1.0, 1.0]), budget=0)


def test_given_models_come_first():
    first = np.array([[1.0, 1.0], [2.2, 1.2]])
    result = run(CornerSearch(), Counted([1.0, 1.0]), first=first)
    assert_array_equal(result.models[:2], first)
    assert_array_equal(result.params, first[0])
    assert run(CornerSearch(), Counted([1.0, 1.0]), first=first, budget=1).evaluations == 1


def test_worst_models_that_are_no_relatives():
    result = run(GridSearch(points_per_dimension=11), Counted([0.5, 0.5]))
    chosen = result.worst_apart(3, REGION, distance=0.35)
    models = result.models[chosen]
    assert_array_equal(models[0], [0.5, 0.5])
    apart = REGION.distance(models, models)[~np.eye(3, dtype=bool)]
    assert apart.min() > 0.35
    assert (np.diff(result.values[chosen]) >= 0).all()
    known = np.array([[0.5, 0.5]])
    assert REGION.distance(result.models[result.worst_apart(1, REGION, distance=0.35, known=known)], known)[0, 0] > 0.35


def test_values_that_are_not_finite_name_the_model():
    with pytest.raises(EnvironmentFault, match=r"in the model mass=2\.5, length=0\.5"):
        run(CornerSearch(), lambda models: np.where((models == [2.5, 0.5]).all(1), np.nan, 0.0))


def test_gaussian_process_predicts_a_smooth_function():
    rng = np.random.default_rng(0)
    x, at = rng.random((40, 2)), rng.random((30, 2))

    def f(p):
        return 100.0 + 20.0 * np.sin(3 * p[:, 0]) * p[:, 1]

    mean, deviation = gaussian_process(x, f(x), at)
    assert np.abs(mean - f(at)).max() < 0.5
    # Far from the data it knows less.
    assert deviation.max() < gaussian_process(x, f(x), np.array([[3.0, 3.0]]))[1][0]
    flat_mean, _ = gaussian_process(x, np.full(40, 7.0), at)
    np.testing.assert_allclose(flat_mean, 7.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GridSearch(points_per_dimension=0),
        lambda: RandomSearch(num_candidates=0),
        lambda: SobolSearch(log2_candidates=-1),
        lambda: CMAESSearch(population=1),
        lambda: CMAESSearch(sigma=0.0),
        lambda: BayesianSearch(initial=1),
        lambda: FiniteDifferenceSearch(difference=0.7),
        lambda: run(CornerSearch(), Counted([1.0, 1.0]), Box({"mass": (1.0, 1.0)}).region(SPACE)),
    ],
)
def test_settings_that_cannot_be(make):
    with pytest.raises(ConfigurationError, match=r"found|widen"):
        make()
