"""Inner problems: known answers, linear programs, laws, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linprog, minimize_scalar

from morl.errors import ConfigurationError, ShapeError
from robust.tabular import KL, L1, Box, Finite, SRectangularL1, TabularMDP, robust_value_iteration

Array = npt.NDArray[np.float64]
Q, Z = np.array([0.4, 0.3, 0.1, 0.2]), np.array([1.0, 2.0, 5.0, 4.0])
INSTANCES = 100


def random_instance(seed: int) -> tuple[Array, Array, np.random.Generator]:
    """A nominal distribution with some zeros and outcomes with some ties, and the generator for more."""
    rng = np.random.default_rng(seed)
    b = int(rng.integers(1, 7))
    q = rng.dirichlet(np.ones(b)) * (rng.random(b) < 0.8)
    q = q / q.sum() if q.sum() > 0 else np.eye(b)[0]
    return q, rng.integers(-3, 4, size=b) + rng.choice([0.0, 0.3], size=b), rng


def l1_program(z: Array, q: Array, radius: float, support: str) -> float:
    """The L1 inner problem as a linear program over ``p`` and its distances ``t`` to ``q``."""
    b, eye = len(q), np.eye(len(q))
    constraints = np.block([[eye, -eye], [-eye, -eye], [np.zeros((1, b)), np.ones((1, b))]])
    right = np.concatenate([q, -q, [radius]])
    bounds = [(0, None if support == "simplex" or q[j] > 0 else 0) for j in range(b)] + [(0, None)] * b
    total = np.concatenate([np.ones(b), np.zeros(b)])[None]
    done = linprog(np.concatenate([z, np.zeros(b)]), constraints, right, total, [1.0], bounds)
    assert done.status == 0
    return float(done.fun)


@pytest.mark.parametrize(("radius", "expected"), [(0, 2.3), (0.2, 1.9), (0.5, 1.45), (1, 1.1), (2, 1.0)])
def test_l1_known_values(radius: float, expected: float) -> None:
    assert L1(radius).worst_value(Z, Q) == pytest.approx(expected, abs=1e-12)
    assert L1(radius).worst_distribution(Z[None], Q[None])[0] @ Z == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("radius", [0, 0.01, 1, 2])
def test_l1_with_one_outcome(radius: float) -> None:
    assert L1(radius).worst_value(np.array([2.0]), np.array([1.0])) == 2.0


def test_box_known_distribution() -> None:
    box = Box(lower=np.array([0.2, 0.1, 0.0, 0.1]), upper=np.array([0.6, 0.5, 0.3, 0.4]))
    assert box.worst_distribution(Z, Q) == pytest.approx(np.array([0.6, 0.3, 0.0, 0.1]), abs=1e-12)
    assert box.worst_value(Z, Q) == pytest.approx(1.6, abs=1e-12)


@pytest.mark.parametrize("support", ["simplex", "nominal"])
def test_l1_equals_the_linear_program(support: Any) -> None:
    for seed in range(INSTANCES):
        q, z, rng = random_instance(seed)
        radius = float(rng.uniform(0, 2.2))
        expected = l1_program(z, q, radius, support)
        assert L1(radius, support).worst_value(z[None], q[None])[0] == pytest.approx(expected, abs=1e-7)
        assert L1(radius, support).worst_value(z, q) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("support", ["simplex", "nominal", None])
def test_box_equals_the_linear_program(support: Any) -> None:
    for seed in range(INSTANCES):
        q, z, rng = random_instance(seed)
        if support is None:
            lower, upper = q * rng.random(len(q)), q + (1 - q) * rng.random(len(q))
            box = Box(lower=lower, upper=upper)
        else:
            d = float(rng.uniform(0, 0.6))
            lower, upper = np.maximum(q - d, 0), np.minimum(q + d, 1) * (1 if support == "simplex" else q > 0)
            box = Box(d, support=support)
        done = linprog(z, A_eq=np.ones((1, len(q))), b_eq=[1.0], bounds=np.stack([lower, upper], axis=1))
        assert done.status == 0
        assert box.worst_value(z, q) == pytest.approx(done.fun, abs=1e-7)


def test_kl_equals_its_dual() -> None:
    for seed in range(INSTANCES):
        q, z, rng = random_instance(seed)
        kappa = float(rng.uniform(1e-3, 1.5))
        p = KL(kappa).worst_distribution(z, q)
        possible = q > 0
        low = z[possible].min()

        def dual(log_beta: float, z: Array = z[possible] - low, q: Array = q[possible], kappa: float = kappa) -> float:
            beta = np.exp(log_beta)
            return float(beta * np.log(q @ np.exp(-z / beta)) + beta * kappa)

        best = min(minimize_scalar(dual, bounds=(a, a + 6), method="bounded").fun for a in (-20, -10, -5, 0, 5))
        divergence = float(np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(q > 0, q, 1)), 0)))
        assert divergence <= kappa + 1e-9
        assert (p[~possible] == 0).all()
        assert p @ z == pytest.approx(low - min(best, 0.0), abs=1e-5)


def test_kl_limits() -> None:
    q, z = np.array([0.5, 0.3, 0.2, 0.0]), np.array([1.0, 0.0, 2.0, -9.0])
    small, mean = 1e-10, q @ z
    variance = q @ (z - mean) ** 2
    assert KL(0.0).worst_value(z, q) == pytest.approx(mean, abs=1e-15)
    # To first order the loss is the standard deviation times the square root of twice the radius.
    assert mean - KL(small).worst_value(z, q) == pytest.approx(np.sqrt(2 * small * variance), rel=1e-3)
    # From -log q(worst) on nature puts everything on the worst outcome that nominally is possible.
    assert KL(-np.log(0.3) + 1e-9).worst_distribution(z, q).tolist() == [0.0, 1.0, 0.0, 0.0]
    assert KL(1e6).worst_value(z, q) == 0.0


def test_finite_takes_the_worst_candidate_of_each_pair() -> None:
    rng = np.random.default_rng(0)
    kernels, z = rng.dirichlet(np.ones(4), size=(3, 4, 2)), rng.normal(size=(4, 2, 4))
    expected = np.min([[[k[s, a] @ z[s, a] for a in range(2)] for s in range(4)] for k in kernels], axis=0)
    assert Finite(kernels).worst_value(z, kernels[0]) == pytest.approx(expected, abs=1e-14)


counts = st.integers(0, 3)


@st.composite
def games(draw: st.DrawFn) -> tuple[Array, Array]:
    """Outcomes and nominal distributions ``(S, A, b)`` with many ties and zeros."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 5)))
    raw = draw(hnp.arrays(np.float64, shape, elements=counts))
    raw = np.where(raw.sum(axis=-1, keepdims=True) > 0, raw, 1.0)
    z = draw(hnp.arrays(np.float64, shape, elements=st.integers(-4, 4).map(lambda i: i / 2)))
    return z, raw / raw.sum(axis=-1, keepdims=True)


