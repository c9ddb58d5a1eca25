"""Simplex lattice: the evenly spaced grid of Das and Dennis."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError
from morl.weights.request import check_request, sorted_rows


def simplex_lattice(num_vectors: int, num_objectives: int, *, seed: int = 0) -> npt.NDArray[np.float64]:  # noqa: ARG001
    r"""Return all weight vectors whose entries are multiples of :math:`1/H`.

    There are :math:`\binom{H+m-1}{m-1}` of them: with two objectives every number exists
    (:math:`w_{i1} = i/(n-1)`); with more, only some do (three objectives: 1, 3, 6, 10, 15, 21, ...). One vector is the
    centre of the simplex (``H = 0``).

    Args:
        num_vectors: How many, ``n``.
        num_objectives: Their length, ``m``.
        seed: Not used: the lattice is not random.

    Returns:
        ``(n, m)``, rows in lexicographic order.

    Raises:
        ConfigurationError: No lattice has that many points; the message names the nearest ones.

    Source:
        Das and Dennis 1998. Deviations: none.

    Example:
        >>> simplex_lattice(3, 2).tolist()
        [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    check_request(num_vectors, num_objectives)
    n, m = num_vectors, num_objectives
    if n == 1:
        return np.full((1, m), 1.0 / m)
    if m == 2:
        steps = np.arange(n)
        return np.stack([steps, n - 1 - steps], axis=1) / (n - 1)
    if m == 1:
        raise ConfigurationError(f"one objective has a single weight vector, {n} were asked for; use 1")
    layers = 1
    while math.comb(layers + m - 1, m - 1) < n:
        layers += 1
    count = math.comb(layers + m - 1, m - 1)
    if count != n:
        fewer = math.comb(layers + m - 2, m - 1)
        raise ConfigurationError(
            f"no lattice of {m} objectives has {n} vectors; the nearest have {fewer} and {count}, "
            "or use riesz or dirichlet, which have any number"
        )
    from pymoo.util.ref_dirs import get_reference_directions

    return sorted_rows(np.asarray(get_reference_directions("das-dennis", m, n_partitions=layers), dtype=np.float64))


def largest_lattice(most: int, num_objectives: int) -> npt.NDArray[np.float64]:
    """Generate the largest lattice that is small enough.

    Args:
        most: Vectors at most, at least 1.
        num_objectives: ``m``.

    Returns:
        ``(k, m)`` with ``k <= most``, corners included; the centre alone where no lattice is that small.

    Example:
        >>> len(largest_lattice(100, 3)), largest_lattice(2, 3).round(2).tolist()
        (91, [[0.33, 0.33, 0.33]])
    """
    divisions = 0
    while num_objectives > 1 and math.comb(divisions + num_objectives, num_objectives - 1) <= most:
        divisions += 1
    if not divisions:
        return np.full((1, num_objectives), 1.0 / num_objectives)
    return simplex_lattice(math.comb(divisions + num_objectives - 1, num_objectives - 1), num_objectives)
