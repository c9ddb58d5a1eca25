"""Whole processes: known answers, enumeration, laws, bad input."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from robust.tabular import (
    KL,
    L1,
    Box,
    Finite,
    SRectangularL1,
    TabularMDP,
    policy_evaluation,
    robust_policy_evaluation,
    robust_value_iteration,
    robust_vector_policy_evaluation,
    value_iteration,
    vector_policy_evaluation,
    worst_case,
)
from tests.robust.worlds import (
    COUNTER_KERNELS,
    COUNTER_REWARDS,
    WINDY_ALPHAS,
    WINDY_START,
    machine_replacement,
    river_swim,
    windy_rewards,
    windy_walk,
)

Array = npt.NDArray[np.float64]

# --- known answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("radius", "robust", "optimistic"), [(0, 15.0, 15.0), (0.5, 12.5, 17.5), (1, 10, 20), (2, 10, 20)])
def test_one_state_two_outcomes(radius: float, robust: float, optimistic: float) -> None:
    mdp = TabularMDP([[[0.5, 0.5]]], [[[1.0, 2.0]]], 0.9, successors=[[[0, 0]]])
    assert robust_value_iteration(mdp, L1(radius))[0][0] == pytest.approx(robust, abs=1e-9)
    assert robust_value_iteration(mdp, L1(radius), optimistic=True)[0][0] == pytest.approx(optimistic, abs=1e-9)


def test_three_states_deterministic() -> None:
    transitions = np.zeros((3, 2, 3))
    for s, a, to in [(0, 0, 0), (1, 0, 0), (2, 0, 1), (0, 1, 1), (1, 1, 2), (2, 1, 2)]:
        transitions[s, a, to] = 1.0
    values, policy = value_iteration(TabularMDP(transitions, [[0.0, 0.0], [1.0, 0.0], [1.0, 1.1]], 0.9))
    assert values == pytest.approx(np.array([8.91, 9.9, 11.0]), abs=1e-9)
    assert policy.tolist() == [1, 1, 1]


RIGHT = [1, 1, 1, 1, 1, 1]
RIVER_SWIM = [
    (L1(0.0), [2.045977, 2.404921, 2.946484, 3.643932, 4.515702, 5.598520], RIGHT),
    (L1(0.10), [0.725690, 0.878467, 1.155073, 1.594765, 2.280198, 3.345314], RIGHT),
    (L1(0.10, "nominal"), [1.017395, 1.231584, 1.619378, 2.192976, 2.998814, 4.113645], RIGHT),
    (Box(0.05, support="nominal"), [1.017395, 1.231584, 1.619378, 2.192976, 2.998814, 4.113645], RIGHT),
    (Box(0.10, support="nominal"), [0.361023, 0.456030, 0.671044, 1.062648, 1.733897, 2.861434], RIGHT),
    (L1(0.25), [0.103104, 0.134113, 0.214317, 0.404041, 0.848925, 1.891189], RIGHT),
    (L1(0.25, "nominal"), [0.181435, 0.236001, 0.377137, 0.672021, 1.253269, 2.377510], RIGHT),
    (L1(0.50), [0.007625, 0.007125, 0.007782, 0.020575, 0.135068, 1.145945], [0, 0, 1, 1, 1, 1]),
    (L1(0.50, "nominal"), [0.010000, 0.009500, 0.010041, 0.024401, 0.150606, 1.192569], [0, 0, 1, 1, 1, 1]),
    (L1(1.00, "nominal"), [0.010000, 0.009500, 0.009025, 0.008574, 0.008145, 1.007738], [0, 0, 0, 0, 0, 1]),
]


@pytest.mark.parametrize(("ambiguity", "expected", "actions"), RIVER_SWIM)
def test_river_swim(ambiguity: Any, expected: list[float], actions: list[int]) -> None:
    values, policy = robust_value_iteration(TabularMDP(*river_swim(), 0.95), ambiguity)
    assert values == pytest.approx(np.array(expected), abs=1e-6)
    assert policy.tolist() == actions


MACHINE = {
    0.0: [-0.98915, -8.34528, -0.67326, -0.88365, -1.15980, -1.52223, -1.99793, -3.56465, -10.09265, -12.29265],
    0.10: [-1.41828, -9.72507, -1.05771, -1.36880, -1.77139, -2.29238, -2.96662, -4.89818, -12.48618, -14.58618],
    0.25: [-2.23222, -12.15214, -1.85526, -2.35669, -2.99363, -3.80272, -4.83048, -7.47854, -16.64154, -18.59154],
    0.50: [-4.01759, -17.34359, -3.79831, -4.74789, -5.93486, -7.41857, -9.27322, -13.71702, -25.46502, -27.16502],
}


@pytest.mark.parametrize("radius", MACHINE)
def test_machine_replacement(radius: float) -> None:
    mdp = TabularMDP(*machine_replacement(), 0.8)
    values, policy = robust_value_iteration(mdp, L1(radius, "nominal"))
    assert values == pytest.approx(np.array(MACHINE[radius]), abs=1e-5)
    assert policy.tolist() == [0, 1, 0, 0, 0, 0, 1, 1, 1, 1]


def test_machine_replacement_smallest_action_gap() -> None:
    mdp = TabularMDP(*machine_replacement(), 0.8)
    values, _ = value_iteration(mdp)
    worth = np.einsum("sab,sab->sa", mdp.transitions, mdp.rewards + 0.8 * values)
    gaps = worth.max(axis=1) - worth.min(axis=1)
    assert gaps.min() == pytest.approx(0.0997, abs=1e-4)
    assert gaps.argmin() == 5


WINDY_VALUES = [
    *(-4.52438, -4.62153, -4.72467, -4.83433, -4.95108, -5.07554, -5.20840, -5.35041, -5.50239, -5.66527, -5.84003, -6.02775),
    *(-6.22962, -6.44692, -6.68102, -6.93340, -7.20562, -7.49933, -7.60491, -7.64535, -7.69163, -7.74448, -7.80480, -7.87361),
    -7.95215,
]


def test_windy_walk() -> None:
    kernels = np.array([windy_walk(alpha) for alpha in WINDY_ALPHAS])
    solved = [value_iteration(TabularMDP(kernel, windy_rewards(), 0.95)) for kernel in kernels]
    assert [values[WINDY_START] for values, _ in solved] == pytest.approx(WINDY_VALUES, abs=1e-5)
    south = [k for k, (_, policy) in enumerate(solved) if policy[WINDY_START] == 1]
    assert south == list(range(18, 25))
    assert WINDY_ALPHAS[18] == 0.375
    robust, _ = robust_value_iteration(TabularMDP(kernels[0], windy_rewards(), 0.95), Finite(kernels))
    assert robust[WINDY_START] == pytest.approx(-7.952147, abs=1e-6)


def test_counter_example_robust_value() -> None:
    values, policy = robust_value_iteration(TabularMDP(COUNTER_KERNELS[0], COUNTER_REWARDS, 0.9), Finite(COUNTER_KERNELS))
    assert values == pytest.approx(np.array([4.22295, 4.62544, 3.82899]), abs=1e-5)
    assert policy.tolist() == [0, 0, 1]


# --- enumeration -----------------------------------------------------------------------------------------------------


def products(kernels: Array) -> Array:
    """All kernels of the product of the rows, ``(K ** (S A), S, A, S)``."""
    K, S, A, _ = kernels.shape
    states, actions = np.indices((S, A))
    choices = itertools.product(range(K), repeat=S * A)
    return np.array([kernels[np.reshape(choice, (S, A)), states, actions] for choice in choices])


def exact_values(kernels: Array, rewards: Array, gamma: float) -> tuple[list[tuple[int, ...]], Array]:
    """All deterministic policies and their values, ``(policies, kernels, S)``, by plain linear solves."""
    _, S, A, _ = kernels.shape
    policies = list(itertools.product(range(A), repeat=S))
    values = []
    for policy in policies:
        rows = kernels[:, np.arange(S), policy]
        right = np.broadcast_to(rewards[np.arange(S), policy], rows.shape[:2])[..., None]
        values.append(np.linalg.solve(np.eye(S) - gamma * rows, right)[..., 0])
    return policies, np.array(values)


@pytest.mark.parametrize("seed", range(15))
def test_robust_value_equals_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kernels, rewards = rng.dirichlet(np.ones(3), size=(2, 3, 2)), rng.normal(size=(3, 2))
    policies, values = exact_values(products(kernels), rewards, 0.9)
    mdp, rows = TabularMDP(kernels[0], rewards, 0.9), Finite(kernels)
    robust, policy = robust_value_iteration(mdp, rows)
    assert robust == pytest.approx(values.min(axis=1).max(axis=0), abs=1e-6)
    assert robust == pytest.approx(values.max(axis=0).min(axis=0), abs=1e-6)
    assert values[policies.index(tuple(policy))].min(axis=0) == pytest.approx(robust, abs=1e-6)
    for one, of_one in zip(policies, values, strict=True):
        assert robust_policy_evaluation(mdp, np.array(one), rows) == pytest.approx(of_one.min(axis=0), abs=1e-8)


def test_vector_values_of_every_policy_equal_enumeration() -> None:
    vectors = np.stack([COUNTER_REWARDS, np.random.default_rng(0).random((3, 2))], axis=-1)
    mdp = TabularMDP(COUNTER_KERNELS[0], COUNTER_REWARDS, 0.9, vector_rewards=vectors)
    rows, everything = Finite(COUNTER_KERNELS), products(COUNTER_KERNELS)
    policies, first = exact_values(everything, vectors[..., 0], 0.9)
    _, second = exact_values(everything, vectors[..., 1], 0.9)
    values = np.stack([first, second], axis=-1)
    weights = np.array([0.3, 0.7])
    for policy, of_one in zip(policies, values, strict=True):
        assert vector_policy_evaluation(mdp, policy) == pytest.approx(of_one[0], abs=1e-9)
        worst_each = robust_vector_policy_evaluation(mdp, policy, rows)
        worst_sum = robust_policy_evaluation(mdp.scalarized(weights), policy, rows)
        assert worst_each == pytest.approx(of_one.min(axis=0), abs=1e-8)
        assert worst_sum == pytest.approx((of_one @ weights).min(axis=0), abs=1e-8)
        assert (worst_each @ weights <= worst_sum + 1e-9).all()
    # Scalarise, then robustify: the best of all policies for these weights.
    best, _ = robust_value_iteration(mdp.scalarized(weights), rows)
    assert best == pytest.approx((values @ weights).min(axis=1).max(axis=0), abs=1e-8)


# --- laws ------------------------------------------------------------------------------------------------------------


@st.composite
def processes(draw: st.DrawFn) -> TabularMDP:
    """A process with zeros, ties, either shape of rewards, dense or with successor lists."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    S, A = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    b = draw(st.integers(1, 4))
    successors = rng.integers(0, S, size=(S, A, b)) if draw(st.booleans()) else None
    shape = (S, A, S if successors is None else b)
    raw = rng.integers(0, 4, size=shape).astype(float)
    raw = np.where(raw.sum(axis=-1, keepdims=True) > 0, raw, 1.0)
    rewards = rng.integers(-4, 5, size=shape if draw(st.booleans()) else (S, A)) / 2
    gamma = draw(st.sampled_from([0.0, 0.5, 0.9, 0.99]))
    return TabularMDP(raw / raw.sum(axis=-1, keepdims=True), rewards, gamma, successors=successors)


