"""IPRO as a rule: members that know the best value for their referent, sooner or later."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.tabular.walk_room import WalkRoom
from morl.errors import ConfigurationError, ShapeError
from morl.oracles import pareto_value_iteration
from morl.scalarizations import Achievement
from morl.testing import check_weight_adaptation
from morl.weights.adaptation import IPRO, Memory, Population

Array = npt.NDArray[np.float64]
NONE = np.zeros((0, 2))


class Members:
    """A population each of whose members reaches the best value for its own utility after ``delay`` exchanges."""

    def __init__(self, front: Array, *, delay: int = 1, first: int = 3) -> None:
        self.front, self.delay = front, delay
        self.values = front[np.arange(first) % len(front)]
        self.ages = np.zeros(first, np.int64)
        self.archive = self.values
        self.weights = np.full(self.values.shape, 1.0 / front.shape[1])
        self.memory: Memory | None = None
        self.calls = 0

    def exchange(self, rule: IPRO) -> Population:
        population = rule(self.weights, self.values, self.archive, memory=self.memory)
        parents, fresh = list(population.parents), np.array(population.fresh)
        assert population.reference_points is not None
        self.memory, self.weights, points = population.memory, population.weights, population.reference_points
        self.calls += int(fresh.sum())
        self.ages = np.where(fresh, 0, self.ages[parents]) + 1
        utility = Achievement(rho=1e-4)
        best = [utility(self.front, w, ideal_point=z).argmax() for w, z in zip(self.weights, points, strict=True)]
        is_able = self.ages >= self.delay
        self.values = np.where(is_able[:, None], self.front[best], self.values[parents])
        self.archive = np.concatenate([self.archive, self.values])
        return population

    def finish(self, rule: IPRO, *, is_checked: bool = False, exchanges: int = 100) -> Population:
        """Go on until the outlook is quiet."""
        for _ in range(exchanges):
            population = self.exchange(rule)
            outlook = population.outlook
            assert outlook is not None
            assert len(self.weights) <= rule.max_members
            if is_checked and np.isfinite(outlook.upper):
                assert self.missing() <= outlook.upper + rule.tolerance
            if outlook.is_quiet:
                break
        return population

    def missing(self) -> float:
        """How much the farthest front value exceeds the nearest one that the rule was told, share of the range."""
        assert self.memory is not None
        span = np.ptp(self.memory["points"], axis=0)
        lead = (self.front[:, None] - self.memory["points"]) / np.where(span > 0, span, 1.0)
        return float(lead.max(-1).min(1).max())


def treasures(which: str = "concave-") -> Array:
    return pareto_value_iteration(f"deep-sea-treasure-{which}v0", 1.0).values


def room(size: int) -> Array:
    return WalkRoom(1, num_objectives=3, size=size).undiscounted_front()


@pytest.mark.parametrize(
    ("front", "rule", "delay"),
    [
        (treasures(), IPRO(patience=1), 1),
        (treasures(""), IPRO(patience=3), 3),
        (treasures(), IPRO(max_members=2), 2),
        (room(8), IPRO(patience=1, max_members=7), 1),
        (room(20), IPRO(), 2),
    ],
)
def test_all_is_found_and_the_bound_is_never_below_what_is_missing(front: Array, rule: IPRO, delay: int) -> None:
    members = Members(front, delay=delay)
    # Nothing is concluded before a member had its time, so every conclusion is right.
    outlook = members.finish(rule, is_checked=True).outlook
    assert outlook is not None
    assert outlook.is_quiet
    assert outlook.upper == 0.0
    assert members.memory is not None
    assert {*map(tuple, members.memory["points"])} == {*map(tuple, front)}


def test_with_two_objectives_every_referent_is_asked_about_once() -> None:
    """Two extremes, eight values between them, and eleven referents with nothing above: the 21 calls of the sequential rule."""
    front = treasures()
    members = Members(front, first=1)
    members.finish(IPRO(patience=1))
    assert members.calls == 2 + 8 + 11
    assert members.memory is not None
    assert len(members.memory["claims"]) == 11


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), m=st.sampled_from([2, 3]))
def test_what_was_concluded_too_early_is_taken_back_when_a_value_contradicts_it(seed: int, m: int) -> None:
    """Members that learn too slowly for the rule's patience leave gaps; what somebody else shows opens them again."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 9, size=(30, m)).astype(float)
    members = Members(pareto_front(values), delay=3)
    rule = IPRO(patience=1, reach=20.0)
    members.finish(rule)
    members.archive, members.delay = np.concatenate([members.archive, members.front]), 1
    outlook = members.finish(rule, is_checked=True).outlook
    assert outlook is not None
    assert outlook.is_quiet
    assert members.memory is not None
    assert {*map(tuple, members.memory["points"])} == {*map(tuple, members.front)}
    assert not (members.front[:, None] > members.memory["claims"] + 1e-9).all(-1).any()


