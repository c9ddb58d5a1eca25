"""Comparisons on equal terms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny

from envs.cormab import budget_instance, capacity_instance, interventions_instance
from morl.cormab import BASELINES, compare
from morl.cormab.baselines import JointOptimum, Myopic, Null, Random, WhittleIndex
from morl.cormab.intervals import bootstrap_interval
from morl.errors import ConfigurationError, ShapeError
from morl.experiments.tables import read_table

INSTANCES = [capacity_instance(num_arms=8, budget=3, seed=seed) for seed in range(4)]


class Infeasible:
    """Asks for everything."""

    def prepare(self, instance, *, horizon, seed):
        return lambda states, step, rng: np.ones((len(states), instance.num_actions), np.bool_)


@pytest.fixture(scope="module")
def result():
    contenders = {**BASELINES, "again": Myopic(), "nobody": Null(), "everything": Infeasible()}
    return compare(contenders, INSTANCES, episodes=30, horizon=10, timed_decisions=5)


def scores(result, name):
    return result.expected[result.names.index(name)]


def test_the_same_policy_meets_the_same_luck(result):
    np.testing.assert_array_equal(scores(result, "myopic"), scores(result, "again"))
    assert result.difference("again", "myopic") == (0.0, 0.0, 0.0)
    again = compare({"myopic": Myopic(), "random": Random()}, INSTANCES, episodes=30, horizon=10)
    np.testing.assert_array_equal(scores(again, "myopic"), scores(result, "myopic"))
    np.testing.assert_array_equal(scores(again, "random"), scores(result, "random"))
    other = compare({"myopic": Myopic()}, INSTANCES, episodes=30, horizon=10, seed=1)
    assert not np.array_equal(scores(other, "myopic"), scores(result, "myopic"))


def test_policies_lie_between_nothing_and_the_bound(result):
    assert (result.null < result.bound).all()
    mean = dict(zip(result.names, result.normalised.mean(axis=1), strict=True))
    assert abs(mean["nobody"]) < 0.02
    assert mean["nobody"] < mean["random"] < mean["sampling"] < mean["look-ahead"] <= 1.02
    assert mean["myopic"] < mean["look-ahead"]
    # Expected and realised rewards have the same mean.
    difference = result.realised - result.expected
    assert np.abs(difference.mean(axis=2)).max() < 5 * (difference.std(axis=2) / np.sqrt(30)).max()


def test_infeasible_actions_are_counted(result):
    counted = dict(zip(result.names, result.infeasible.sum(axis=1), strict=True))
    assert counted.pop("everything") == 4 * 30 * 10
    assert not any(counted.values())


def test_tables(result, tmp_path):
    assert [row["policy"] for row in result.table] == ["nothing", *result.names, "upper bound"]
    row = next(row for row in result.table if row["policy"] == "look-ahead")
    assert row["normalised_min"] <= row["normalised_low"] + 0.1 <= row["normalised"] + 0.1
    assert row["normalised_low"] <= row["normalised"] <= row["normalised_high"]
    assert 0 < row["decision_ms_mean"] < 1e3
    assert len(result.instances) == 4 * len(result.names)
    result.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison.csv", "comparison.png", "instances.csv"]
    assert read_table(tmp_path / "comparison.csv")[1] == {column: result.table[1].get(column) for column in result.table[1]}
    report = result.report()
    assert set(report.tables) == {"comparison", "instances"}
    assert set(report.figures) == {"comparison"}
    low, high = result.difference("look-ahead", "myopic")[1:]
    assert 0.0 < low <= result.difference("look-ahead", "myopic")[0] <= high
    assert result.table is result.table


def test_one_instance_and_first_states():
    result = compare({"optimum": JointOptimum(), "myopic": Myopic()}, [tiny("budget")], episodes=400, start=0.0)
    assert result.scores[:, 0] == pytest.approx([5.959660, 4.392124], abs=0.15)
    assert result.null == pytest.approx([0.656745], abs=1e-5)
    low, high = (result.table[1][name] for name in ("normalised_low", "normalised_high"))
    assert low < result.table[1]["normalised"] < high
    assert high - low < 0.05


def test_policies_that_do_not_exist_are_left_out():
    result = compare(BASELINES, [interventions_instance(num_arms=8, budget=2, num_interventions=5)], episodes=3, horizon=4)
    assert "whittle index" not in result.names
    assert "look-ahead" in result.names
    with pytest.raises(ConfigurationError, match="none of the policies"):
        compare({"index": WhittleIndex()}, [tiny("sigmoid")], episodes=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contenders": {}}, "0 policies"),
        ({"instances": []}, "0 instances"),
        ({"episodes": 0}, "episodes is 0"),
        ({"horizon": 0}, "horizon is 0"),
        ({"level": 1.0}, "level is 1"),
        ({"start": 2.0}, "start is 2.0"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        compare(**{"contenders": {"a": Myopic()}, "instances": [budget_instance(num_arms=3, budget=1)], **arguments})


def test_unknown_names_are_refused(result):
    with pytest.raises(ConfigurationError, match="no policy is called 'best'; there are random"):
        result.difference("best", "myopic")


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 0.99))
def test_intervals_hold_the_mean_and_move_with_the_values(seed, level):
    values = np.random.default_rng(seed).normal(size=(2, 8))
    low, high = bootstrap_interval(values, np.random.default_rng(0), level=level, resamples=2000)
    assert (low < high).all()
    assert (low <= values.mean(axis=1)).all()
    assert (values.mean(axis=1) <= high).all()
    moved = bootstrap_interval(2 * values + 1, np.random.default_rng(0), level=level, resamples=2000)
    np.testing.assert_allclose(moved, [2 * low + 1, 2 * high + 1], atol=1e-9)


def test_intervals_cover_as_promised():
    rng = np.random.default_rng(0)
    low, high = bootstrap_interval(rng.normal(size=(400, 20)), rng, level=0.9, resamples=1000)
    assert 0.8 < np.mean((low < 0) & (high > 0)) < 0.95


def test_intervals_need_values():
    assert np.isnan(bootstrap_interval(np.ones(1), np.random.default_rng(0))).all()
    with pytest.raises(ShapeError, match="no values"):
        bootstrap_interval(np.ones(0), np.random.default_rng(0))