radii = st.sampled_from([0.0, 0.1, 0.5, 1.5])
LAWS = settings(max_examples=30)


def dense(mdp: TabularMDP) -> TabularMDP:
    """The same process without successor lists; rewards become expected rewards."""
    rewards = (mdp.transitions * mdp.rewards).sum(axis=-1) if mdp.rewards.ndim == 3 else mdp.rewards
    if mdp.successors is None:
        return TabularMDP(mdp.transitions, rewards, mdp.gamma)
    transitions = np.zeros((mdp.num_states, mdp.num_actions, mdp.num_states))
    for (s, a, j), to in np.ndenumerate(mdp.successors):
        transitions[s, a, to] += mdp.transitions[s, a, j]
    return TabularMDP(transitions, rewards, mdp.gamma)


def as_lists(mdp: TabularMDP) -> TabularMDP:
    """The same dense process, every state listed as a successor."""
    S, A = mdp.num_states, mdp.num_actions
    return TabularMDP(mdp.transitions, mdp.rewards, mdp.gamma, successors=np.tile(np.arange(S), (S, A, 1)))


@LAWS
@given(mdp=processes())
def test_lists_and_dense_agree(mdp: TabularMDP) -> None:
    values, policy = value_iteration(mdp)
    assert value_iteration(dense(mdp))[0] == pytest.approx(values, abs=1e-8)
    assert policy_evaluation(mdp, policy) == pytest.approx(values, abs=1e-8)
    assert policy_evaluation(mdp, np.eye(mdp.num_actions)[policy]) == pytest.approx(values, abs=1e-8)
    if mdp.successors is None:
        for ambiguity in (L1(0.3), Box(0.1), KL(0.2), SRectangularL1(0.5)):
            robust = robust_value_iteration(mdp, ambiguity)[0]  # type: ignore[call-overload]
            listed = robust_value_iteration(as_lists(mdp), ambiguity)[0]  # type: ignore[call-overload]
            assert listed == pytest.approx(robust, abs=1e-8)


