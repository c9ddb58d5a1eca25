"""What to ask for: a little more than what was reached, or something else for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SOONER = 2
"""Steps by which a command that asks for more is shorter than the episode it goes out from, at least."""


def drawn_commands(
    front: Array,
    lengths: Array,
    spread: Array,
    *,
    haste: float,
    trade: float,
    count: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    r"""Draw commands around returns that are not dominated.

    Each goes out from one of them and raises one objective :math:`j` by :math:`U(0, \sigma_j)`. It shall come sooner: by two
    steps, or by :math:`U(0, \sigma_h)` if that is more. A share ``trade`` of the commands lower another objective :math:`k` by
    :math:`U(0, \sigma_k)` instead of coming sooner.

    Args:
        front: Returns to go out from, ``(q >= 1, m)``, return units.
        lengths: Steps that they took, ``(q,)``.
        spread: :math:`\sigma`, standard deviation of what is remembered, ``(m,)``, return units.
        haste: :math:`\sigma_h`, the same of the episodes' lengths, steps.
        trade: Share of commands that trade one objective for another.
        count: Number of commands.
        rng: Source of randomness.

    Returns:
        Desired returns ``(count, m)`` and horizons ``(count, 1)``, at least 1.

    Source:
        Reymond et al. 2022. Deviations: there nothing is traded, the horizon is always two steps shorter, and the standard
        deviation is that of the front, which is next to nothing while the front is a few neighbours.
    """
    each, m = np.arange(count), front.shape[1]
    chosen, objective = rng.integers(len(front), size=count), rng.integers(m, size=count)
    other = (objective + rng.integers(1, max(m, 2), size=count)) % m
    trades = (rng.random(count) < trade) & (other != objective)
    raised, lowered, sooner = rng.random((3, count))
    desired = front[chosen].copy()
    desired[each, objective] += raised * spread[objective]
    desired[each, other] -= np.where(trades, lowered * spread[other], 0.0)
    shorter = np.where(trades, 0.0, np.maximum(sooner * haste, SOONER))
    return desired, np.maximum(lengths[chosen] - shorter, 1.0)[:, None]
