"""Referents against the fronts they are to find."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import non_dominated
from morl.oracles import (
    MaxMinOracle,
    ReferentSearch,
    box_decomposition,
    pareto_value_iteration,
    random_process,
    referent_search,
)

Array = npt.NDArray[np.float64]
TOLERANCE = 1e-6
seeds, objectives = st.integers(0, 2**32 - 1), st.sampled_from([2, 3])


@pytest.mark.parametrize("env_id", ["deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"])
@pytest.mark.parametrize("gamma", [1.0, 0.99])
def test_with_two_objectives_the_calls_are_those_of_boxes(env_id: str, gamma: float) -> None:
    front = pareto_value_iteration(env_id, gamma).values
    found = referent_search(MaxMinOracle(front), front.min(0), front.max(0))
    boxes = box_decomposition(MaxMinOracle(front), front.min(0), front.max(0))
    np.testing.assert_array_equal(in_order(found.points), in_order(boxes.points))
    np.testing.assert_array_equal(in_order(found.points), in_order(front))
    assert (found.calls, len(found.claims), found.error) == (boxes.calls, len(boxes.closed), 0.0) == (21, 11, 0.0)


@example(seed=526, m=3)  # two values whose second objective differs by rounding
@settings(max_examples=15)
@given(seed=seeds, m=st.integers(2, 4))
def test_worlds_without_circles_are_solved_as_by_value_iteration(seed: int, m: int) -> None:
    world = random_process(
        np.random.default_rng(seed), objectives=m, deterministic=True, acyclic=True, states=10 if m < 4 else 7
    )
    front = pareto_value_iteration(world, 1.0).values
    found = referent_search(MaxMinOracle(front), front.min(0), front.max(0))
    np.testing.assert_array_equal(in_order(found.points), in_order(front))
    assert found.error == 0.0
    assert len(front) < found.calls


def in_order(values: Array) -> Array:
    return values[np.lexsort(values.T[::-1])]


class World:
    """Values that can be attained, in whole numbers, and the distance to their front."""

    def __init__(self, seed: int, m: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.values = self.rng.integers(0, 12, size=(40, m)).astype(float)
        self.front = self.values[non_dominated(self.values)]
        self.exact = MaxMinOracle(self.front)

    def search(self) -> ReferentSearch:
        return ReferentSearch(self.front.min(0), self.front.max(0), tolerance=TOLERANCE)

    def missing(self, search: ReferentSearch, among: npt.NDArray[np.bool_] | None = None) -> float:
        """How much the farthest front value exceeds the nearest found one, in shares of the ranges."""
        wanted = self.front if among is None else self.front[among]
        nearest = search.points if len(search.points) else search.lower[None]
        return float(((wanted[:, None] - nearest) / search.unit).max(-1).min(1).max(initial=0.0))

    def is_wrong(self, claims: Array) -> npt.NDArray[np.bool_]:
        """Claims above which there is something, ``(c,)``."""
        return (self.values[:, None] > claims).all(-1).any(0)

    def hidden(self, search: ReferentSearch) -> npt.NDArray[np.bool_]:
        """Front values above a standing claim."""
        return (self.front[:, None] > search.claims).all(-1).any(1)

    def poor_answer(self, referent: Array) -> Array:
        """Anything that can be attained, above the referent if there is something."""
        above = self.values[(self.values > referent).all(1)]
        return self.rng.choice(above if len(above) else self.values)


@settings(max_examples=60)
@given(seed=seeds, m=objectives)
def test_the_bound_is_never_below_the_truth_however_poor_the_answers_that_nobody_calls_final(seed: int, m: int) -> None:
    """Any value may be an answer; a call is over when it found something that nothing exceeds, or rightly nothing."""
    world = World(seed, m)
    search = world.search()
    for _ in range(400):
        assert world.missing(search) <= max(search.error(), TOLERANCE) + 1e-12
        if not len(open_referents := search.referents()):
            break
        referent = world.rng.choice(open_referents)
        search.tell([answer := world.poor_answer(referent)])
        claim = answer if (answer > referent).all() else referent
        if not world.is_wrong(claim[None])[0]:
            assert search.close(claim)
    assert not len(search.referents())
    np.testing.assert_array_equal(in_order(search.points), in_order(world.front))
    assert search.error() == 0.0


@settings(max_examples=60)
@given(seed=seeds, m=objectives)
def test_wrong_claims_hide_what_is_above_them_and_nothing_else_until_a_value_contradicts_them(seed: int, m: int) -> None:
    """Every answer is called final, also where it is not optimal, or where nothing was found though there is something."""
    world = World(seed, m)
    search = world.search()
    for _ in range(60):
        if not len(open_referents := search.referents()):
            break
        referent = world.rng.choice(open_referents)
        gave_up = world.rng.random() < 0.3
        answer = world.rng.choice(world.values) if gave_up else world.poor_answer(referent)
        search.tell([answer])
        before = search.claims
        stands = search.close(answer if (answer > referent).all() else referent)
        assert stands or len(search.claims) == len(before)
        assert not (search.points[:, None] > search.claims + TOLERANCE * search.unit).all(-1).any(), "a known value says no"
        bound, hidden = max(search.error(), TOLERANCE) + 1e-12, world.hidden(search)
        assert world.missing(search, ~hidden) <= bound
        if not world.is_wrong(search.claims).any():
            assert world.missing(search) <= bound
    # A better learner comes by: what it shows contradicts every claim that hides some of the front.
    for value in world.rng.permutation(world.front):
        search.tell([value])
        assert world.missing(search, ~world.hidden(search)) <= max(search.error(), TOLERANCE) + 1e-12
    assert not world.hidden(search).any()
    while len(open_referents := search.referents()):
        assert search.close(open_referents[0])
    np.testing.assert_array_equal(in_order(search.points), in_order(world.front))
    assert search.error() == 0.0


def test_a_withdrawn_claim_opens_what_it_had_closed() -> None:
    search = ReferentSearch([0, 0, 0], [4, 4, 4], offset=0.25)
    search.tell([[2.0, 2.0, 2.0]])
    for referent in search.referents():
        assert search.close(referent)
    assert not len(search.referents())
    assert search.error() == 0.0
    assert search.tell([[3.0, 3.0, 1.0]])  # above (2, -1, -1) and (-1, 2, -1)
    assert search.claims.tolist() == [[-1.0, -1.0, 2.0]]
    assert len(search.referents())
    assert search.error() == pytest.approx((5.0 - 3.0) / 4.0), "(5, 5, 2) may be there"
    assert not search.close([-1.0, -1.0, -1.0]), "a known value contradicts it"
    assert search.is_open([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0]]).tolist() == [True, False]


def test_objectives_units_make_no_difference() -> None:
    front = World(3, 3).front
    unit, shift = np.array([1e-3, 1.0, 1e5]), np.array([0.5, -7.0, 1e4])
    plain = referent_search(MaxMinOracle(front), front.min(0), front.max(0), max_calls=6)
    other = front * unit + shift
    scaled = referent_search(MaxMinOracle(other), other.min(0), other.max(0), max_calls=6)
    np.testing.assert_allclose(in_order(scaled.points), in_order(plain.points * unit + shift))
    assert scaled.error == pytest.approx(plain.error)
    assert plain.error > 0


def test_bad_input() -> None:
    with pytest.raises(ConfigurationError, match="swap"):
        ReferentSearch([2, 0, 0], [1, 1, 1])
    with pytest.raises(ConfigurationError, match=r"offset is -1 .* positive"):
        ReferentSearch([0, 0], [1, 1], offset=-1.0)
    with pytest.raises(ConfigurationError, match=r"unit is \[1.0, 0.0\]; expected 2 positive"):
        ReferentSearch([0, 0], [1, 1], unit=[1, 0])
    search = ReferentSearch([0, 0, 0], [1, 1, 1])
    with pytest.raises(ConfigurationError, match=r"referent \[5.0, 0.0, 0.0\] is outside the box"):
        search.close([5, 0, 0])
    with pytest.raises(ConfigurationError, match="raise upper"):
        search.tell([[0, 0, 2]])
    with pytest.raises(ShapeError, match="2 objectives, but the box has 3"):
        search.tell([[0, 0]])
    with pytest.raises(ConfigurationError, match="NaN"):
        search.tell([[0, 0, np.nan]])
    assert not len(search.points)
