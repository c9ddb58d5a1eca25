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

from morl.errors import CapabilityError, CheckpointError
from morl.spaces import ObservationEncoder, StateIndexer, raw_observations, space_from_json, space_to_json

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
]
INTEGRAL = [space for space in SPACES if not (isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating))]
CPU = torch.device("cpu")


def sampled(space: gym.Space[Any], count: int) -> np.ndarray:
    space.seed(0)
    return np.stack([np.asarray(space.sample()) for _ in range(count)])


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
    raw = raw_observations(space, sampled(space, 6), CPU)
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
    raw = raw_observations(space, sampled(space, 300), CPU)
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
        (spaces.Dict({"a": spaces.Discrete(2)}), "Dict spaces.*FlattenObservation"),
        (spaces.Tuple((spaces.Discrete(2),)), "Tuple spaces.*FlattenObservation"),
        (spaces.Text(3), "Text spaces"),
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
    [(spaces.Box(-1.0, 1.0, (2,)), "integral"), (spaces.MultiDiscrete([1000, 1000, 1000]), "4,000,000")],
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
