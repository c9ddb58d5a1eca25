"""KL: distributions within some relative entropy of the nominal one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robust.tabular.ambiguity.base import Array, PairByPair, checked_radius

_MAX_STEPS = 200
_LARGEST = 1e300
_ROUNDING = 4 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class KL(PairByPair):
    r"""The ball :math:`\mathrm{KL}(p \,\|\, q) \le \kappa` around each nominal distribution; its support is the nominal one.

    The worst distribution is :math:`p \propto q\, e^{-\theta z}` with the tilt :math:`\theta` at which the bound holds with
    equality, or the worst outcomes alone where even they are close enough. All tilts are found together.

    Source:
        Nilim and El Ghaoui 2005, entropy model; Iyengar 2005, section 4. Deviations: the bound itself is solved for
        the tilt (safeguarded Newton) instead of maximising the dual, so that value and distribution agree exactly.

    Example:
        >>> q, z = np.array([[0.5, 0.5]]), np.array([0.0, 1.0])
        >>> [float(KL(kappa).worst_value(z, q)[0].round(6)) for kappa in (0.0, 0.1, 1.0)]
        [0.5, 0.280205, 0.0]
    """

    radius: float
    r""":math:`\kappa`, nats, ``>= 0``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", checked_radius("KL", self.radius))

    def worst_distribution(self, outcomes: Array, nominal: Array) -> Array:
        # The exponentially tilted distributions.
        if self.radius == 0:
            return nominal
        possible = nominal > 0
        lowest = np.where(possible, outcomes, np.inf).min(axis=-1, keepdims=True)
        # Worth above the worst possible outcome, in units of its range: the tilt has no units then.
        above = np.where(possible, outcomes - lowest, 0.0)
        scale = above.max(axis=-1, keepdims=True)
        above = above / np.where(scale > 0, scale, 1.0)
        bottom = np.where(possible & (above <= 0), nominal, 0.0)
        mass = bottom.sum(axis=-1, keepdims=True)
        result = bottom / mass
        # Where the worst outcomes alone are too far away, the bound is active.
        active = (-np.log(mass) > self.radius)[..., 0]
        if active.any():
            result[active] = _tilted(above[active], nominal[active], self.radius)
        return np.asarray(result)


def _tilted(above: Array, nominal: Array, radius: float) -> Array:
    """Distributions ``q exp(-theta z)`` at relative entropy ``radius``, ``(i, b)``; outcomes lie in [0, 1]."""
    mean = (nominal * above).sum(axis=-1)
    variance = (nominal * (above - mean[:, None]) ** 2).sum(axis=-1)
    theta = np.sqrt(2 * radius / variance)
    low, high = np.zeros_like(theta), np.full_like(theta, np.inf)
    for _ in range(_MAX_STEPS):
        weights = nominal * np.exp(-theta[:, None] * above)
        total = weights.sum(axis=-1)
        tilted = weights / total[:, None]
        mean = (tilted * above).sum(axis=-1)
        loss, log_total = theta * mean, np.log(total)
        excess = -loss - log_total - radius
        # What is left once the sum of these terms is right to their last digits.
        if (np.abs(excess) <= _ROUNDING * (loss - log_total + radius)).all():
            break
        low, high = np.where(excess < 0, theta, low), np.where(excess >= 0, theta, high)
        slope = theta * (tilted * (above - mean[:, None]) ** 2).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = theta - excess / slope
        bisected = np.where(np.isinf(high), 2 * theta, (low + np.minimum(high, _LARGEST)) / 2)
        theta = np.where((step > low) & (step < high), step, bisected)
    return np.asarray(tilted)
