"""Selection rules: frequencies are what a rule says, nobody starves, growth is measured."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from morl.errors import CapabilityError, ConfigurationError
from morl.indicators import hypervolume
from morl.scalarizations import Chebyshev
from morl.selection import Crowding, Elitist, LinearSupportPriority, Random, Roulette, RoundRobin, Standing, Tournament
from morl.selection.crowding import loneliness
from morl.selection.floor import FLOOR, with_floor
from morl.selection.growth import MARGIN, hypervolume_growth
from morl.selection.linear_support_priority import promises
from morl.solvers.morld import MORLD

DRAWS = 10_000
GROWTH = np.array([0.3, -0.1, 0.9, 0.2, 0.0])  # best first: 2, 0, 3, 4, 1


def standing(turn: int = 0, n: int = 5, **known: Any) -> Standing:
    weights, zeros = np.full((n, 2), 0.5), np.zeros(n)
    whole: dict[str, Any] = {
        "weights": weights, "values": weights, "ages": zeros.astype(np.int64), "gains": zeros, "growth": GROWTH[:n],
        "waiting": zeros.astype(np.int64), "seed": 3,
    }  # fmt: skip
    return Standing(turn=turn, **whole | known)


@cache
def many() -> list[Standing]:
    return [standing(turn) for turn in range(DRAWS)]


def counts(rule: Any) -> np.ndarray:
    found = Counter(member for each in many() for member in rule(each))
    return np.array([found[i] for i in range(5)])


def test_round_robin_gives_everybody_equally_many_turns() -> None:
    turns = [RoundRobin()(standing(turn, 4)) for turn in range(12)]
    assert turns[:5] == [[0], [1], [2], [3], [0]]
    assert sorted(member for turn in turns for member in turn) == sorted(list(range(4)) * 3)


# --- chance --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [Random(), Random(k=3), Tournament(k=1)], ids=repr)
def test_where_nothing_is_preferred_everybody_is_equally_likely(rule: Any) -> None:
    assert chisquare(counts(rule)).pvalue > 1e-3


def test_several_at_random_are_different_ones() -> None:
    assert all(len(set(Random(k=3)(standing(turn)))) == 3 for turn in range(50))
    assert sorted(Random(k=9)(standing())) == list(range(5))


def test_a_tournament_of_all_is_greedy() -> None:
    for k in (5, 9):
        assert all(Tournament(k=k)(standing(turn)) == [2] for turn in range(500))
    assert Elitist()(standing()) == [2]
    assert Elitist(k=3)(standing()) == [2, 0, 3]


def test_a_rank_wins_as_many_tournaments_as_it_should() -> None:
    by_rank = np.array([comb(4 - rank, 1) / comb(5, 2) for rank in range(5)])
    expected = by_rank[[1, 4, 0, 2, 3]] * DRAWS
    found = counts(Tournament(k=2))
    assert found[expected == 0].sum() == 0
    assert chisquare(found[expected > 0], expected[expected > 0]).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.2, 2.0])
def test_roulette_draws_with_the_probabilities_that_it_states(temperature: float) -> None:
    rule = Roulette(temperature=temperature)
    p = rule.probabilities(standing())
    np.testing.assert_allclose(p[2] / p[1], np.exp(1 / temperature))
    assert (np.diff(p[[2, 0, 3, 4, 1]]) < 0).all()
    assert (np.abs(counts(rule) - DRAWS * p) <= 3 * np.sqrt(DRAWS * p * (1 - p))).all()


def test_equal_members_are_equally_likely_and_unknown_ones_first() -> None:
    p = Roulette().probabilities(standing(growth=np.array([1.0, np.nan, 1.0, 1.0, np.nan])))
    assert p[0] == p[2] == p[3] < p[1] == p[4]
    assert Elitist()(standing(growth=np.array([9.0, 1.0, np.nan, 3.0, np.nan]), waiting=np.array([0, 1, 2, 3, 4]))) == [4]
    assert Roulette()(standing(n=1)) == [0]


# --- the floor -----------------------------------------------------------------------------------------------------------

RULES = [Random(), Tournament(k=3), Roulette(temperature=0.01), Elitist(), Elitist(k=2), Crowding(), LinearSupportPriority()]


@given(n=st.integers(1, 9), rule=st.sampled_from(RULES), data=st.data())
def test_nobody_waits_for_3n_turns(n: int, rule: Any, data: Any) -> None:
    """Whatever the rule prefers, and wherever everybody's waiting began."""
    growth = np.array(data.draw(st.lists(st.floats(-1, 1), min_size=n, max_size=n)))
    angle = np.linspace(0.1, 1.4, n)
    values, weights = np.stack([np.sin(angle), np.cos(angle)], 1), np.random.default_rng(n).dirichlet([1, 1], n)
    waiting, last = np.zeros(n, np.int64), np.full(n, -1)
    for turn in range(8 * n):
        ages = np.full(n, turn)
        chosen = rule(standing(turn, n, growth=growth, waiting=waiting.copy(), values=values, weights=weights, ages=ages))
        assert 1 <= len(chosen) == len(set(chosen))
        waiting += 1
        waiting[chosen] = 0
        last[chosen] = turn
        assert (turn - last < FLOOR * n).all()


