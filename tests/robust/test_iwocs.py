"""IWOCS on tables: published traces, the counter-example, certificates, bad input."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.errors import ConfigurationError, ShapeError
from robust import IWOCS, IWOCSResult
from robust.tabular import Finite, TabularMDP, policy_evaluation, robust_value_iteration, value_iteration
from tests.robust.tabular.test_planning import products
from tests.robust.worlds import (
    COUNTER_KERNELS,
    COUNTER_REWARDS,
    WINDY_ALPHAS,
    WINDY_START,
    duality_gap,
    windy_rewards,
    windy_walk,
)

each_aggregator = pytest.mark.parametrize("aggregator", ["min_q", "hull"])


def check_bounds(result: IWOCSResult, kernels: Any, rewards: Any, gamma: float, *, rectangular: bool, start: int = 0) -> None:
    """What holds at every iteration: the certificate, and the two properties of the aggregated action values."""
    mdp = TabularMDP(kernels[0], rewards, gamma)
    robust, _ = robust_value_iteration(mdp, Finite(kernels))
    per_outcome = rewards if np.ndim(rewards) == 3 else rewards[..., None]
    floor = np.einsum("ksab,sab->ksa", kernels, per_outcome + gamma * robust).min(axis=0)
    lower, upper, previous = -np.inf, np.inf, np.full(np.shape(rewards)[:2], np.inf)
    for step in result.history:
        # Never below the exact robust action values of the product of all rows, and never rising.
        assert (step.action_values >= floor - 1e-8).all()
        assert (step.action_values <= previous + 1e-8).all()
        assert step.lower >= lower
        assert step.upper <= upper
        assert step.lower <= step.upper + 1e-8
        assert step.worst_value <= step.lower
        lower, upper, previous = step.lower, step.upper, step.action_values
    assert result.lower == lower
    assert result.upper == upper
    assert result.gap == upper - lower
    assert result.solves == len(result.history)
    if rectangular:
        assert result.lower <= robust[start] + 1e-8
        assert result.upper >= robust[start] - 1e-8


@each_aggregator
@pytest.mark.parametrize("rectangular", [False, True])
@pytest.mark.parametrize(("initial", "first"), [(0, -4.524381), (12, -6.229623)])
def test_windy_walk(aggregator: Any, rectangular: bool, initial: int, first: float) -> None:
    kernels = np.array([windy_walk(alpha) for alpha in WINDY_ALPHAS])
    result = IWOCS(aggregator=aggregator).solve_tabular(
        kernels, windy_rewards(), 0.95, start_state=WINDY_START, initial_kernel=initial, rectangular=rectangular
    )
    assert [step.estimate for step in result.history] == pytest.approx([first, -7.952147], abs=1e-6)
    assert [step.worst_value for step in result.history] == pytest.approx([-10.294413, -7.952147], abs=1e-6)
    assert [step.worst_kernel.max() for step in result.history] == [24, 24]
    assert (result.status, result.solves) == ("converged", 2)
    check_bounds(result, kernels, windy_rewards(), 0.95, rectangular=rectangular)


@pytest.mark.parametrize("aggregator", ["min_q", "hull"])
def test_duality_gap_is_reported(aggregator: Any) -> None:
    kernels, rewards = duality_gap()
    result = IWOCS(aggregator=aggregator).solve_tabular(kernels, rewards, 0.9)
    assert (result.status, result.solves) == ("stalled", 2)
    assert [step.worst_value for step in result.history] == pytest.approx([0.2025, 0.4050], abs=1e-9)
    assert result.lower == pytest.approx(0.405, abs=1e-9)
    assert result.upper == pytest.approx(0.6075, abs=1e-9)
    assert result.gap == pytest.approx(0.2025, abs=1e-9)
    assert result.semantics == {"min_q": "static", "hull": "rectangular_hull"}[aggregator]
    check_bounds(result, kernels, rewards, 0.9, rectangular=False)
    if aggregator == "min_q":
        assert [step.estimate for step in result.history] == pytest.approx([0.6075, 0.6075], abs=1e-9)
    # Bounds of the list of kernels, by enumeration: optimal values, and the best deterministic guarantee.
    assert [value_iteration(TabularMDP(k, rewards, 0.9))[0][0] for k in kernels] == pytest.approx([0.6075, 0.6075])
    policies = [np.array([0, a, b, 0, 0, 0]) for a in (0, 1) for b in (0, 1)]
    worst = [min(policy_evaluation(TabularMDP(k, rewards, 0.9), p)[0] for k in kernels) for p in policies]
    assert max(worst) == pytest.approx(0.405)
    assert robust_value_iteration(TabularMDP(kernels[0], rewards, 0.9), Finite(kernels))[0][0] == pytest.approx(0.405)


def written_out(kernel: Any) -> str:
    """A kernel as the candidates of its rows."""
    return "".join(map(str, np.ravel(kernel)))


def test_min_q_stalls_on_the_counter_example() -> None:
    result = IWOCS(aggregator="min_q").solve_tabular(COUNTER_KERNELS, COUNTER_REWARDS, 0.9, rectangular=True)
    assert [written_out(step.kernel) for step in result.history] == ["000000", "000101", "001010"]
    assert [written_out(step.worst_kernel) for step in result.history] == ["000101", "001010", "001010"]
    assert [step.policy.tolist() for step in result.history] == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert [step.estimate for step in result.history] == pytest.approx([6.9509, 6.5991, 6.5991], abs=1e-4)
    assert [step.worst_value for step in result.history] == pytest.approx([3.7749, 3.7894, 3.7894], abs=1e-4)
    assert (result.status, result.semantics) == ("stalled", "rectangular")
    assert result.policy.tolist() == [0, 0, 0]
    assert 1 - result.lower / 4.22295 == pytest.approx(0.103, abs=1e-3)
    check_bounds(result, COUNTER_KERNELS, COUNTER_REWARDS, 0.9, rectangular=True)


def test_hull_solves_the_counter_example() -> None:
    result = IWOCS(aggregator="hull").solve_tabular(COUNTER_KERNELS, COUNTER_REWARDS, 0.9, rectangular=True)
    assert [step.policy.tolist() for step in result.history] == [[0, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert [step.worst_value for step in result.history] == pytest.approx([3.7749, 3.7894, 4.2229], abs=1e-4)
    assert result.history[-1].estimate == pytest.approx(4.22295, abs=1e-5)
    assert result.lower == pytest.approx(4.22295, abs=1e-5)
    assert (result.status, result.policy.tolist()) == ("converged", [0, 0, 1])
    check_bounds(result, COUNTER_KERNELS, COUNTER_REWARDS, 0.9, rectangular=True)


@pytest.mark.parametrize(("aggregator", "lower"), [("min_q", 3.7894), ("hull", 4.22295)])
def test_the_counter_example_as_a_list_of_all_64_kernels(aggregator: Any, lower: float) -> None:
    everything = products(COUNTER_KERNELS)
    result = IWOCS(aggregator=aggregator).solve_tabular(everything, COUNTER_REWARDS, 0.9)
    named = IWOCS(aggregator=aggregator).solve_tabular(COUNTER_KERNELS, COUNTER_REWARDS, 0.9, rectangular=True)
    assert result.lower == pytest.approx(lower, abs=1e-4)
    check_bounds(result, everything, COUNTER_REWARDS, 0.9, rectangular=False)
    assert [f"{step.worst_kernel[0, 0]:06b}" for step in result.history][:2] == ["000101", "001010"]
    assert [step.policy.tolist() for step in result.history][:3] == [step.policy.tolist() for step in named.history]


def random_rectangular(seed: int) -> tuple[Any, Any]:
    """Kernels ``(2, 3, 2, 3)`` and rewards ``(3, 2)``: two candidate rows per pair."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(3), size=(3, 2, 2))
    return np.moveaxis(rows, 2, 0), rng.random((3, 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("aggregator", "converged", "stalled", "stalled_below", "mean_solves"),
    [("min_q", 699, 93, 8, 2.05), ("hull", 800, 0, 0, 2.06)],
)
def test_800_random_rectangular_sets(
    aggregator: Any, converged: int, stalled: int, stalled_below: int, mean_solves: float
) -> None:
    counts: Counter[tuple[str, bool]] = Counter()
    solves = []
    for seed in range(800):
        kernels, rewards = random_rectangular(seed)
        result = IWOCS(aggregator=aggregator).solve_tabular(kernels, rewards, 0.9, rectangular=True)
        check_bounds(result, kernels, rewards, 0.9, rectangular=True)
        robust, _ = robust_value_iteration(TabularMDP(kernels[0], rewards, 0.9), Finite(kernels))
        counts[result.status, bool(abs(result.lower - robust[0]) <= 1e-6)] += 1
        solves.append(result.solves)
    expected = {("converged", True): converged, ("stalled", True): stalled, ("stalled", False): stalled_below}
    assert counts == {key: count for key, count in expected.items() if count}
    # The tables print two digits: 2.0525 and 2.055.
    assert np.mean(solves) == pytest.approx(mean_solves, abs=0.0051)
    assert max(solves) == 4


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    aggregator=st.sampled_from(["min_q", "hull"]),
    rectangular=st.booleans(),
    per_outcome=st.booleans(),
)
def test_certificates_bracket_the_truth(seed: int, aggregator: Any, rectangular: bool, per_outcome: bool) -> None:
    rng = np.random.default_rng(seed)
    K, S, A, gamma = int(rng.integers(1, 4)), 3, 2, 0.8
    kernels = rng.dirichlet(np.ones(S), size=(K, S, A))
    rewards = rng.random((S, A, S) if per_outcome else (S, A))
    start, initial = int(rng.integers(S)), int(rng.integers(K))
    result = IWOCS(aggregator=aggregator).solve_tabular(
        kernels, rewards, gamma, start_state=start, initial_kernel=initial, rectangular=rectangular
    )
    everything = products(kernels) if rectangular else kernels
    check_bounds(result, kernels, rewards, gamma, rectangular=rectangular, start=start)
    policies = np.array(np.meshgrid(*[range(A)] * S)).reshape(S, -1).T
    worst = {tuple(p): min(policy_evaluation(TabularMDP(k, rewards, gamma), p)[start] for k in everything) for p in policies}
    dual = min(value_iteration(TabularMDP(k, rewards, gamma))[0][start] for k in everything)
    assert result.lower == pytest.approx(worst[tuple(result.policy)], abs=1e-8)
    assert result.lower <= max(worst.values()) + 1e-8
    assert result.upper >= max(worst.values()) - 1e-8
    assert result.upper >= dual - 1e-8
    if aggregator == "hull" and rectangular:
        assert result.status == "converged"
        assert result.lower == pytest.approx(dual, abs=1e-6)


