"""Linear support as a rule for populations, against members that learn exactly, badly, or one at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import convex_non_dominated
from morl.testing import check_weight_adaptation
from morl.weights.adaptation import LinearSupport, Population, SolvedWeights
from morl.weights.linear_support import corner_weights

NONE = np.zeros((0, 2))


class World:
    """Members that learn everything at once: their value is the best of a cloud of points."""

    def __init__(self, points: Any) -> None:
        self.points, self.m = points, points.shape[1]
        self.weights = np.eye(self.m).astype(np.float32)
        self.values = points[[0] * self.m]
        self.solved = SolvedWeights.none(self.m)
        self.gains = np.full(self.m, np.nan)

    def exchange(self, rule: LinearSupport) -> Population:
        before = (self.weights * self.values).sum(1)
        self.values = self.points[(self.weights @ self.points.T).argmax(1)]
        self.gains = (self.weights * self.values).sum(1) - before
        self.solved = self.solved.including(self.weights.astype(float), self.values)
        after = rule(self.weights, self.values, self.values, gains=self.gains, solved=self.solved)
        self.weights, self.values = after.weights.astype(np.float32), self.values[list(after.parents)]
        return after


@pytest.mark.parametrize("rule", [LinearSupport(), LinearSupport(max_members=1, batch=1, epsilon=0.5)], ids=repr)
def test_conformance(rule: LinearSupport) -> None:
    check_weight_adaptation(rule)


@pytest.mark.parametrize("m", range(2, 7))
@pytest.mark.parametrize("epsilon", [0.0, 0.05])
def test_exact_members_cover_every_weighted_sum(m: int, epsilon: float) -> None:
    rng = np.random.default_rng(m)
    points = rng.normal(size=(25, m))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    best = points[convex_non_dominated(points)]
    # Once there are as many members as this, the ones that are not needed move.
    rule, world = LinearSupport(epsilon=epsilon, batch=16, max_members=len(best) + 10), World(points)
    for _ in range(200):
        found = world.exchange(rule)
        assert len(found.weights) <= rule.max_members
        assert found.outlook is not None
        if found.outlook.is_quiet:
            break
    else:
        raise AssertionError("there is always more to do")
    assert found.outlook.upper - found.outlook.lower <= epsilon + 1e-5
    seen = world.solved.values
    weights = rng.dirichlet(np.ones(m), 10_000)
    assert ((weights @ best.T).max(1) - (weights @ seen.T).max(1)).max() <= epsilon + 1e-5
    if not epsilon:
        assert {tuple(v) for v in best} <= {tuple(v) for v in seen}


def test_the_corners_of_the_simplex_come_first() -> None:
    weights = np.array([[0.5, 0.5], [0.4, 0.6]])
    found = LinearSupport()(weights, np.array([[1.0, 0.0], [0.0, 1.0]]), NONE, gains=np.zeros(2))
    assert sorted(found.weights[2:].tolist()) == [[0.0, 1.0], [1.0, 0.0]]
    assert list(found.parents) == [0, 1, 1, 0]
    assert found.outlook is not None
    assert np.isinf(found.outlook.upper)


def test_who_is_beaten_at_its_own_weights_starts_again_as_a_copy() -> None:
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    values = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    found = LinearSupport(batch=1)(weights, values, values, gains=np.zeros(3))
    assert list(found.parents[:3]) == [2, 1, 2]
    assert list(found.fresh[:3]) == [True, False, False]
    assert (found.weights[:3] == weights).all()
    # (1, 0) is not solved any more, so nothing bounds what may be gained there.
    assert found.outlook is not None
    assert np.isinf(found.outlook.upper)
    assert not any(LinearSupport(epsilon=1.5)(weights, values, values, gains=np.zeros(3)).fresh), "beaten by less than epsilon"


def test_solved_weights_whose_value_was_beaten_are_opened_again() -> None:
    values, gains = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.6]]), np.zeros(3)
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    corners = corner_weights(values)
    assert np.abs(corners[1] - [0.4, 0.6]).max() < 1e-9
    solved = SolvedWeights.none(2).including(weights, values).including(corners, values[[1, 1, 2, 0]])
    assert LinearSupport()(weights, values, values, gains=gains, solved=solved).outlook.is_quiet  # type: ignore[union-attr]
    worse = (
        SolvedWeights.none(2).including(weights, values).including(corners, np.array([[0.0, 1.0], [0, 0.5], [1, 0], [1, 0]]))
    )
    again = LinearSupport()(weights, values, values, gains=gains, solved=worse)
    np.testing.assert_allclose(again.weights[3:], [[0.4, 0.6]])
    assert not again.outlook.is_quiet  # type: ignore[union-attr]


def test_at_most_so_many_and_only_who_is_not_needed_moves() -> None:
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.2, 0.8]])
    values = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    full = LinearSupport(max_members=4)(weights, values, values, gains=np.zeros(4))
    assert full.weights.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.2, 0.8]]
    assert list(full.fresh) == [False, False, True, False]
    needed = LinearSupport(max_members=2)(weights[:2], values[:2], values[:2], gains=np.zeros(2))
    assert len(needed.weights) == 2
    assert not any(needed.fresh)
    assert not needed.outlook.is_quiet  # type: ignore[union-attr]


def test_nobody_who_has_just_gained_is_finished() -> None:
    values = np.array([[1.0, 1.0], [1.0, 1.0]])
    for gains, quiet in (([0.0, 0.0], True), ([0.5, 0.0], False), ([np.nan, 0.0], False), ([-1.0, 0.0], True)):
        found = LinearSupport()(np.eye(2), values, values, gains=np.array(gains))
        assert found.outlook.is_quiet is quiet  # type: ignore[union-attr]


def test_solved_weights_are_kept_once_with_their_best_value() -> None:
    weights = np.array([[0.25, 0.75], [1.0, 0.0]])
    solved = SolvedWeights.none(2).including(weights, np.array([[1.0, 1.0], [2.0, 2.0]]))
    nearly = weights.astype(np.float32) + np.float32(1e-8)
    solved = solved.including(nearly, np.array([[3.0, 3.0], [1.0, 1.0]]))
    assert solved.values.tolist() == [[3.0, 3.0], [2.0, 2.0]]
    np.testing.assert_allclose(solved.weights.sum(1), 1.0, rtol=1e-15)
    with pytest.raises(ShapeError, match="expected"):
        SolvedWeights(weights=weights, values=weights[:1])


def test_bad_input() -> None:
    with pytest.raises(ShapeError, match="disagree"):
        LinearSupport()(np.eye(2), np.ones((2, 3)), NONE)
    for wrong in ({"epsilon": -0.1}, {"max_members": 0}, {"batch": 0}, {"patience": 0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            LinearSupport(**wrong)  # type: ignore[arg-type]
