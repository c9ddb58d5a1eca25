"""Prediction-guided adaptation: the curve recovered from its own data, and predicted fronts that come true."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.errors import ConfigurationError
from morl.functional.dominance import non_dominated
from morl.indicators import hypervolume, sparsity
from morl.testing import check_weight_adaptation
from morl.weights import simplex_lattice
from morl.weights.adaptation import Briefing, Changes, Population, PredictionGuided
from morl.weights.adaptation.hyperbola import fit_hyperbola, hyperbola
from morl.weights.adaptation.predicted_front import MARGIN, front_score, greedy_choice, reassigned
from morl.weights.adaptation.prediction_guided import predicted_values

UNIT = np.array([100.0, 0.02])


@pytest.mark.parametrize("rule", [PredictionGuided(), PredictionGuided(keep_corners=False, alpha=0.0)], ids=repr)
def test_conformance(rule: PredictionGuided) -> None:
    check_weight_adaptation(rule, num_objectives=2)


def test_the_curve_is_the_published_one() -> None:
    x, parameters = np.linspace(-1, 2, 7), np.array([0.3, 4.0, 0.4, -0.1])
    height, steepness, shift, level = parameters
    grown = np.exp(steepness * (x - shift))
    np.testing.assert_allclose(hyperbola(x, parameters), height * (grown - 1) / (grown + 1) + level, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    height=st.floats(0.05, 0.5), steepness=st.floats(3.0, 15.0), shift=st.floats(0.3, 0.7), level=st.floats(-0.4, 0.4),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_planted_curves_are_recovered(height: float, steepness: float, shift: float, level: float, seed: int) -> None:
    planted = np.array([height, steepness, shift, level])
    x = np.r_[0.0, 1.0, np.random.default_rng(seed).uniform(size=13)]
    x[2:5] = shift
    found = fit_hyperbola(x, hyperbola(x, planted), np.ones(len(x)))
    grid = np.linspace(0, 1, 101)
    np.testing.assert_allclose(hyperbola(grid, found), hyperbola(grid, planted), atol=0.01 * 2 * height)


class Bandit:
    """Training adds a hyperbola of each objective's weight, whatever the member's value; objectives of very different units."""

    curves = (np.array([0.12, 6.0, 0.5, 0.0]), np.array([0.08, 9.0, 0.6, -0.01]))

    def __init__(self, n: int) -> None:
        self.weights = simplex_lattice(n, 2)
        self.values = np.tile(UNIT, (n, 1))
        self.changes = Changes.none(2)

    def trained(self, values: Any, weights: Any) -> Any:
        return values + UNIT * np.stack([hyperbola(weights[:, j], self.curves[j]) for j in range(2)], 1)

    def learn(self, period: int) -> None:
        before, self.values = self.values, self.trained(self.values, self.weights)
        self.changes = self.changes.including(self.weights, before, self.values, period=period, most=100)

    def adapt(self, rule: PredictionGuided) -> Population:
        told = Briefing(changes=self.changes, scale=np.ones(2))
        return rule(self.weights, self.values, self.values, rng=np.random.default_rng(0), briefing=told)


def test_the_predicted_hypervolume_comes_true_where_the_response_is_hyperbolic() -> None:
    world = Bandit(9)
    world.learn(0)
    front = world.values[non_dominated(world.values)]
    unit = np.ptp(front, axis=0)
    after = world.adapt(PredictionGuided(alpha=0.0))
    parents = list(after.parents)
    # Everybody has moved away from where all began, so the neighbourhoods are doubled until they hold the beginning.
    predicted = np.array(
        [
            predicted_values(world.changes, world.values[i], w[None], unit=unit)[0]
            for i, w in zip(parents, after.weights, strict=True)
        ]
    )
    real = world.trained(world.values[parents], after.weights)
    np.testing.assert_allclose((predicted - real) / unit, 0, atol=0.01)
    bottom = front.min(0) - MARGIN * unit
    grown, expected = (hypervolume(np.concatenate([front, x]), bottom) for x in (real, predicted))
    assert grown == pytest.approx(expected, rel=0.01)
    same = world.trained(world.values, world.weights)
    assert grown >= hypervolume(np.concatenate([front, same]), bottom)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), alpha=st.sampled_from([0.0, 1.0]))
def test_the_first_choice_is_the_best_and_the_rest_are_near_the_best_set(seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(6, 2))
    front, offers = values[non_dominated(values)], rng.normal(size=(7, 2)) + 0.5
    low, unit = front.min(0), np.where(len(front) > 1, np.maximum(np.ptp(front, axis=0), 1e-300), 1.0)
    known, scaled = (front - low) / unit, (offers - low) / unit
    picks = greedy_choice(front, offers, 3, alpha=alpha)
    scores = [front_score(np.concatenate([known, x[None]]), alpha) for x in scaled]
    useful = [i for i, x in enumerate(scaled) if not (known >= x).all(1).any()]
    assert bool(picks) == bool(useful)
    if picks:
        assert scores[picks[0]] == pytest.approx(max(scores[i] for i in useful), abs=1e-8)
    if alpha == 0 and len(picks) == 3:
        # Hypervolume has diminishing gains, so greedy gets 63 % of what three could gain.
        base = front_score(known, 0.0)
        best = max(front_score(np.concatenate([known, scaled[list(s)]]), 0.0) for s in combinations(range(7), 3))
        assert front_score(np.concatenate([known, scaled[picks]]), 0.0) - base >= 0.63 * (best - base) - 1e-9


def test_sparsity_has_its_price() -> None:
    front, offers = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.5, 0.5], [1.02, 0.98]])
    assert greedy_choice(front, offers, 1, alpha=0.0) == [1]
    crowded = np.array([[0.0, 1.0], [0.45, 0.55], [1.0, 0.0]])
    near, between = np.array([[0.5, 0.6]]), np.array([[0.75, 0.3]])
    assert sparsity(np.concatenate([crowded, between])) < sparsity(np.concatenate([crowded, near]))
    assert greedy_choice(crowded, np.concatenate([near, between]), 1, alpha=1.0) == [1]


def test_who_is_chosen_twice_is_copied_and_who_is_not_goes_on() -> None:
    weights, stays = simplex_lattice(5, 2), np.array([True, False, False, False, True])
    new = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    after = reassigned(weights, stays, [2, 2, 0], new)
    np.testing.assert_allclose(after.weights, [weights[0], new[1], new[0], new[2], weights[4]])
    assert list(after.parents) == [0, 2, 2, 0, 4]
    assert list(after.fresh) == [False, True, False, True, False]
    rest = reassigned(weights, stays, [3], new[:1])
    assert (rest.weights[:3] == weights[:3]).all()
    assert not any(rest.fresh)


def test_candidates_lie_in_the_cone_and_nothing_moves_before_four_weights_were_tried() -> None:
    world = Bandit(3)
    world.learn(0)
    assert (world.adapt(PredictionGuided()).weights == world.weights).all()
    world = Bandit(5)
    world.learn(0)
    for cone in (10.0, 45.0):
        after = world.adapt(PredictionGuided(cone=cone))
        own = world.weights[list(after.parents)]
        cosine = (after.weights * own).sum(1) / np.linalg.norm(after.weights, axis=1) / np.linalg.norm(own, axis=1)
        assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() <= cone + 1e-6
        assert (after.weights[[0, -1]] == world.weights[[0, -1]]).all()


def test_members_near_in_value_say_more() -> None:
    # Half of the members, far away, respond in the opposite way.
    near = Bandit(9)
    near.learn(0)
    theirs = replace(near.changes, before=near.changes.before + 50 * UNIT, after=near.changes.before + 49 * UNIT)
    both = theirs.including(near.changes.weights, near.changes.before, near.changes.after, period=0, most=99)
    value, w = near.changes.before[4], near.weights
    alone, mixed = (predicted_values(c, value, w, unit=UNIT) for c in (near.changes, both))
    np.testing.assert_allclose(alone / UNIT, mixed / UNIT, atol=1e-6)


def test_bad_input() -> None:
    with pytest.raises(ConfigurationError, match=r"PredictionGuided keeps a member at each of the 2.*num_members to 3 or"):
        PredictionGuided().check_population(2, 2)
    PredictionGuided(keep_corners=False).check_population(2, 2)
    for wrong in ({"num_candidates": 1}, {"cone": 0.0}, {"alpha": -1.0}, {"memory": 0}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            PredictionGuided(**wrong)  # type: ignore[arg-type]