@LAWS
@given(mdp=processes(), radius=radii, larger=radii, support=st.sampled_from(["simplex", "nominal"]))
def test_robust_is_never_better_and_larger_sets_never_better(
    mdp: TabularMDP, radius: float, larger: float, support: Any
) -> None:
    nominal, _ = value_iteration(mdp)
    larger = max(radius, larger)
    pairs: list[tuple[Any, Any]] = [
        (L1(radius, support), L1(larger, support)),
        (Box(radius, support=support), Box(larger, support=support)),
        (KL(radius), KL(larger)),
        (SRectangularL1(radius, support), SRectangularL1(larger, support)),
    ]
    for small, large in pairs:
        robust, policy = robust_value_iteration(mdp, small)
        assert (robust <= nominal + 1e-8).all()
        assert (robust_value_iteration(mdp, large)[0] <= robust + 1e-8).all()
        # The policy attains the value, in a process of the set.
        assert robust_policy_evaluation(mdp, policy, small) == pytest.approx(robust, abs=1e-7)
        assert policy_evaluation(worst_case(mdp, policy, small), policy) == pytest.approx(robust, abs=1e-6)
        if radius == 0:
            assert robust == pytest.approx(nominal, abs=1e-8)
        if small.rectangularity == "sa":
            assert (robust_value_iteration(mdp, small, optimistic=True)[0] >= nominal - 1e-8).all()


