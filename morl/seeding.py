"""Keyed, stateless random streams: a number depends on what it is for, never on what was drawn before it."""

from __future__ import annotations

import zlib

import numpy as np
import torch


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