@each_aggregator
@pytest.mark.parametrize("rectangular", [False, True])
def test_one_kernel_is_ordinary_planning(aggregator: Any, rectangular: bool) -> None:
    kernels, rewards = random_rectangular(0)
    result = IWOCS(aggregator=aggregator).solve_tabular(kernels[:1], rewards, 0.9, rectangular=rectangular)
    values, policy = value_iteration(TabularMDP(kernels[0], rewards, 0.9))
    assert (result.status, result.solves) == ("converged", 1)
    assert result.policy.tolist() == policy.tolist()
    assert result.lower == pytest.approx(values[0], abs=1e-9)


def test_running_out_of_iterations_is_said_and_keeps_the_best_policy() -> None:
    result = IWOCS(max_iterations=2).solve_tabular(COUNTER_KERNELS, COUNTER_REWARDS, 0.9, rectangular=True)
    assert (result.status, result.solves) == ("exhausted", 2)
    assert result.gap > 1
    assert result.lower == max(step.worst_value for step in result.history)


def test_weighted_objectives_give_the_supported_robust_front() -> None:
    second = np.random.default_rng(0).random((3, 2))
    policies = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    everything = products(COUNTER_KERNELS)
    for w in np.linspace(0, 1, 11):
        rewards = w * COUNTER_REWARDS + (1 - w) * second
        best = max(min(policy_evaluation(TabularMDP(k, rewards, 0.9), p)[0] for k in everything) for p in policies)
        result = IWOCS().solve_tabular(COUNTER_KERNELS, rewards, 0.9, rectangular=True)
        assert (result.status, result.lower) == ("converged", pytest.approx(best, abs=1e-7))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"aggregator": "mean"}, "must be one of 'min_q', 'hull'"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"max_iterations": 0}, "at least (one|1)"),
    ],
)
def test_bad_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IWOCS(**fields)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"kernels": COUNTER_KERNELS[0]}, ShapeError, r"expected \(K, S, A, b\)"),
        ({"kernels": np.full((1, 3, 2, 2), 0.5)}, ShapeError, r"expected \(K, S, A, S\)"),
        ({"kernels": COUNTER_KERNELS * 0.9}, ConfigurationError, r"kernels\[0, 0, 0\] sums to 0.9"),
        ({"kernels": np.full((2, 3, 2, 3), np.nan)}, ConfigurationError, "kernels contains NaN"),
        ({"kernels": COUNTER_KERNELS - [1.0, -1.0, 0.0]}, ConfigurationError, r"kernels\[0, 0, 0, 0\] is -0.91"),
        ({"rewards": COUNTER_REWARDS * np.inf}, ConfigurationError, "rewards contains NaN or infinity"),
        ({"gamma": float("nan")}, ConfigurationError, "gamma=nan"),
        ({"rewards": np.zeros(3)}, ShapeError, "rewards has shape"),
        ({"gamma": 1.0}, ConfigurationError, "gamma=1.0"),
        ({"start_state": 3}, ConfigurationError, r"start_state=3: expected an integer in \[0, 2\]"),
        ({"initial_kernel": -1}, ConfigurationError, r"initial_kernel=-1: expected an integer in \[0, 1\]"),
    ],
)
def test_bad_problem(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    problem: dict[str, Any] = {"kernels": COUNTER_KERNELS, "rewards": COUNTER_REWARDS, "gamma": 0.9} | changes
    with pytest.raises(error, match=message):
        IWOCS().solve_tabular(**problem)