@LAWS
@given(mdp=processes(), radius=radii)
def test_one_budget_per_state_lies_between_budgets_per_pair(mdp: TabularMDP, radius: float) -> None:
    shared = robust_value_iteration(mdp, SRectangularL1(radius))[0]
    assert (shared >= robust_value_iteration(mdp, L1(radius))[0] - 1e-8).all()
    assert (shared <= robust_value_iteration(mdp, L1(radius / mdp.num_actions))[0] + 1e-8).all()


@LAWS
@given(mdp=processes())
def test_one_kernel_is_ordinary_planning(mdp: TabularMDP) -> None:
    values, policy = value_iteration(mdp)
    robust, robust_policy = robust_value_iteration(mdp, Finite(mdp.transitions[None]))
    assert robust == pytest.approx(values, abs=1e-9)
    assert (robust_policy == policy).all()


@LAWS
@given(mdp=processes(), seed=st.integers(0, 1000))
def test_stochastic_policies(mdp: TabularMDP, seed: int) -> None:
    policy = np.random.default_rng(seed).dirichlet(np.ones(mdp.num_actions), size=mdp.num_states)
    values = policy_evaluation(mdp, policy)
    for ambiguity in (L1(0.3), Box(0.1), KL(0.2), SRectangularL1(0.5), Finite(mdp.transitions[None])):
        robust = robust_policy_evaluation(mdp, policy, ambiguity)
        assert (robust <= values + 1e-8).all()
        assert (robust <= robust_value_iteration(mdp, ambiguity)[0] + 1e-8).all()  # type: ignore[call-overload]
        assert policy_evaluation(worst_case(mdp, policy, ambiguity), policy) == pytest.approx(robust, abs=1e-6)


