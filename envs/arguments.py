"""Checks of the numbers that makers of environments take."""

from __future__ import annotations

from typing import Any

import numpy as np


def whole(name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """Check one whole number.

    Args:
        name: Of the argument.
        value: What was given; a float that is whole will do.
        least: Smallest that makes sense.
        most: Largest that makes sense.

    Returns:
        The number.

    Raises:
        ValueError: It is none, or out of range; names the range.
    """
    number = np.asarray(value)
    is_whole = number.ndim == 0 and number.dtype.kind in "iuf" and np.isfinite(number) and number == np.floor(number)
    if not is_whole or value < least or (most is not None and value > most):
        raise ValueError(f"{name} is {value!r}; expected an integer from {least}" + ("" if most is None else f" to {most}"))
    return int(value)


def instance_generator(instance_seed: Any) -> np.random.Generator:
    """The generator of a random instance, the same for the same seed.

    Args:
        instance_seed: A whole number of at least 0; None would be another instance each time.

    Raises:
        ValueError: It is none.
    """
    return np.random.default_rng(whole("instance_seed", instance_seed, least=0))