def test_the_floor_leaves_alone_whom_it_need_not_serve() -> None:
    assert with_floor([0, 1], standing(waiting=np.array([9, 9, 9, 9, 9]))) == [0, 1]
    assert with_floor([0, 1], standing(waiting=np.array([0, 0, 14, 0, 0]))) == [0, 2]
    # Three that must go within three turns: one of them now.
    assert with_floor([0], standing(waiting=np.array([0, 0, 12, 12, 12]))) == [2]
    assert with_floor([0], standing(waiting=np.array([0, 0, 11, 12, 12]))) == [0]


# --- what is measured ----------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), n=st.integers(1, 6), m=st.integers(2, 3))
def test_growth_is_the_difference_of_two_hypervolumes_in_any_units(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, n, m))
    after = np.where(rng.random((n, 1)) < 0.3, before, after)
    grown = hypervolume_growth(before, after)
    low, span = np.minimum(before, after).min(0), np.ptp(np.concatenate([before, after]), axis=0)
    span = np.where(span > 0, span, 1.0)
    point = low - MARGIN * span
    for i in range(n):
        mixed = before.copy()
        mixed[i] = after[i]
        expected = (hypervolume(mixed, point) - hypervolume(before, point)) / span.prod()
        np.testing.assert_allclose(grown[i], expected, atol=1e-9)
    scale, shift = rng.uniform(0.1, 100, m), rng.normal(size=m)
    np.testing.assert_allclose(hypervolume_growth(before * scale + shift, after * scale + shift), grown, atol=1e-9)
    assert (hypervolume_growth(before, before) == 0).all()


def test_crowding_finds_the_gap() -> None:
    # On a quarter of a circle, with a gap on both sides of 3.
    angle = np.array([0.0, 0.1, 0.2, 0.75, 1.37, 1.47, np.pi / 2])
    values = np.stack([np.sin(angle), np.cos(angle)], 1)
    order = np.argsort(-loneliness(values))
    assert order[0] == 3
    dominated = np.concatenate([values * [2.0, 30.0], [[0.0, 0.0]]])
    np.testing.assert_allclose(loneliness(dominated)[:7], loneliness(values))
    assert loneliness(dominated)[7] == 0.0
    assert np.isnan(loneliness(np.full((3, 2), np.nan))).all()
    assert loneliness(np.ones((1, 2))).tolist() == [0.0]


def test_the_promise_is_what_optimistic_linear_support_bounds() -> None:
    """In two objectives the bound is the corner between the neighbours' supporting lines."""
    weights = np.array([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]])
    values = np.array([[4.0, 0.0], [3.6, 1.8], [1.0, 1.0], [1.8, 3.6], [0.0, 4.0]])
    found = promises(weights, values)
    # Lines of members 1 and 3: 0.75 x + 0.25 y = 3.15 and its mirror image meet at (3.15, 3.15); member 2 itself has 1.
    np.testing.assert_allclose(found[2], 3.15 - 1.0)
    assert found[0] == found[4] == 0.0
    assert LinearSupportPriority()(standing(weights=weights, values=values, ages=np.full(5, 5))) == [2]
    # Who never had a turn comes first.
    waiting = np.array([0, 5, 1, 2, 0])
    assert LinearSupportPriority()(standing(weights=weights, values=values, ages=np.full(5, 5), waiting=waiting)) == [1]


def test_bad_input_is_one_line() -> None:
    for wrong in (lambda: Random(k=0), lambda: Tournament(k=-1), lambda: Roulette(temperature=0.0), lambda: Elitist(k=1.5)):
        with pytest.raises(ConfigurationError) as caught:
            wrong()
        assert "\n" not in str(caught.value)
    for settings in ({"scalarization": Chebyshev()}, {"normalisation": "running"}):
        with pytest.raises(CapabilityError, match=r"LinearSupportPriority bounds what weighted sums .* something else"):
            MORLD(selection=LinearSupportPriority(), **settings)