def test_a_stochastic_policy_can_protect_against_one_budget_per_state() -> None:
    # Two bets on opposite outcomes: nature knows the policy, not the draw.
    mdp = TabularMDP([[[0.5, 0.5], [0.5, 0.5]]], [[[0.0, 1.0], [1.0, 0.0]]], 0.5, successors=np.zeros((1, 2, 2), int))
    values, policy = robust_value_iteration(mdp, SRectangularL1(0.4))
    assert policy == pytest.approx(np.array([[0.5, 0.5]]))
    assert values[0] == pytest.approx(0.4 / 0.5)
    assert max(robust_policy_evaluation(mdp, [a], SRectangularL1(0.4))[0] for a in (0, 1)) == pytest.approx(0.3 / 0.5)


@pytest.mark.parametrize("ambiguity", [L1(0.3), KL(0.1), Box(0.05), SRectangularL1(1.0)])
def test_plain_sweeps_find_the_same_values_where_systems_are_not_solved_directly(ambiguity: Any) -> None:
    rng = np.random.default_rng(0)
    S, A, b, gamma = 1_200, 3, 5, 0.7
    transitions, successors = rng.dirichlet(np.ones(b), size=(S, A)), rng.integers(0, S, size=(S, A, b))
    rewards = rng.random((S, A))
    mdp = TabularMDP(transitions, rewards, gamma, successors=successors)
    values = np.zeros(S)
    for _ in range(60):
        worth = rewards[..., None] + gamma * values[successors]
        if ambiguity.rectangularity == "s":
            values = ambiguity.maximin(worth, transitions)[0]
        else:
            values = ambiguity.worst_value(worth, transitions).max(axis=1)
    robust, policy = robust_value_iteration(mdp, ambiguity)
    assert robust == pytest.approx(values, abs=1e-7)
    assert robust_policy_evaluation(mdp, policy, ambiguity) == pytest.approx(values, abs=1e-7)
    assert policy_evaluation(worst_case(mdp, policy, ambiguity), policy) == pytest.approx(values, abs=1e-7)


def test_discount_close_to_one_and_large_rewards_end() -> None:
    transitions, rewards = river_swim()
    mdp = TabularMDP(transitions, 1e6 * rewards, 0.9999)
    values, policy = robust_value_iteration(mdp, L1(0.1), tolerance=1e-12)
    assert robust_policy_evaluation(mdp, policy, L1(0.1)) == pytest.approx(values, rel=1e-9)


def test_ties_go_to_the_lowest_action() -> None:
    rng = np.random.default_rng(0)
    row = rng.dirichlet(np.ones(40), size=(40, 1))
    mdp = TabularMDP(np.repeat(row, 5, axis=1), np.repeat(rng.random((40, 1)), 5, axis=1), 0.95)
    assert (robust_value_iteration(mdp, L1(0.2))[1] == 0).all()


