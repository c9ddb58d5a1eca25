"""Random numbers without a generator: a hash of (episode seed, step, draw).

There is no state to advance, so a row's numbers cannot depend on what other rows do, and a number is found again from its
coordinates alone. The hash is the output function of SplitMix64 [Steele2014]_ applied to a counter.

.. [Steele2014] G. L. Steele, D. Lea, C. H. Flood. Fast Splittable Pseudorandom Number Generators. OOPSLA 2014.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats, Integers

Keys = npt.NDArray[np.uint64]
"""Hashed episode seeds, one per row."""

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_INCREMENT = np.uint64(_GOLDEN)
_STEP_INCREMENT = np.uint64((_GOLDEN << 16) & _MASK)  # counters leave room for 65536 draws per step
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _12, _1 = (np.uint64(bits) for bits in (30, 27, 31, 12, 1))


def _mix(z: Keys) -> Keys:
    """Scramble 64 bits, in place: bijective, and each input bit flips each output bit with probability one half."""
    z ^= z >> _30
    z *= _FIRST
    z ^= z >> _27
    z *= _SECOND
    z ^= z >> _31
    return z


def episode_keys(seeds: Integers) -> Keys:
    """Hash episode seeds, so that neighbouring seeds give unrelated episodes.

    Args:
        seeds: ``(r,)``, nonnegative.

    Returns:
        Keys ``(r,)`` for :func:`uniforms` and :func:`derived_seeds`.
    """
    return _mix(seeds.astype(np.uint64) + _INCREMENT)


def uniforms(keys: Keys, steps: Integers, draw: int | Integers = 0) -> Floats:
    """Uniform numbers, strictly between 0 and 1.

    Args:
        keys: From :func:`episode_keys`, ``(r,)``.
        steps: Step numbers, ``(r,)``: 0 at the reset, 1 at the first step.
        draw: Which of the step's numbers, below 65536; or several, ``(d,)``.

    Returns:
        ``(r,)``, or ``(r, d)`` for several draws; each with 52 random bits.
    """
    counters = steps.view(np.uint64) * _STEP_INCREMENT
    counters += keys
    if isinstance(draw, np.ndarray):
        counters = counters[:, None] + draw.view(np.uint64) * _INCREMENT
    elif draw:
        counters += np.uint64(draw * _GOLDEN & _MASK)
    numbers: Floats = (_mix(counters) >> _12).astype(np.float64)
    numbers += 0.5
    numbers *= 2.0**-52
    return numbers


def derived_seeds(keys: Keys, episodes: Integers) -> Integers:
    """Seeds of the episodes that follow a seeded one, for those who reset without giving seeds.

    Args:
        keys: Of the first episode, ``(r,)``.
        episodes: How many episodes ago that was, at least 1, ``(r,)``.

    Returns:
        Episode seeds in ``[0, 2**63)``, ``(r,)``.
    """
    # Complemented keys keep these numbers apart from those drawn inside the first episode.
    return (_mix(~keys + episodes.view(np.uint64) * _INCREMENT) >> _1).view(np.int64)
