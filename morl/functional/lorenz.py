"""Lorenz vectors: returns compared by how they are shared among objectives, not by whose they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def lorenz_vectors(returns: Array, *, sorted_share: float = 0.0) -> Array:
    r"""Sum the smallest returns: the sum of the one, of the two, and so on up to all.

    .. math:: L_k(v) = \sum_{i \le k} v_{(i)}, \qquad v_{(1)} \le \dots \le v_{(m)}

    A vector whose Lorenz vector dominates another's is preferred by everybody who likes more to less and equal shares to
    unequal ones, whatever objective gets them.

    Args:
        returns: ``(..., m)`` in one common unit.
        sorted_share: :math:`\lambda`, how much of the sorted returns :math:`v_{(k)}` is mixed in,
            :math:`\lambda v_{(k)} + (1 - \lambda) L_k`; at 1 objectives are interchangeable, but equal shares are worth
            nothing.

    Returns:
        ``(..., m)``.

    Source:
        Shorrocks, A. F. (1983), generalised Lorenz dominance; the mixture is lambda-LCN's (Lorenz conditioned networks,
        JAIR 85, 2026).

    Example:
        >>> lorenz_vectors(np.array([[3.0, 1.0], [2.0, 2.0]])).tolist()
        [[1.0, 4.0], [2.0, 4.0]]
    """
    ordered: Array = np.sort(returns, axis=-1)
    mixed: Array = sorted_share * ordered + (1.0 - sorted_share) * ordered.cumsum(-1)
    return mixed
