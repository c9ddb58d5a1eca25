"""Keyed, stateless random streams: a number depends on what it is for, never on what was drawn before it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Words: TypeAlias = npt.NDArray[Any]

# Constants of numpy's SeedSequence.
_POOL = 4
_INIT_A, _MULT_A, _INIT_B, _MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
_FEW = 16  # below this many, one by one is faster
_MIX_LEFT, _MIX_RIGHT, _SHIFT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715), np.uint32(16)


def stream(seed: int, purpose: str, uid: int = 0, index: int = 0) -> np.random.Generator:
    """Return the generator of one keyed stream.

    Two streams with different keys are independent; the same key always gives the same numbers, whatever else the
    program drew. A member's environments therefore see the same seeds however many members there are.

    Args:
        seed: The run's (or the evaluation's) seed, ``>= 0``.
        purpose: What the numbers are for, such as ``"episode"`` or ``"evaluation"``.
        uid: Identity of the member, row or environment the numbers belong to, ``>= 0``.
        index: Position in the sequence, such as the episode number, ``>= 0``.

    Returns:
        A fresh numpy generator.
    """
    key = (zlib.crc32(purpose.encode()), uid, index)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def stream_seed(seed: int, purpose: str, uid: int = 0, index: int = 0) -> int:
    """Return one 31-bit integer of a keyed stream: the seed given to an environment's ``reset``.

    Args:
        seed: See :func:`stream`.
        purpose: See :func:`stream`.
        uid: See :func:`stream`.
        index: See :func:`stream`.

    Returns:
        An integer in ``[0, 2**31)``.
    """
    key = (zlib.crc32(purpose.encode()), uid, index)
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint32)[0] >> 1)


def stream_seeds(seed: int, purposes: Sequence[str], uids: Words, indices: Words) -> npt.NDArray[np.int64]:
    """Many integers of keyed streams at once; the same numbers as :func:`stream_seed` one by one, but a hundred times faster.

    Args:
        seed: See :func:`stream`.
        purposes: ``(r,)``.
        uids: ``(r,)``, each below ``2**32``.
        indices: ``(r,)``, each below ``2**32``.

    Returns:
        ``(r,)`` in ``[0, 2**31)``.

    Source:
        numpy's SeedSequence: its documented algorithm, which numpy keeps stable, on arrays.
    """
    if len(purposes) < _FEW:
        return np.array(
            [stream_seed(seed, p, int(u), int(i)) for p, u, i in zip(purposes, uids, indices, strict=True)], np.int64
        )
    entropy = [seed >> shift & 0xFFFFFFFF for shift in range(0, max(seed.bit_length(), 1), 32)]
    codes = np.array([zlib.crc32(purpose.encode()) for purpose in purposes], dtype=np.uint32)
    key: tuple[Any, ...] = (codes, uids.astype(np.uint32), indices.astype(np.uint32))
    words: list[Any] = [*(np.uint32(word) for word in entropy), *[np.uint32(0)] * (_POOL - len(entropy)), *key]
    multipliers = iter(_powers(_INIT_A, _MULT_A, len(words) * _POOL + 1))
    last = next(multipliers)

    def hashed(value: Any) -> Any:
        nonlocal last
        before, last = last, next(multipliers)
        value = (value ^ before) * last
        return value ^ value >> _SHIFT

    def mixed(x: Any, y: Any) -> Any:
        result = _MIX_LEFT * x - _MIX_RIGHT * y
        return result ^ result >> _SHIFT

    pool = [hashed(np.broadcast_to(word, codes.shape)) for word in words[:_POOL]]
    for source in range(_POOL):
        for target in range(_POOL):
            if source != target:
                pool[target] = mixed(pool[target], hashed(pool[source]))
    for word in words[_POOL:]:
        for target in range(_POOL):
            pool[target] = mixed(pool[target], hashed(np.broadcast_to(word, codes.shape)))
    first, second = _powers(_INIT_B, _MULT_B, 2)
    drawn = (pool[0] ^ first) * second
    drawn ^= drawn >> _SHIFT
    numbers: npt.NDArray[np.int64] = (drawn >> np.uint32(1)).astype(np.int64)
    return numbers


def _powers(first: int, factor: int, count: int) -> list[np.uint32]:
    """``first * factor**k`` modulo 2**32."""
    values = [first]
    for _ in range(count - 1):
        values.append(values[-1] * factor & 0xFFFFFFFF)
    return [np.uint32(value) for value in values]


def torch_stream(
    seed: int, purpose: str, uid: int = 0, index: int = 0, *, device: str | torch.device = "cpu"
) -> torch.Generator:
    """Return a torch generator seeded from a keyed stream.

    Args:
        seed: See :func:`stream`.
        purpose: See :func:`stream`.
        uid: See :func:`stream`.
        index: See :func:`stream`.
        device: Where the generator draws; the numbers differ between kinds of device. On ``meta``, where nothing is
            drawn, the generator lives on the CPU.

    Returns:
        A fresh torch generator.
    """
    device = torch.device(device)
    generator = torch.Generator(device="cpu" if device.type == "meta" else device)
    generator.manual_seed(stream_seed(seed, purpose, uid, index))
    return generator
