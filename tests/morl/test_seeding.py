"""Keyed streams: a number depends on what it is for, and on nothing that was drawn before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morl.seeding import stream, stream_seed, stream_seeds, torch_stream

KEY = st.tuples(st.integers(0, 2**40), st.text(max_size=5), st.integers(0, 2**20), st.integers(0, 2**40))


@given(key=KEY)
def test_the_same_key_gives_the_same_numbers(key: tuple[int, str, int, int]) -> None:
    assert stream(*key).random() == stream(*key).random()
    assert stream_seed(*key) == stream_seed(*key)
    assert torch.rand((), generator=torch_stream(*key)) == torch.rand((), generator=torch_stream(*key))
    assert 0 <= stream_seed(*key) < 2**31


@given(
    seed=st.integers(0, 2**70),
    keys=st.lists(
        st.tuples(st.text(max_size=5), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=1, max_size=40
    ),
)
def test_many_seeds_at_once_are_the_same_seeds(seed: int, keys: list[tuple[str, int, int]]) -> None:
    purposes, uids, indices = zip(*keys, strict=True)
    many = stream_seeds(seed, purposes, np.array(uids), np.array(indices))
    assert many.tolist() == [stream_seed(seed, *key) for key in keys]


@pytest.mark.parametrize("draw", [lambda *k: stream(*k).random(), stream_seed, lambda *k: torch_stream(*k).initial_seed()])
def test_every_part_of_the_key_counts(draw: Callable[..., float]) -> None:
    base = (3, "episode", 2, 5)
    changed = [(4, "episode", 2, 5), (3, "acting", 2, 5), (3, "episode", 3, 5), (3, "episode", 2, 6), (3, "episode", 5, 2)]
    assert len({draw(*base), *(draw(*key) for key in changed)}) == 6


def test_neighbouring_seeds_do_not_collide() -> None:
    seeds = [stream_seed(s, "episode", uid, i) for s in range(3) for uid in range(20) for i in range(50)]
    assert len(set(seeds)) == len(seeds)


def test_no_global_state_is_touched() -> None:
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # type: ignore[union-attr,index] # noqa: NPY002
    stream(0, "x").random(10)
    torch.rand(10, generator=torch_stream(0, "x"))
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[union-attr,index] # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_the_numbers_are_fixed_for_ever() -> None:
    """Seeds of published evaluations must not change with a version."""
    assert [stream_seed(0, "episode/0", 0, i) for i in range(3)] == [276403509, 998416197, 1699208226]
    assert torch_stream(0, "acting", device="meta").device.type == "cpu"
