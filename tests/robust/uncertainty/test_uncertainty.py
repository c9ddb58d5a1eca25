"""Uncertainty sets: the cube covers them, models are inside, and what cannot be is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from envs.parametric import Parameter, ParameterSpace
from morl.errors import ConfigurationError
from robust.uncertainty import Ball, Box, Finite, Rectangular

SPACE = ParameterSpace(
    (
        Parameter(name="mass", nominal=1.0, low=0.5, high=2.0),
        Parameter(name="length", nominal=1.0, low=0.5, high=1.5),
        Parameter(name="friction", nominal=0.3, low=0.1, high=0.4),
    )
)
SETS = {
    "own": Box(),
    "box": Box({"mass": (0.5, 2.0), "friction": (0.3, 0.9)}),
    "ball": Ball({"mass": 0.5, "length": 0.2}),
    "ball-1d": Ball({"mass": 0.5}),
    "finite": Finite(((1.0, 1.0, 0.3), (2.0, 1.0, 0.1))),
    "own ball": Ball(),
    "nominal alone": Finite(),
    "ends": Rectangular(),
    "rectangular": Rectangular({"mass": (0.5, 1.0, 2.0), "length": (1.0, 1.5)}),
}


@pytest.mark.parametrize("name", SETS)
def test_cube_and_samples_lie_in_the_set(name):
    region = SETS[name].region(SPACE)
    rng = np.random.default_rng(0)
    for models in (region.models(rng.random((200, region.dimension))), region.sample(rng, 200), region.nominal[None]):
        assert models.shape[1] == 3
        assert region.contains(models).all()
        assert (models >= region.low).all()
        assert (models <= region.high).all()
    assert not region.contains(region.high[None] + 0.1).any()


def test_defaults_come_from_the_environment():
    assert len(Rectangular().region(SPACE).candidates) == 27
    assert_array_equal(Finite().region(SPACE).candidates, [SPACE.nominal])
    own = Ball().region(SPACE)
    assert_allclose(own.high - SPACE.nominal, [0.5, 0.5, 0.1])


def test_corners_of_a_box_are_its_bounds():
    region = SETS["box"].region(SPACE)
    assert region.dimension == 2
    assert_array_equal(region.models(np.array([[0.0, 0.0], [1.0, 1.0]])), [[0.5, 1.0, 0.3], [2.0, 1.0, 0.9]])
    assert_array_equal(Box().region(SPACE).models(np.ones((1, 3)))[0], SPACE.high)


def test_faces_of_the_cube_are_the_surface_of_the_ball():
    region = SETS["ball"].region(SPACE)
    rng = np.random.default_rng(0)
    faces = rng.random((50, 2))
    faces[:, 0] = rng.integers(0, 2, 50)
    scaled = (region.models(faces) - SPACE.nominal)[:, :2] / [0.5, 0.2]
    assert_allclose((scaled**2).sum(1), 1.0)
    inside = (region.sample(rng, 4000) - SPACE.nominal)[:, :2] / [0.5, 0.2]
    # Uniform on a disc: a quarter of the draws within half the radius.
    assert abs(((inside**2).sum(1) < 0.25).mean() - 0.25) < 0.03


def test_finite_sets_list_their_models():
    assert_array_equal(SETS["finite"].region(SPACE).candidates, [[1.0, 1.0, 0.3], [2.0, 1.0, 0.1]])
    product = SETS["rectangular"].region(SPACE)
    assert len(product.candidates) == 6
    assert (product.candidates[:, 2] == 0.3).all()
    assert_array_equal(product.models(np.array([[0.0], [0.99], [1.0]])), product.candidates[[0, 5, 5]])


def test_distance_is_measured_in_shares_of_the_ranges():
    region = SETS["box"].region(SPACE)
    assert_allclose(region.distance(np.array([[0.5, 1.0, 0.3]]), np.array([[2.0, 1.0, 0.3], [0.5, 1.0, 0.6]])), [[1.0, 0.5]])


def test_nominal_outside_the_set():
    heavy = {"mass": (1.5, 2.0)}
    with pytest.raises(ConfigurationError, match=r"nominal model \(mass=1, .* is outside the set; .* nominal: keep"):
        Box(heavy).region(SPACE)
    assert Box(heavy, nominal="keep").region(SPACE).nominal[0] == 1.0
    assert Box(heavy, nominal="clip").region(SPACE).nominal[0] == 1.5
    with pytest.raises(ConfigurationError, match="outside the set"):
        Rectangular({"mass": (0.5, 2.0)}).region(SPACE)
    assert Rectangular({"mass": (0.5, 2.0)}, nominal="clip").region(SPACE).nominal[0] == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box({"mass": (2.0, 0.5)}), "lower bound first"),
        (lambda: Box({"mass": (float("nan"), 2.0)}), "finite number"),
        (lambda: Box({"mass": (0.5,)}), "must have 2 entries"),
        (lambda: Box({"mas": (0.5, 1.0)}).region(SPACE), "Did you mean 'mass'"),
        (lambda: Box({"mass": (-1.0, 1.0)}).region(SPACE), "parameter 'mass' is -1"),
        (lambda: Ball({"mass": 0.0}), "positive"),
        (lambda: Ball({}), "at least one parameter"),
        (lambda: Ball({"mass": 2.0}).region(SPACE), "parameter 'mass' is -1"),
        (lambda: Finite(((1.0, 1.0),)).region(SPACE), "needs 3 numbers"),
        (lambda: Finite(((1.0, 1.0, np.nan),)), "finite number"),
        (lambda: Rectangular({}).region(SPACE), "at least one value"),
    ],
)
def test_sets_that_cannot_be(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()
