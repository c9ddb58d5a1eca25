"""Boxes against the fronts they are to find."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.errors import ConfigurationError, ShapeError
from morl.functional.dominance import non_dominated
from morl.oracles import BoxDecomposition, MaxMinOracle, box_decomposition, pareto_value_iteration

Array = npt.NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("env_id", ["deep-sea-treasure-v0", "deep-sea-treasure-concave-v0"])
@pytest.mark.parametrize("gamma", [1.0, 0.99])
def test_treasures_are_all_found_in_21_calls(env_id: str, gamma: float) -> None:
    front = pareto_value_iteration(env_id, gamma).values
    found = box_decomposition(MaxMinOracle(front), front.min(0), front.max(0), offset=1.0, tolerance=1e-6)
    np.testing.assert_array_equal(found.points, front)
    assert (found.calls, len(found.closed), found.error) == (21, 11, 0.0)


def drawn_front(seed: int) -> Array:
    values = np.random.default_rng(seed).integers(0, 40, size=(30, 2)).astype(float)
    values = values[non_dominated(values)]
    return values[values[:, 0].argsort()]


@settings(max_examples=40)
@given(seed=seeds)
def test_the_error_is_never_below_the_distance_to_what_is_missing(seed: int) -> None:
    front = drawn_front(seed)
    oracle = MaxMinOracle(front)
    search = BoxDecomposition(front.min(0), front.max(0))
    while boxes := search.boxes():
        before = search.error()
        if len(search.points):
            missing = (front[:, None] - search.points).max(-1).min(1).max()
            assert missing <= before + 1e-9
        search.tell(boxes[0], oracle(boxes[0].lower))
        assert search.error() <= before + 1e-9
    np.testing.assert_array_equal(search.points, front)
    assert search.error() == 0.0


@settings(max_examples=40)
@given(seed=seeds)
def test_answers_that_were_not_optimal_are_replaced(seed: int) -> None:
    front, rng = drawn_front(seed), np.random.default_rng(seed)
    oracle = MaxMinOracle(front)
    search = BoxDecomposition(front.min(0), front.max(0))
    early = True
    for _ in range(500):
        boxes = search.boxes()
        if not boxes:
            break
        box = boxes[rng.integers(len(boxes))]
        value = oracle(box.lower)
        early &= len(search.points) < 3
        # At first the learner falls short, but not below the referent.
        search.tell(box, value - rng.random(2) * (value - box.lower) * 0.5 if early else value)
    assert not search.boxes()
    # Whatever is left of the early answers, nothing on the front is above all that was found.
    assert not (front[:, None] > search.points + 1e-6).all(-1).all(1).any()
    assert non_dominated(search.points).all()


def test_boxes_can_be_asked_about_at_once_and_stop_early() -> None:
    front = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    search = BoxDecomposition([0, 0], [4, 4])
    assert search.tell(search.boxes()[0], front[1])
    both = search.boxes()
    assert [search.tell(box, MaxMinOracle(front)(box.lower)) for box in both] == [True, True]
    assert not search.tell(both[0], search.points[0])
    short = box_decomposition(MaxMinOracle(front), [0, 0], [4, 4], max_calls=2)
    assert short.calls == 2
    assert short.error > 0


def test_bad_input() -> None:
    with pytest.raises(ShapeError, match="3 objectives"):
        BoxDecomposition([0, 0, 0], [1, 1, 1])
    with pytest.raises(ConfigurationError, match="swap"):
        BoxDecomposition([2, 0], [1, 1])
    with pytest.raises(ConfigurationError, match="positive"):
        BoxDecomposition([0, 0], [1, 1], offset=0.0)
    with pytest.raises(ConfigurationError, match="NaN"):
        box_decomposition(lambda referent: [np.nan, 0.0], [0, 0], [1, 1])
    with pytest.raises(ShapeError, match=r"expected \(2,\)"):
        box_decomposition(lambda referent: [1.0, 0.0, 0.0], [0, 0], [1, 1])
    with pytest.raises(ConfigurationError, match="empty"):
        MaxMinOracle(np.zeros((0, 2)))
