"""Riesz: weight vectors that repel each other, any number of them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError
from morl.weights.request import check_request, sorted_rows
from morl.weights.simplex_lattice import simplex_lattice


def riesz(num_vectors: int, num_objectives: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
    r"""Return well spread weight vectors, corners included: those of least Riesz s-energy, :math:`s = 2m`.

    For one vector, or at most two objectives, the answer is the even grid, exactly. Few vectors lie on the border of the
    simplex: with three objectives six vectors are corners and edge midpoints, and only ten have one in the interior.

    Args:
        num_vectors: How many, ``n >= m`` (or 1).
        num_objectives: Their length, ``m``.
        seed: Start of the minimisation: another one may end in another, about equally good set; with at most two objectives
            it has no effect.

    Returns:
        ``(n, m)``, rows in lexicographic order. Computed once per process for the same arguments (seconds for large sets).

    Raises:
        ConfigurationError: Fewer vectors than objectives.

    Source:
        Blank et al. 2021, computed by pymoo. Deviations: two objectives are solved exactly; entries below 1e-6 are zero.

    Example:
        >>> riesz(6, 2)[:, 0].tolist()
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    check_request(num_vectors, num_objectives)
    if num_vectors == 1 or num_objectives <= 2:
        return simplex_lattice(num_vectors, num_objectives)
    if num_vectors < num_objectives:
        raise ConfigurationError(
            f"riesz places the {num_objectives} corners first and was asked for {num_vectors} vectors; "
            f"ask for {num_objectives} or more, or use dirichlet"
        )
    return _least_energy(num_vectors, num_objectives, seed).copy()


@lru_cache(maxsize=64)
def _least_energy(num_vectors: int, num_objectives: int, seed: int) -> npt.NDArray[np.float64]:
    from pymoo.util.ref_dirs.energy import RieszEnergyReferenceDirectionFactory

    weights = np.asarray(RieszEnergyReferenceDirectionFactory(num_objectives, num_vectors).do(seed=seed), dtype=np.float64)
    weights = np.where(weights < 1e-6, 0.0, weights)
    return sorted_rows(weights / weights.sum(axis=1, keepdims=True))