radii = st.sampled_from([0.0, 0.05, 0.3, 1.0, 1.9, 2.0, 5.0])
supports = st.sampled_from(["simplex", "nominal"])


def balls(radius: float, support: Any) -> list[Any]:
    return [L1(radius, support), Box(radius, support=support), KL(radius)]


@given(game=games(), radius=radii, support=supports)
def test_worst_distributions_are_distributions_that_attain_the_worst_value(game: Any, radius: float, support: Any) -> None:
    z, q = game
    for ball in balls(radius, support):
        p = ball.worst_distribution(z, q)
        assert (p >= -1e-15).all()
        assert p.sum(axis=-1) == pytest.approx(1.0, abs=1e-12)
        assert (p * z).sum(axis=-1) == pytest.approx(ball.worst_value(z, q), abs=1e-12)
        if support == "nominal":
            assert (p[q == 0] <= 1e-15).all()
    assert (np.abs(L1(radius, support).worst_distribution(z, q) - q).sum(axis=-1) <= radius + 1e-12).all()
    assert (np.abs(Box(radius, support=support).worst_distribution(z, q) - q) <= radius + 1e-12).all()


@given(game=games(), support=supports)
def test_larger_sets_are_never_better_and_radius_zero_is_nominal(game: Any, support: Any) -> None:
    z, q = game
    nominal = (z * q).sum(axis=-1)
    previous = [nominal] * 3
    for radius in (0.0, 0.05, 0.3, 1.0, 2.0):
        values = [ball.worst_value(z, q) for ball in balls(radius, support)]
        for value, before in zip(values, previous, strict=True):
            assert (value <= before + 1e-12).all()
        if radius == 0:
            assert values == [pytest.approx(nominal, abs=1e-12)] * 3
        previous = values
    allowed = z if support == "simplex" else np.where(q > 0, z, np.inf)
    assert previous[0] == pytest.approx(allowed.min(axis=-1), abs=1e-12)


