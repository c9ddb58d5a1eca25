from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from envs.randomness import derived_seeds, episode_keys, uniforms

SEEDS = st.integers(0, 2**63 - 1)


def test_first_outputs_of_splitmix():
    # Published outputs of SplitMix64 from state 1234567: the key is the state, the step counts increments of one draw.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state = np.array([1234567], np.uint64)
    found = [uniforms(state, np.zeros(1, np.int64), draw)[0] for draw in (1, 2, 3)]
    np.testing.assert_array_equal(found, [((number >> 12) + 0.5) / 2**52 for number in expected])


@given(st.lists(SEEDS, min_size=1, max_size=20), st.integers(0, 10_000), st.integers(0, 100))
def test_a_number_depends_on_its_own_coordinates_only(seeds, step, draw):
    keys = episode_keys(np.array(seeds))
    steps = np.full(len(seeds), step)
    together = uniforms(keys, steps, draw)
    alone = [uniforms(keys[i : i + 1], steps[:1], draw)[0] for i in range(len(seeds))]
    several = uniforms(keys, steps, np.array([draw, draw + 1]))
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, several[:, 0])
    assert ((together > 0) & (together < 1)).all()


@pytest.mark.parametrize("vary", ["seed", "step", "draw"])
def test_numbers_are_uniform_and_neighbours_unrelated(vary):
    many, one = np.arange(40_000), np.zeros(1, np.int64)
    if vary == "seed":
        numbers = uniforms(episode_keys(many), np.zeros_like(many))
    elif vary == "step":
        numbers = uniforms(np.repeat(episode_keys(one), many.size), many)
    else:
        numbers = uniforms(episode_keys(one), one, many)[0]
    assert kstest(numbers, "uniform").pvalue > 0.001
    cells = np.floor(numbers * 8).astype(int)
    pairs = np.bincount(cells[:-1] * 8 + cells[1:], minlength=64)
    assert chisquare(pairs).pvalue > 0.001


def test_derived_seeds_are_valid_and_distinct():
    keys = episode_keys(np.arange(100))
    seeds = np.concatenate([derived_seeds(keys, np.full(100, episode)) for episode in range(1, 50)])
    assert (seeds >= 0).all()
    assert np.unique(seeds).size == seeds.size
