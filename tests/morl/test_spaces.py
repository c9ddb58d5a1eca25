"""Encoders of observations and the JSON form of spaces."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from morl.errors import CapabilityError, CheckpointError, ShapeError
from morl.spaces import ComponentEncoder, ObservationEncoder, StateIndexer, raw_observations, space_from_json, space_to_json

SPACES: list[gym.Space[Any]] = [
    spaces.Box(-1.0, 2.0, (3,), np.float32),
    spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
    spaces.Box(np.array([-1.0, -np.inf], np.float32), np.array([np.inf, 7.5], np.float32)),
    spaces.Box(0, 10, (2,), np.int32),
    spaces.Discrete(5),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([3, 4, 2]),
    spaces.MultiDiscrete([3, 4], start=[-1, 10]),
    spaces.MultiBinary(4),
    spaces.MultiBinary((2, 3)),
    spaces.MultiDiscrete([[3, 4], [2, 5]]),
    spaces.Box(-(2**62), 2**62 + 1, (2,), np.int64),
    spaces.Box(0, 2**64 - 1, (2,), np.uint64),
    spaces.Tuple((spaces.Discrete(32), spaces.Discrete(11), spaces.Discrete(2))),
    spaces.Dict(
        {
            "z": spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
            "a": spaces.Tuple((spaces.Discrete(3, start=-1), spaces.Dict({"b": spaces.MultiBinary(2)}))),
            "wide": spaces.Box(0, 100_000_000, (1,), np.int64),
        }
    ),
]
INTEGRAL = [
    *(spaces.Box(0, 10, (2,), np.int32), spaces.Discrete(5), spaces.Discrete(3, start=-1), spaces.MultiDiscrete([3, 4, 2])),
    *(spaces.MultiDiscrete([3, 4], start=[-1, 10]), spaces.MultiBinary(4), spaces.MultiDiscrete([[3, 4], [2, 5]])),
    spaces.Tuple((spaces.Discrete(32), spaces.Discrete(11), spaces.Discrete(2))),
    spaces.Dict({"b": spaces.MultiBinary(2), "a": spaces.MultiDiscrete([3, 2], start=[5, -1])}),
]
CPU = torch.device("cpu")


def sampled(space: gym.Space[Any], count: int) -> Tensor:
    """Raw observations of random ones, ``(count, *shape)``."""
    space.seed(0)
    return torch.stack([raw_observations(space, space.sample(), CPU) for _ in range(count)])


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_json_brings_a_space_back(space: gym.Space[Any]) -> None:
    assert space_from_json(json.loads(json.dumps(space_to_json(space)))) == space


@given(low=st.floats(-(2.0**90), 0, width=32), size=st.floats(2.0**-7, 2.0**90, width=32))
def test_json_keeps_every_bit_of_the_bounds(low: float, size: float) -> None:
    space = spaces.Box(np.float32(low), np.float32(size), (2,), np.float32)
    again = space_from_json(json.loads(json.dumps(space_to_json(space))))
    assert again == space


@pytest.mark.parametrize(
    "data",
    [
        {}, {"type": "Text"}, {"type": "Box", "low": [0]}, {"type": "Discrete", "n": "many", "start": 0},
        {"type": "MultiBinary"},
        {"type": "Box", "low": [0, 0], "high": [1, 1], "shape": [3], "dtype": "float32"},
        {"type": "Box", "low": [0], "high": [1], "shape": [1], "dtype": "nothing"},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_description_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises((CheckpointError,)):
        space_from_json(data)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_encodings_have_the_promised_width_and_any_batch_axes(space: gym.Space[Any]) -> None:
    encoder = ObservationEncoder(space)
    raw = sampled(space, 6)
    encoded = encoder(raw)
    assert encoded.dtype == torch.float32
    assert encoded.shape == (6, encoder.width)
    assert torch.equal(encoder(raw.unflatten(0, (2, 3))), encoded.unflatten(0, (2, 3)))
    assert torch.equal(encoder(raw[0]), encoded[0])
    assert encoder(raw[:0]).shape == (0, encoder.width)


def test_one_hot_vectors() -> None:
    encoder = ObservationEncoder(spaces.MultiDiscrete([3, 4], start=[-1, 10]))
    assert encoder.is_one_hot
    assert encoder(torch.tensor([[-1, 13], [1, 10]])).tolist() == [[1, 0, 0, 0, 0, 0, 1], [0, 0, 1, 1, 0, 0, 0]]


@pytest.mark.parametrize("space", INTEGRAL, ids=str)
def test_different_observations_have_different_codes_and_indices(space: gym.Space[Any]) -> None:
    raw = sampled(space, 300)
    distinct = len(raw.reshape(300, -1).unique(dim=0))
    assert len(ObservationEncoder(space)(raw).unique(dim=0)) == distinct
    indexer = StateIndexer(space)
    index = indexer(raw)
    assert len(index.unique()) == distinct
    assert int(index.min()) >= 0
    assert int(index.max()) < indexer.num_states


def test_wide_integers_stay_numbers() -> None:
    encoder = ObservationEncoder(spaces.Discrete(1000))
    assert encoder.width == 1
    assert encoder(torch.tensor([17])).tolist() == [[17.0]]


def test_indices_are_a_bijection() -> None:
    indexer = StateIndexer(spaces.MultiDiscrete([2, 3, 4]))
    grid = torch.cartesian_prod(*(torch.arange(k) for k in (2, 3, 4)))
    assert indexer(grid).tolist() == list(range(24))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Text(3), "Text spaces are not supported.*TransformObservation"),
        (spaces.Dict({"a": spaces.Sequence(spaces.Discrete(2))}), r"Sequence spaces are not supported \(observation\['a'\]\)"),
        (spaces.Tuple((spaces.Graph(spaces.Discrete(2), None),)), r"Graph spaces are not supported \(observation\[0\]\)"),
        (spaces.Dict({"eye": spaces.Box(0, 255, (8, 8, 3), np.uint8)}), r"observations\['eye'\] .*images"),
        (spaces.Dict({}), "no components"),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), "images"),
        (spaces.Box(0, 255, (8, 8), np.uint8), "images"),
    ],
    ids=str,
)
def test_spaces_that_cannot_be_encoded(space: gym.Space[Any], message: str) -> None:
    with pytest.raises(CapabilityError, match=message):
        ObservationEncoder(space)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(-1.0, 1.0, (2,)), "integral.*use MODQN"),
        (spaces.MultiDiscrete([1000, 1000, 1000]), "4,000,000.*use MODQN"),
        (spaces.Box(-np.inf, np.inf, (2,), np.int64), "4,000,000"),
        (spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(-1.0, 1.0, (2,))}), "integral.*use MODQN"),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), "images"),
        (spaces.Dict({"a": spaces.Text(3)}), "Text spaces"),
    ],
    ids=str,
)
def test_spaces_that_no_table_takes(space: gym.Space[Any], message: str) -> None:
    with pytest.raises(CapabilityError, match=message):
        StateIndexer(space)


def test_raw_observations() -> None:
    real = raw_observations(spaces.Box(-1.0, 1.0, (2,), np.float64), np.zeros((3, 2)), CPU)
    assert real.dtype == torch.float32
    assert raw_observations(spaces.Discrete(4), 3, CPU).dtype == torch.int64
    assert raw_observations(spaces.MultiBinary(2), np.ones((1, 2), np.int8), CPU).tolist() == [[1, 1]]


def test_parts_stand_one_after_the_other_in_the_order_of_the_space() -> None:
    space = spaces.Dict(
        {
            "b": spaces.Box(-1.0, 1.0, (2,), np.float64),
            "a": spaces.Discrete(3, start=5),
            "c": spaces.Box(0, 10**9, (1,), np.int64),
        }
    )
    raw = raw_observations(space, {"a": 6, "b": np.array([0.1, 2.5]), "c": np.array([123_456_789])}, CPU)
    # Real numbers as float32 has them, integers exactly.
    assert raw.tolist() == [6, np.float32(0.1), 2.5, 123_456_789]
    encoder = ObservationEncoder(space)
    assert encoder(raw).tolist() == [0, 1, 0, np.float32(0.1), 2.5, np.float32(123_456_789)]
    assert encoder.numbers.tolist() == [False] * 3 + [True] * 3
    assert not encoder.is_one_hot
    assert ComponentEncoder(space).sizes is None
    assert torch.equal(ComponentEncoder(space)(raw), encoder(raw))


def test_a_table_over_parts_counts_in_mixed_radix() -> None:
    space = spaces.Tuple((spaces.Discrete(3), spaces.Dict({"x": spaces.MultiDiscrete([2, 4], start=[1, 0])})))
    indexer = StateIndexer(space)
    assert indexer.num_states == 24
    every = [(a, {"x": np.array([b, c])}) for a in range(3) for b in (1, 2) for c in range(4)]
    assert [int(indexer(raw_observations(space, one, CPU))) for one in every] == list(range(24))
    assert ComponentEncoder(space).sizes == (3, 2, 4)


@pytest.mark.parametrize(
    ("space", "found", "message"),
    [
        (spaces.Box(-1.0, 1.0, (3,)), np.zeros(2), r"of shape \(2,\); expected \(3,\)"),
        (spaces.Box(-1.0, 1.0, (3,)), 0.25, r"of shape \(\); expected \(3,\)"),
        (spaces.Box(-1.0, 1.0, (3,)), {"x": 1}, "a mapping"),
        (spaces.Box(-1.0, 1.0, (3,)), ["a", "b", "c"], "no real numbers"),
        (spaces.Box(-1.0, 1.0, (3,)), [1, [2, 3], 4], "different lengths"),
        (spaces.Box(-1.0, 1.0, (3,)), np.zeros(3, complex), "complex"),
        (spaces.Box(-1.0, 1.0, (), np.float32), None, "NoneType"),
        (spaces.Box(-1.0, 1.0, (3,)), np.array([0.0, np.nan, 0.0]), "non-finite observation.*component 1 is nan"),
        (spaces.Box(-1.0, 1.0, (2,), np.float64), np.array([1e39, 0.0]), "too large for float32.*component 0 is 1e"),
        (spaces.Box(-9, 9, (3,), np.int32), np.array([0, 0, 10]), "not in its observation space.*component 2 is 10"),
        (spaces.Box(0, 255, (2,), np.uint8), np.array([300, 0]), "component 0 is 300"),
        (spaces.Box(np.arange(99), np.arange(99) + 5, dtype=np.int64), np.full(99, 3), r"\.\.\.; component 4 is 3"),
        (spaces.Discrete(3), 1.5, "the observation 1.5"),
        (spaces.Discrete(3), np.nan, "the observation nan"),
        (spaces.Discrete(3), 10**30, "no real numbers"),
        (spaces.Discrete(3, start=2), 1, "the observation 1, which is not in"),
        (spaces.MultiBinary(2), np.array([0, 2]), "component 1 is 2"),
        (spaces.Tuple((spaces.Discrete(3), spaces.Discrete(2))), (1, 2), r"observation\[1\] 2, which is not"),
        (spaces.Tuple((spaces.Discrete(3), spaces.Discrete(2))), (1, 1, 1), "tuple of 3.*tuple of 2"),
        (spaces.Tuple((spaces.Discrete(3), spaces.Discrete(2))), 1, "int as observation"),
        (spaces.Dict({"a": spaces.Discrete(3)}), {"b": 1}, r"keys \['b'\].*\['a'\]"),
        (spaces.Dict({"a": spaces.Discrete(3)}), np.zeros(2), r"of shape \(2,\); expected \(1,\)"),
    ],
    ids=str,
)
def test_what_is_not_in_the_space_is_named(space: gym.Space[Any], found: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message) as caught:
        raw_observations(space, found, CPU)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_large_integers_are_neither_wrapped_nor_counted() -> None:
    """Bounds beyond what the difference of two int64 can be."""
    for low, high, dtype in (
        (-np.inf, np.inf, np.int64),
        (0, np.inf, np.int64),
        (0, 2**64 - 1, np.uint64),
        (0, np.inf, np.int32),
    ):
        space = spaces.Box(low, high, (2,), dtype)
        encoder = ObservationEncoder(space)
        assert (encoder.is_one_hot, encoder.width) == (False, 2)
        top = np.array([space.high[0], 3], dtype)
        assert encoder(raw_observations(space, top, CPU)).tolist() == [float(np.float32(space.high[0])), 3.0]
        assert ComponentEncoder(space).sizes is None
    offset = spaces.Box(2**60, 2**60 + 3, (1,), np.int64)
    assert ObservationEncoder(offset)(raw_observations(offset, np.array([2**60 + 2]), CPU)).tolist() == [0, 0, 1, 0]


def test_real_numbers_may_leave_their_box() -> None:
    """Environments leave their boxes all the time, and networks extrapolate."""
    assert raw_observations(spaces.Box(-1.0, 1.0, (2,)), np.array([1.5, -7.0]), CPU).tolist() == [1.5, -7.0]