def pareto_front(values: Array) -> Array:
    from morl.functional.dominance import non_dominated

    return values[non_dominated(values)]


def test_the_first_members_look_for_the_extremes() -> None:
    values = np.array([[1.0, 5.0, 3.0], [2.0, 1.0, 4.0]])
    found = IPRO()(np.full((2, 3), 1 / 3), values, values)
    assert list(found.parents) == [1, 0, 1], "a copy of the member that is best in the objective"
    assert all(found.fresh)
    assert found.reference_points is not None
    assert found.reference_points.diagonal().tolist() == [2.0, 5.0, 4.0]
    np.testing.assert_allclose(found.weights, np.array([[1.0, 4.0, 1.0]] * 3) / 6)
    assert found.outlook.upper == np.inf  # type: ignore[union-attr]
    utility = Achievement(rho=1e-3)
    front = np.array([[9.0, -3.0, 0.0], [9.0, -3.0, 1.0], [2.0, 8.0, 0.0], [0.0, 2.0, 6.0]])
    best = [utility(front, w, ideal_point=z).argmax() for w, z in zip(found.weights, found.reference_points, strict=True)]
    assert best == [1, 2, 3], "of equals the one that is better elsewhere"


def test_only_who_was_trained_runs_out_of_patience() -> None:
    members = Members(treasures(), first=2)
    rule = IPRO(patience=2)
    members.exchange(rule)
    for _ in range(4):
        found = rule(members.weights, members.values, members.archive, memory=members.memory, trained=[0])
        members.memory = found.memory
    assert found.memory is not None
    assert found.memory["waited"].tolist() == [3.0, 0.0]
    assert found.outlook.upper == np.inf  # type: ignore[union-attr]


@pytest.mark.parametrize("rule", [IPRO(), IPRO(patience=1, max_members=5, offset=0.2, tolerance=0.1)], ids=repr)
def test_conformance(rule: IPRO) -> None:
    check_weight_adaptation(rule, num_objectives=2)


def test_bad_input() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"offset": -0.1}, "IPRO.offset must be positive"),
        ({"tolerance": 0.0}, "IPRO.tolerance"),
        ({"offset": 1e-4}, "the offset must be the larger one"),
        ({"patience": 0}, "IPRO.patience"),
    ]
    for given_, message in wrong:
        with pytest.raises(ConfigurationError, match=message):
            IPRO(**given_)
    with pytest.raises(ShapeError, match="disagree"):
        IPRO()(np.eye(2), np.ones((2, 3)), NONE)
    with pytest.raises(ShapeError, match="nadir_point has 3 numbers, but there are 2"):
        IPRO(nadir_point=(0.0, 0.0, 0.0))(np.eye(2), np.eye(2), NONE)
    members = Members(treasures())
    outside = IPRO(nadir_point=(500.0, 0.0), patience=1)
    with pytest.raises(ConfigurationError, match=r"but the best values found are .* give a worse one"):
        members.finish(outside)
    with pytest.raises(ShapeError, match="memory of 2 members, but there are 3"):
        IPRO()(np.full((3, 2), 0.5), np.zeros((3, 2)), NONE, memory=members.memory)
    with pytest.raises(ShapeError, match="reference_points has shape"):
        Population(weights=np.eye(2), parents=[0, 1], fresh=[False] * 2, reference_points=np.zeros((3, 2)))
