r"""The curve along which PGMORL expects an objective to change with its weight.

References:
    J. Xu, Y. Tian, P. Ma, D. Rus, S. Sueda, W. Matusik, "Prediction-Guided Multi-Objective Reinforcement Learning for
    Continuous Robot Control", ICML 2020.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_RAW = 500.0
"""The paper's bound on changes, in returns of its environments; here one range of the front."""
LOSS_SCALE = 20.0 / _RAW
"""Residual at which the loss turns from a square into an absolute value, in ranges."""
STEEPNESS = (0.1, 20.0)
SHIFT = (-5.0, 5.0)


def hyperbola(x: Array, parameters: Array) -> Array:
    r"""Evaluate the curve.

    .. math:: \Delta(x) = A \, \frac{e^{a (x - b)} - 1}{e^{a (x - b)} + 1} + c = A \tanh \frac{a (x - b)}{2} + c

    Args:
        x: Weight of the objective, ``(...)``.
        parameters: ``A, a, b, c``.

    Returns:
        Change of the objective, ``(...)``.
    """
    height, steepness, shift, level = parameters
    return np.asarray(height * np.tanh(steepness * (x - shift) / 2) + level)


def fit_hyperbola(x: Array, y: Array, certainty: Array) -> Array:
    r"""Fit the curve to changes by least squares with a soft absolute loss.

    Bounds: :math:`A` from 0 to the spread of the changes, which counts as at least 0.002 and at most 1; :math:`a` in
    [0.1, 20], :math:`b` in [-5, 5]; :math:`c` in [-1, 1], or as far as the changes go.

    Args:
        x: Weights, ``(k,)``.
        y: Changes ``(k,)``, in units of the front's range.
        certainty: Factor of each residual, ``(k,)``.

    Returns:
        ``A, a, b, c``.

    Source:
        Xu et al. 2020, with the bounds of the authors' code, whose 500, 1 and 20 return units are 1, 0.002 and 0.04
        ranges of the front here. Deviations: units; :math:`c` reaches every change seen; the search begins in the data and not
        at 1.
    """
    from scipy.optimize import least_squares

    tallest = float(np.clip(np.ptp(y), 1.0 / _RAW, 1.0))
    low = np.array([0.0, STEEPNESS[0], SHIFT[0], min(-1.0, y.min())])
    high = np.array([tallest, STEEPNESS[1], SHIFT[1], max(1.0, y.max())])

    def residuals(parameters: Array) -> Array:
        return (hyperbola(x, parameters) - y) * certainty

    def slopes(parameters: Array) -> Array:
        height, steepness, shift, _ = parameters
        tanh = np.tanh(steepness * (x - shift) / 2)
        inner = height * (1 - tanh**2) / 2
        return np.stack([tanh, inner * (x - shift), -inner * steepness, np.ones_like(x)], axis=1) * certainty[:, None]

    start = np.array([tallest / 2, 5.0, float(np.average(x, weights=certainty + 1e-12)), float(np.median(y))])
    found = least_squares(
        residuals, start, jac=slopes, bounds=(low, high), method="dogbox", loss="soft_l1", f_scale=LOSS_SCALE, max_nfev=100
    )
    return np.asarray(found.x)
