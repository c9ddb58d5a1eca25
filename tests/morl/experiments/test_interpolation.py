"""Policies between the policies of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from morl import Run
from morl.archives import ParetoArchive
from morl.cli import app
from morl.cooperation import HardTransfer
from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation
from morl.experiments.interpolation import barrier, neighbouring_pairs
from morl.experiments.result import Preference
from morl.functional.dominance import non_dominated
from morl.indicators import hypervolume
from morl.policies.interpolation import interpolated, obstacle
from morl.solvers import MOPPO, MORLD, MOQLearning
from tests.conformance.cases import LEAVES

BANDIT = "continuous/quadratic-bandit-v0"


@pytest.fixture(scope="module")
def run() -> Any:
    """Two members that are copies until their weights pull them apart, on a bandit whose front is between two centres."""
    solver = MOPPO(hidden=(16,), rows_per_member=32, horizon=8, epochs=8, minibatch_size=64, learning_rate=3e-3)
    outer = MORLD(
        solver=solver, num_members=2, weights="extrema", exchange_period=1_024, cooperation=(HardTransfer(payload="all"),)
    )
    return outer.run(BANDIT, env_steps=6 * 1_024, evaluation=Evaluation(episodes=2))


@given(seed=st.integers(0, 10_000), n=st.integers(1, 12))
def test_neighbours_of_two_objectives_follow_each_other(seed: int, n: int) -> None:
    points = np.random.default_rng(seed).normal(size=(3 * n, 2))
    front = points[non_dominated(points)]
    front = front[front[:, 0].argsort()] * [3.0, 0.01]
    pairs = neighbouring_pairs(front)
    assert sorted(pairs.tolist()) == [[i, i + 1] for i in range(len(front) - 1)]
    gaps = np.linalg.norm((front[pairs[:, 1]] - front[pairs[:, 0]]) / np.maximum(np.ptp(front, 0), 1e-300), axis=1)
    assert (np.diff(gaps) <= 1e-9).all()


def test_neighbours_of_three_objectives_hang_together() -> None:
    points = np.abs(np.random.default_rng(0).normal(size=(30, 3)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    pairs, reached = neighbouring_pairs(points).tolist(), {0}
    for _ in points:
        reached |= {i for pair in pairs if reached & set(pair) for i in pair}
    assert len(reached) == 30
    assert len(pairs) < 30 * 29 / 2 / 3


def test_relatives_fill_the_front_between_them(run: Any) -> None:
    found = run.interpolate(between=3)
    assert found.valleys == 0
    assert found.added > 0
    assert found.gain > 0
    before, after = (hypervolume(r.front, run.summary["reference_point"]) for r in (run, found.result))
    np.testing.assert_allclose(after - before, found.gain)
    np.testing.assert_allclose(found.result.indicators["hypervolume"], after)
    assert len(found.result.archive) == len(found.result.front) > len(run.front)
    assert found.tried == 3 * len(found.pairs) == len(found.result.tables["interpolation"])
    # A step per episode, and two episodes per policy.
    assert found.env_steps == 2 * found.tried
    assert "between" in str(found)
    assert "\n" not in str(found)
    # The archive's values are what the new policies return.
    new = [entry for entry in found.result.entries if entry not in run.entries]
    values = run.judge([entry.policy for entry in new], weights=np.stack([entry.weights for entry in new])).mean()
    np.testing.assert_allclose(values, np.stack([entry.values for entry in new]))


def test_a_run_from_files_says_the_same_and_is_saved_with_what_was_added(run: Any, tmp_path: Path) -> None:
    found = Run.load(run.save(tmp_path / "run")).interpolate(between=2)
    ours = run.interpolate(between=2)
    np.testing.assert_allclose(found.result.front, ours.result.front)
    assert [pair.barrier for pair in found.pairs] == pytest.approx([pair.barrier for pair in ours.pairs])
    command = ["interpolate", str(tmp_path / "run"), "--between", "2", "--out", str(tmp_path / "by-hand"), "--json"]
    told = json.loads(CliRunner().invoke(app, command).stdout)
    assert told["added"] == found.added
    again = Run.load(told["run"])
    np.testing.assert_array_equal(again.front, found.result.front)
    assert again.tables["interpolation"] == found.result.tables["interpolation"]
    assert len(run.interpolate(between=1, pairs=1).pairs) == min(1, len(ours.pairs))


@pytest.mark.parametrize("name", ["mosac", "moppo", "modqn", "eupg", "subpo_gru"])
def test_at_its_ends_the_way_is_the_policies_themselves(name: str) -> None:
    one, other = LEAVES[name].make().policies()[:2]
    assert obstacle(one, other) == ""  # type: ignore[arg-type]
    start, half, end = interpolated(one, other, [0.0, 0.5, 1.0])  # type: ignore[arg-type]
    assert start.is_same(one)
    assert end.is_same(other)
    for key, tensor in half.tensors().items():
        torch.testing.assert_close(tensor, (one.tensors()[key] + other.tensors()[key]) / 2)


def test_the_barrier_is_what_the_worst_on_the_way_lacks() -> None:
    ends = np.array([[1.0, 0.0], [0.0, 1.0]])
    halves = np.array([[0.5, 0.5]])
    assert barrier(Preference(), ends, np.array([[0.7, 0.7]]), halves) == pytest.approx(0.2)
    assert barrier(Preference(), ends, np.array([[0.1, 0.2]]), halves) == pytest.approx(-0.35)
    assert barrier(Preference(), ends, np.array([[0.1, 0.2]]), halves * np.nan) == pytest.approx(-0.35)


def permuted(policy: Any, seed: int) -> Any:
    """The same policy with its hidden units in another order: what a stranger is, in the purest form."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(16))
    tensors = policy.tensors()
    for number, axis in enumerate([2, 1, 2]):  # where the hidden units are in the weights and biases of both layers
        tensors[f"parameters/{number}"] = tensors[f"parameters/{number}"].index_select(axis, order)
    return type(policy).from_parts(policy.config(), tensors)


def test_strangers_are_named(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    archive = ParetoArchive()
    archive.add([replace(entry, policy=permuted(entry.policy, i)) for i, entry in enumerate(run.entries)])
    strangers = replace(run, archive=archive)
    values = run.judge([entry.policy for entry in strangers.entries]).mean()
    np.testing.assert_allclose(values, run.front, atol=1e-5)
    found = strangers.interpolate(between=1)
    assert found.valleys > len(found.pairs) / 2
    assert "they are strangers" in caplog.text
    assert found.gain < run.interpolate(between=1).gain


def test_where_nothing_lies_between_it_says_so(run: Any) -> None:
    tables = MORLD(solver=MOQLearning(rows_per_member=2), num_members=3, exchange_period=200).run(
        "tabular/treasure-corridor-v0", env_steps=2_000
    )
    for wrong, error, message in (
        (lambda: run.interpolate(between=0), ConfigurationError, "between must be a whole number of at least 1, found 0"),
        (lambda: run.interpolate(pairs=1.5), ConfigurationError, "pairs must be a whole number"),
        (tables.interpolate, CapabilityError, r"policies of this run: they are tables of choices|there is only one"),
    ):
        with pytest.raises(error, match=message) as caught:
            wrong()
        assert "\n" not in str(caught.value)


def test_policies_of_different_networks_do_not_mix() -> None:
    small, large = (LEAVES[name].make().policies()[0] for name in ("mosac", "moppo"))
    assert obstacle(small, large) == "they have different networks"  # type: ignore[arg-type]
    assert obstacle(small, small) == "they are one network, which can be asked at any weights"  # type: ignore[arg-type]