@given(game=games(), radius=radii, support=supports)
def test_batched_equals_one_pair_at_a_time(game: Any, radius: float, support: Any) -> None:
    z, q = game
    shared = z[0, 0]
    for ball in balls(radius, support):
        batched, with_shared = ball.worst_value(z, q), ball.worst_value(shared, q)
        for s, a in np.ndindex(q.shape[:2]):
            assert ball.worst_value(z[s, a], q[s, a]) == pytest.approx(batched[s, a], abs=1e-12)
            assert ball.worst_value(shared[None], q[s, a][None])[0] == pytest.approx(with_shared[s, a], abs=1e-12)


def test_l1_shared_outcomes_beyond_one_chunk() -> None:
    rng = np.random.default_rng(1)
    q, z = rng.dirichlet(np.ones(150), size=(5, 2)), rng.normal(size=150)
    for radius in (0.1, 1.0, 1.7, 3.0):
        expected = L1(radius).worst_value(np.broadcast_to(z, q.shape), q)
        assert L1(radius).worst_value(z, q) == pytest.approx(expected, abs=1e-12)


def s_program(z: Array, q: Array, radius: float, support: str) -> float:
    """The game of one state as a linear program: the lowest level to which all actions can be pushed."""
    actions, b = z.shape
    n = actions * b
    # Variables: p (A b), distances t (A b), level u.
    level = np.zeros((actions, 2 * n + 1))
    total = np.zeros((actions, 2 * n + 1))
    for a in range(actions):
        level[a, a * b : (a + 1) * b] = z[a]
        level[a, -1] = -1
        total[a, a * b : (a + 1) * b] = 1
    eye, column = np.eye(n), np.zeros((n, 1))
    distances = np.block([[eye, -eye, column], [-eye, -eye, column]])
    budget = np.concatenate([np.zeros(n), np.ones(n), [0]])[None]
    right = np.concatenate([np.zeros(actions), q.ravel(), -q.ravel(), [radius]])
    bounds = [(0, None if support == "simplex" or x > 0 else 0) for x in q.ravel()] + [(0, None)] * n + [(None, None)]
    cost = np.concatenate([np.zeros(2 * n), [1]])
    done = linprog(cost, np.vstack([level, distances, budget]), right, total, np.ones(actions), bounds)
    assert done.status == 0
    return float(done.fun)


