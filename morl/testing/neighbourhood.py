"""Check a neighbourhood."""

from __future__ import annotations

import numpy as np

from morl.cooperation.neighbourhood import Neighbourhood
from morl.errors import ConfigurationError
from morl.seeding import stream
from morl.testing.requirement import require


def check_neighbourhood(neighbourhood: Neighbourhood, *, num_members: int = 8, num_objectives: int = 3, seed: int = 0) -> None:
    """Check that a neighbourhood keeps the contract of :class:`morl.cooperation.neighbourhood.Neighbourhood`.

    Args:
        neighbourhood: What to check.
        num_members: A size of population that is large enough for it.
        num_objectives: ``m``.
        seed: Of the positions it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.cooperation.neighbourhood import KNearest
        >>> check_neighbourhood(KNearest(k=2))
    """
    rng = stream(seed, "check_neighbourhood")
    different = rng.dirichlet(np.ones(num_objectives), size=num_members)
    for case, weights in (("different weights", different), ("equal weights", np.repeat(different[:1], num_members, axis=0))):
        before = weights.copy()
        found = neighbourhood(weights)
        require(
            getattr(found, "dtype", None) == np.int64 and found.ndim == 2 and len(found) == num_members,
            f"{case}: expected an int64 array ({num_members}, k), got {getattr(found, 'dtype', type(found))} of shape "
            f"{np.shape(found)}",
        )
        require(((found >= 0) & (found < num_members)).all(), f"{case}: an index is not from 0 to {num_members - 1}")
        for member, row in enumerate(found.tolist()):
            require(member not in row, f"{case}: member {member} is its own neighbour")
            require(len(set(row)) == len(row), f"{case}: a neighbour of member {member} is named twice")
        require((weights == before).all(), f"{case}: it changed its argument")
        require((neighbourhood(weights) == found).all(), f"{case}: the same weights gave other neighbours; keep no state")
    try:
        alone = neighbourhood(different[:1])
    except ConfigurationError:
        return
    require(alone.shape == (1, 0), f"one member has no neighbours: expected a ConfigurationError or (1, 0), got {alone.shape}")
