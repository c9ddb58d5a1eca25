"""Normalised scores, as robust reinforcement learning is commonly reported: 0 is TD3 trained in the nominal model, 1 is M2TD3.

The published tables state TD3's own scores nowhere. Those shipped here were recovered by intersecting the rounding
intervals of a raw and a normalised table, and come with the interval; M2TD3's are published. Simulators and learners differ
between sources, so such a score compares a method with those two runs, not with the methods.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, closest


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Scores between which a normalised score interpolates, in return units."""

    zero: float
    """Score that becomes 0: TD3 in the nominal model."""
    one: float
    """Score whose distance from ``zero`` is the unit: M2TD3."""
    zero_interval: tuple[float, float] | None = None
    """Where ``zero`` may lie, if it was recovered from rounded numbers."""

    def normalised(self, returns: npt.ArrayLike) -> npt.NDArray[np.float64]:
        r"""Normalise returns.

        .. math:: \frac{v - v_\mathrm{TD3}}{\lvert v_\mathrm{M2TD3} - v_\mathrm{TD3} \rvert}

        Args:
            returns: Any shape, return units.

        Raises:
            ConfigurationError: Both references are the same.

        Source:
            Zouitine et al. 2024 (arXiv 2410.06212), section 6.
        """
        if self.one == self.zero:
            raise ConfigurationError(f"both references are {self.zero:g}: nothing can be measured between them")
        return np.asarray((np.asarray(returns, dtype=np.float64) - self.zero) / abs(self.one - self.zero))


def reference(uncertainty_set: str, measure: Literal["worst", "average"] = "worst") -> Reference:
    """Published references of an uncertainty set.

    Args:
        uncertainty_set: Robot and number of parameters, such as ``hopper-2``.
        measure: Worst case or average over a grid of the set.

    Returns:
        The reference; for sets of your own make a :class:`Reference`.

    Raises:
        ConfigurationError: There is none; names the closest set.

    Example:
        >>> round(float(reference("hopper-2").normalised(533.0)), 6)
        1.0
    """
    rows = _rows()
    if uncertainty_set not in rows:
        raise ConfigurationError(
            f"no published reference for {uncertainty_set!r}.{closest(uncertainty_set, rows)} Known sets: {', '.join(rows)}"
        )
    row = rows[uncertainty_set]
    unit = float(row[f"unit_{measure}"])
    interval = None
    if measure == "worst":
        interval = (unit * float(row["td3_worst_low"]), unit * float(row["td3_worst_high"]))
    return Reference(
        zero=unit * float(row[f"td3_{measure}"]), one=unit * float(row[f"m2td3_{measure}"]), zero_interval=interval
    )


def known_sets() -> tuple[str, ...]:
    """Uncertainty sets with published references."""
    return tuple(_rows())


@cache
def _rows() -> dict[str, dict[str, str]]:
    text = (files("robust") / "data" / "td3_references.csv").read_text(encoding="utf-8")
    return {row["set"]: row for row in csv.DictReader(text.splitlines())}