@pytest.mark.parametrize("support", ["simplex", "nominal"])
def test_s_rectangular_l1_equals_the_linear_program(support: Any) -> None:
    for seed in range(INSTANCES):
        rng = np.random.default_rng(seed)
        shape = (1, int(rng.integers(1, 4)), int(rng.integers(1, 5)))
        q = rng.integers(0, 4, size=shape) + 1e-300
        q = np.where(q < 1, 0.0, q)
        q = np.where(q.sum(axis=-1, keepdims=True) > 0, q, 1.0)
        q /= q.sum(axis=-1, keepdims=True)
        z = rng.integers(-4, 5, size=shape) / 2 if seed % 2 else rng.normal(size=shape)
        radius = float(rng.choice([0.0, 0.1, 0.5, 1.0, 2.0, 6.0]))
        value, policy, p = SRectangularL1(radius, support).maximin(z, q)
        assert value[0] == pytest.approx(s_program(z[0], q[0], radius, support), abs=1e-7)
        # Nature's side: feasible, and no action is worth more than the value.
        assert np.abs(p - q).sum() <= radius + 1e-9
        assert (p >= -1e-15).all()
        assert ((p * z).sum(axis=-1) <= value + 1e-9).all()
        # The policy's side: nature's best answer to it does not go below the value.
        answer = SRectangularL1(radius, support).response(z, q, policy)
        assert np.abs(answer - q).sum() <= radius + 1e-9
        assert policy.sum() == pytest.approx(1.0)
        assert np.einsum("sa,sab,sab->s", policy, answer, z)[0] == pytest.approx(value[0], abs=1e-9)


@given(game=games(), radius=radii, data=st.data())
def test_no_policy_beats_the_s_rectangular_value(game: Any, radius: float, data: st.DataObject) -> None:
    z, q = game
    ball = SRectangularL1(radius)
    value = ball.maximin(z, q)[0]
    raw = data.draw(hnp.arrays(np.float64, q.shape[:2], elements=st.floats(0.01, 1.0)))
    policy = raw / raw.sum(axis=-1, keepdims=True)
    answer = ball.response(z, q, policy)
    assert (np.einsum("sa,sab,sab->s", policy, answer, z) <= value + 1e-9).all()


@pytest.mark.parametrize("cls", [L1, KL, Box, SRectangularL1])
@pytest.mark.parametrize("radius", [-0.1, float("nan"), "much"])
def test_bad_radius(cls: Any, radius: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a number >= 0"):
        cls(radius)


def test_bad_support() -> None:
    for cls in (L1, Box, SRectangularL1):
        with pytest.raises(ConfigurationError, match="'simplex', 'nominal'"):
            cls(0.1, support="some")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either a radius"),
        ({"radius": 0.1, "lower": 0.0, "upper": 1.0}, "either a radius"),
        ({"lower": 0.0}, "both lower and upper"),
        ({"lower": [0.5, 0.0], "upper": [0.4, 1.0]}, "exceeds its upper bound"),
        ({"lower": [np.nan, 0.0], "upper": [0.4, 1.0]}, "NaN"),
        ({"lower": 0.0, "upper": 1.0, "support": "nominal"}, "needs a radius"),
    ],
)
def test_bad_box(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Box(**arguments)


def test_sets_that_do_not_fit_the_process() -> None:
    mdp = TabularMDP(np.full((2, 1, 2), 0.5), np.zeros((2, 1)), 0.5)
    with pytest.raises(ConfigurationError, match="outside its bounds"):
        robust_value_iteration(mdp, Box(lower=np.zeros(2), upper=np.array([0.4, 1.0])))
    with pytest.raises(ShapeError, match="lower has shape"):
        robust_value_iteration(mdp, Box(lower=np.zeros(3), upper=np.ones(3)))
    with pytest.raises(ShapeError, match="one leading dimension more"):
        robust_value_iteration(mdp, Finite(np.full((1, 3, 1, 2), 0.5)))
    with pytest.raises(ShapeError, match=r"expected \(K, S, A, b\)"):
        Finite(np.full((2, 1, 2), 0.5))
    with pytest.raises(ConfigurationError, match=r"kernels\[1, 0, 0\] sums to 0.9"):
        Finite(np.array([[[[0.5, 0.5]]], [[[0.5, 0.4]]]]))
