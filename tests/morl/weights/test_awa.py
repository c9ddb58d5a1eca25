"""AWA: the transform, gaps, and members that learn exactly: the widest gap shrinks, and a concave front is found whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.functional.dominance import non_dominated
from morl.oracles import pareto_value_iteration
from morl.scalarizations import PBI, Achievement, AugmentedChebyshev, Chebyshev, SmoothChebyshev, WeightedSum
from morl.testing import check_weight_adaptation
from morl.weights import dirichlet, simplex_lattice
from morl.weights.adaptation import AWA, Briefing, Changes, Population
from morl.weights.front_gaps import chebyshev_gaps, chebyshev_weights, linear_gaps, spread_out, vicinity_sparsity

ONES = np.ones(2)


class World:
    """Members that learn everything at once: their value is the best of a known front for what they maximise."""

    def __init__(self, best: Any, weights: Any, *, chebyshev: bool, normalised: bool = True) -> None:
        self.best, self.weights, self.chebyshev, self.normalised = best, weights, chebyshev, normalised
        self.found = np.zeros((0, weights.shape[1]))
        self.changes, self.ideal, self.scale = Changes.none(weights.shape[1]), None, np.ones(weights.shape[1])
        self.periods = 0

    def learn(self) -> None:
        self.values = self.best(self.weights, self.ideal, self.scale)
        every = np.concatenate([self.found, self.values])
        self.found = every[non_dominated(every)]
        self.changes = self.changes.including(self.weights, self.values, self.values, period=self.periods, most=1_000)
        self.periods += 1
        if self.normalised:
            spread = np.ptp(self.found, axis=0)
            self.scale = np.where(spread > 0, spread, 1.0)
        if self.chebyshev:
            self.ideal = self.found.max(0) + 0.01 * self.scale

    def adapt(self, rule: AWA) -> Population:
        told = Briefing(changes=self.changes, ideal_point=self.ideal, scale=self.scale)
        after = rule(self.weights, self.values, self.found, briefing=told)
        self.weights = after.weights
        return after


@pytest.mark.parametrize("rule", [AWA(), AWA(nus=3), AWA(normalise=False), AWA(place="sparsest_point")], ids=repr)
def test_conformance(rule: AWA) -> None:
    check_weight_adaptation(rule)


def test_the_transform_makes_weighted_shortfalls_equal() -> None:
    weights = chebyshev_weights(np.array([1.0, 3.0]))
    np.testing.assert_allclose(weights, [0.75, 0.25], rtol=1e-15)
    assert weights[0] * 1.0 == weights[1] * 3.0
    shortfalls = np.random.default_rng(0).uniform(0.1, 5.0, (50, 4))
    products = chebyshev_weights(shortfalls) * shortfalls
    np.testing.assert_allclose(products, products[:, :1].repeat(4, 1), rtol=1e-12)
    np.testing.assert_allclose(
        chebyshev_weights(np.array([[0.0, 2.0], [-1.0, 2.0], [0.0, 0.0]])), [[1, 0], [1, 0], [0.5, 0.5]], atol=1e-8
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), m=st.integers(2, 4))
def test_both_ends_of_a_gap_are_worth_the_same_and_nothing_found_is_worth_more(seed: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    values, scale = rng.normal(size=(9, m)) * 3, rng.uniform(0.2, 4.0, m)
    gaps = linear_gaps(values, scale=scale, unit=np.ones(m))
    worth = np.sort(gaps.weights @ (values / scale).T, axis=1)
    np.testing.assert_allclose(worth[:, -1], worth[:, -2], rtol=1e-6, atol=1e-6)
    ideal = values.max(0) + 0.1
    gaps = chebyshev_gaps(values, ideal_point=ideal, scale=scale, unit=np.ones(m))
    utility = {"ideal_point": ideal / scale}
    worth = np.sort(Chebyshev()(values / scale, gaps.weights[:, None], **utility), axis=1)
    assert (worth[:, -1] <= Chebyshev()(gaps.middles / scale, gaps.weights, **utility) + 1e-9).all()
    if m == 2:
        np.testing.assert_allclose(worth[:, -1], worth[:, -2], atol=1e-9)
        assert len(gaps.weights) == non_dominated(values).sum() - 1


@settings(max_examples=25, deadline=None)
@given(data=st.data(), chebyshev=st.booleans(), nus=st.sampled_from([None, 2]))
def test_on_a_quarter_circle_the_largest_gap_shrinks_at_every_call(
    data: st.DataObject, chebyshev: bool, nus: int | None
) -> None:
    centre = data.draw(st.floats(0.1, 0.9))
    others = data.draw(st.lists(st.floats(-0.08, 0.08), min_size=2, max_size=8))
    first = np.array([0.0, 1.0, *(centre + x for x in others)])
    weights = np.stack([first, 1 - first], axis=1)

    def best(w: Any, ideal: Any, scale: Any) -> Any:
        if ideal is None:
            return w / np.linalg.norm(w, axis=1, keepdims=True)
        angles = np.linspace(0, np.pi / 2, 5_001)
        arc = np.stack([np.cos(angles), np.sin(angles)], 1)
        return arc[Chebyshev()(arc / scale, w[:, None], ideal_point=ideal / scale).argmax(1)]

    world = World(best, weights, chebyshev=False, normalised=False)
    world.learn()
    if chebyshev:
        world.chebyshev, world.ideal = True, world.found.max(0) + 0.05
        world.found = world.found[:0]
        world.learn()
    for _ in range(4):
        before = gaps_of(world.found)
        world.adapt(AWA(nus=nus))
        world.learn()
        after = gaps_of(world.found)
        # The widest one is split; where several are equally wide, each call splits one of them, or two.
        widest = before[0]
        assert (after > widest - 1e-6).sum() < (before > widest - 1e-6).sum()
        assert after[0] <= widest + 1e-9


def gaps_of(front: Any) -> Any:
    angles = np.sort(np.arctan2(front[:, 1], front[:, 0]))
    return np.sort(np.diff(angles))[::-1]


TREASURES = pareto_value_iteration("deep-sea-treasure-concave-v0", 1.0).values


def treasure(w: Any, ideal: Any, scale: Any) -> Any:
    ideal = TREASURES.max(0) + 0.01 * scale if ideal is None else ideal
    return TREASURES[Chebyshev()(TREASURES / scale, w[:, None], ideal_point=ideal / scale).argmax(1)]


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize(("nus", "calls"), [(None, 12), (3, 6)])
def test_every_treasure_of_a_concave_front_is_found(normalised: bool, nus: int | None, calls: int) -> None:
    fixed = World(treasure, simplex_lattice(10, 2), chebyshev=True, normalised=normalised)
    for _ in range(20):
        fixed.learn()
    assert len(fixed.found) == (8 if normalised else 4), "a lattice of ten"
    world = World(treasure, simplex_lattice(10, 2), chebyshev=True, normalised=normalised)
    for _ in range(calls):
        world.learn()
        world.adapt(AWA(nus=nus))
    assert len(world.found) == 10
    published = World(treasure, simplex_lattice(10, 2), chebyshev=True, normalised=normalised)
    for _ in range(20):
        published.learn()
        published.adapt(AWA(place="sparsest_point"))
    assert len(published.found) < 9, "an archive of members' own values has nothing new to go to"


@pytest.mark.parametrize("chebyshev", [True, False])
def test_more_objectives_are_covered_better_than_by_fixed_weights(chebyshev: bool) -> None:
    rng = np.random.default_rng(0)
    sphere = np.abs(rng.normal(size=(4_000, 3)))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)

    def best(w: Any, ideal: Any, scale: Any) -> Any:
        if not chebyshev:
            return sphere[(w @ sphere.T).argmax(1)]
        return sphere[Chebyshev()(sphere, w[:, None], ideal_point=np.full(3, 1.05)).argmax(1)]

    start = np.concatenate([np.eye(3), 0.8 * np.eye(3)[0] + 0.2 * dirichlet(9, 3, seed=0)])
    world = World(best, start, chebyshev=chebyshev, normalised=False)
    distances = []
    for _ in range(30):
        world.learn()
        distances.append(np.linalg.norm(sphere[:500, None] - world.found[None], axis=-1).min(1).max())
        world.adapt(AWA())
    assert distances[-1] < 0.5 * distances[0]
    assert np.diff(distances).max() <= 1e-9


def test_the_most_crowded_moves_and_becomes_a_copy_of_the_nearest() -> None:
    weights = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0]])
    values = np.array([[1.0, 0.0], [0.9, 0.3], [0.88, 0.32], [0.0, 1.0]])
    found = AWA()(weights, values, values)
    # Between (.88, .32) and (0, 1), of which the former is member 2, who is as crowded as member 1.
    np.testing.assert_allclose(found.weights[1], np.array([0.68, 0.88]) / 1.56, rtol=1e-12)
    assert (found.weights[[0, 2, 3]] == weights[[0, 2, 3]]).all()
    assert list(found.parents) in ([0, 2, 2, 3], [0, 1, 2, 3])
    assert list(found.fresh) == [False, found.parents[1] == 2, False, False]


def test_a_gap_that_was_looked_into_counts_less_and_nobody_joins_a_member_at_work() -> None:
    front = np.array([[4.0, 0.0], [2.9, 2.0], [0.0, 3.0]])
    weights = np.array([[1.0, 0.0], [0.99, 0.01], [0.0, 1.0]])
    values = front[[0, 0, 2]]
    wide, narrow = (linear_gaps(front, scale=ONES, unit=ONES).weights[i] for i in (0, 1))
    rule = AWA(normalise=False)
    np.testing.assert_allclose(rule(weights, values, front).weights[1], wide)
    once = Changes.none(2).including(wide[None], front[:1], front[:1], period=0, most=9)
    there = rule(weights, values, front, briefing=Briefing(changes=once, scale=ONES))
    np.testing.assert_allclose(there.weights[1], narrow)
    np.testing.assert_allclose(rule(np.array([[1.0, 0.0], wide, [0.0, 1.0]]), values, front).weights[1], narrow)


def test_nothing_moves_where_there_is_no_gap_or_nobody_to_move() -> None:
    corners = AWA()(np.eye(2), np.eye(2), np.eye(2))
    assert (corners.weights == np.eye(2)).all()
    one = AWA()(simplex_lattice(4, 2), np.ones((4, 2)), np.zeros((0, 2)))
    assert (one.weights == simplex_lattice(4, 2)).all()
    assert not any(one.fresh)


def test_sparsity_and_spreading_out() -> None:
    values = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert vicinity_sparsity(values, values[1:]).tolist() == [5.0, 0.0]
    assert vicinity_sparsity(values, values[:0]).tolist() == [1.0, 1.0]
    line = np.stack([np.linspace(0, 1, 101), np.zeros(101)], 1)
    assert sorted(spread_out(line, 3)) == [0, 50, 100]
    assert spread_out(line).tolist() == list(range(101))


def test_bad_input() -> None:
    with pytest.raises(ShapeError, match="disagree"):
        AWA()(np.eye(2), np.ones((2, 3)), np.zeros((0, 2)))
    with pytest.raises(ConfigurationError, match=r"AWA\.nus must be at least 1"):
        AWA(nus=0)
    with pytest.raises(ConfigurationError, match=r"AWA\.nus must be less than the 6 members, found 6"):
        AWA(nus=6).check_population(6, 2)
    with pytest.raises(ConfigurationError, match="set num_members to 4 or more"):
        AWA().check_population(3, 3)
    for utility in (WeightedSum(), Chebyshev(), AugmentedChebyshev(), SmoothChebyshev()):
        AWA().check_utility(utility, "none")
    for utility in (PBI(), Achievement()):
        with pytest.raises(CapabilityError, match=f"not of {type(utility).__name__}; set scalarization"):
            AWA().check_utility(utility, "none")
    with pytest.raises(CapabilityError, match="means nothing for a weighted sum"):
        AWA(place="sparsest_point").check_utility(WeightedSum(), "none")
    with pytest.raises(ShapeError, match="expected \\(k, m\\)"):
        Changes(weights=np.eye(2), before=np.eye(2), after=np.eye(3), period=np.zeros(2, np.int64))
