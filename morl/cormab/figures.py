"""Figures of comparisons, drawn without a display."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


def comparison_figure(names: Sequence[str], normalised: Array, ends: Array) -> Figure:
    """Normalised scores as points: one per instance, and the mean with its interval.

    Args:
        names: Of the policies, ``C``.
        normalised: ``(C, I)``.
        ends: Of the intervals of the means, ``(C, 2)``; NaN for none.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure
    from matplotlib.style import context

    from morl.experiments.plots import PALETTE

    with context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 150}):
        figure = Figure(figsize=(6.4, 1.0 + 0.42 * len(names)), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(names))[::-1]
        for place, shares, (low, high) in zip(places, normalised, ends, strict=True):
            axes.plot(shares, np.full(shares.size, place), "o", color=PALETTE[7], alpha=0.35, markersize=4, markeredgewidth=0)
            if np.isfinite(low):
                axes.plot([low, high], [place, place], color=PALETTE[0], linewidth=2.5, solid_capstyle="butt")
            axes.plot(shares.mean(), place, "D", color=PALETTE[0], markersize=6)
        axes.axvline(1.0, color=PALETTE[7], linewidth=1, linestyle="--")
        axes.set_yticks(places, names)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_xlabel("share of the way from doing nothing (0) to the upper bound (1)")
        axes.grid(axis="x", color="#E6E6E6")
        axes.set_axisbelow(True)
    return figure