# --- bad input -------------------------------------------------------------------------------------------------------

GOOD = np.full((2, 1, 2), 0.5)
ZERO = np.zeros((2, 1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.full((2, 2), 0.5), ZERO, 0.9), ShapeError, r"\(2, 2\): expected \(S, A, S\)"),
        ((np.full((2, 1, 3), 1 / 3), ZERO, 0.9), ShapeError, "successors"),
        ((0.9 * GOOD, ZERO, 0.9), ConfigurationError, r"transitions\[0, 0\] sums to 0.9 instead of 1"),
        ((np.array([[[1.5, -0.5]], [[0, 1]]]), ZERO, 0.9), ConfigurationError, r"transitions\[0, 0, 1\] is -0.5"),
        ((np.full((2, 1, 2), np.nan), ZERO, 0.9), ConfigurationError, "NaN"),
        ((GOOD, np.zeros(2), 0.9), ShapeError, r"rewards has shape \(2,\)"),
        ((GOOD, np.full((2, 1), np.inf), 0.9), ConfigurationError, "finite rewards"),
        ((GOOD, ZERO, 1.0), ConfigurationError, r"gamma=1.0: expected a number in \[0, 1\)"),
        ((GOOD, ZERO, -0.1), ConfigurationError, "gamma=-0.1"),
        ((GOOD, ZERO, float("nan")), ConfigurationError, "gamma=nan"),
        ((GOOD, ZERO, 0.9, np.zeros((2, 1, 3), int)), ShapeError, "they must agree"),
        ((GOOD, ZERO, 0.9, np.zeros((2, 1, 2))), ConfigurationError, "expected integers"),
        ((GOOD, ZERO, 0.9, np.full((2, 1, 2), 2)), ConfigurationError, r"expected states in \[0, 1\]"),
    ],
)
def test_bad_process(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    *process, successors = arguments if len(arguments) == 4 else (*arguments, None)
    with pytest.raises(error, match=message):
        TabularMDP(*process, successors=successors)


def test_bad_vector_rewards() -> None:
    with pytest.raises(ShapeError, match="vector_rewards has shape"):
        TabularMDP(GOOD, ZERO, 0.9, vector_rewards=np.zeros((2, 1)))
    with pytest.raises(ShapeError, match="vector_rewards has shape"):
        TabularMDP(GOOD, ZERO, 0.9, vector_rewards=np.zeros((3, 1, 2)))
    mdp = TabularMDP(GOOD, ZERO, 0.9)
    with pytest.raises(ConfigurationError, match="no vector rewards"):
        mdp.scalarized([1.0])
    with pytest.raises(ShapeError, match="one per objective"):
        TabularMDP(GOOD, ZERO, 0.9, vector_rewards=np.zeros((2, 1, 2, 3))).scalarized([1.0])


@pytest.mark.parametrize(
    ("policy", "error", "message"),
    [
        ([0], ShapeError, "policy has shape"),
        ([0.0, 0.0], ConfigurationError, "expected integers"),
        ([0, 1], ConfigurationError, r"expected \[0, 0\]"),
        ([[0.5], [1.0]], ConfigurationError, r"policy\[0\] sums to 0.5"),
    ],
)
def test_bad_policy(policy: Any, error: type[Exception], message: str) -> None:
    mdp = TabularMDP(GOOD, ZERO, 0.9)
    for evaluate in (policy_evaluation, lambda m, p: robust_policy_evaluation(m, p, L1(0.1))):
        with pytest.raises(error, match=message):
            evaluate(mdp, policy)


def test_bad_settings() -> None:
    mdp = TabularMDP(GOOD, ZERO, 0.9)
    with pytest.raises(ConfigurationError, match="tolerance=0"):
        robust_value_iteration(mdp, L1(0.1), tolerance=0)
    with pytest.raises(CapabilityError, match="sa-rectangular set of the same radius"):
        robust_value_iteration(mdp, SRectangularL1(0.1), optimistic=True)
