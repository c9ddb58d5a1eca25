"""Figures of a run, drawn without a display: the front, the indicators over training, the members' weights.

The functions take arrays and return matplotlib figures, so that a notebook can use them too; :mod:`morl.experiments.run_plots`
draws those of a run. Colours are readable with the common colour-vision deficiencies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import numpy.typing as npt

from morl.experiments.units import WORDS, unit_of
from morl.objectives import return_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
Array = npt.NDArray[np.float64]

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#6F6F6F")
"""Qualitative colours, after Okabe and Ito."""

_PREFERENCE_MAP = "cividis"
_SAME = 1e-5
"""Numbers that differ by less than this share are drawn as one."""
_GREY, _LIGHT = "#6F6F6F", "#D9D9D9"
_STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#4D4D4D",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": 150,
    "savefig.dpi": 150,
}


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What the axes are called."""

    objectives: tuple[str, ...]
    """Names, ``m``."""
    units: tuple[str, ...]
    """Units of one step's reward, ``m``; empty text for none."""
    gamma: float
    """Discount of the returns."""
    title: str = ""
    """First line of the title, such as the environment and the solver."""
    detail: str = ""
    """Second line of the title, such as the number of policies and the hypervolume."""

    def axis(self, objective: int) -> str:
        """Name of one objective's return, which is a sum over steps."""
        return return_label(self.objectives[objective], self.units[objective], self.gamma)


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with this module's style, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        from matplotlib import rc_context

        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


@styled
def front_figure(
    front: Array,
    labels: Labels,
    *,
    weights: Array | None = None,
    standard_errors: Array | None = None,
    known_front: Array | None = None,
    dominated: Array | None = None,
) -> Figure:
    """Draw a Pareto front: a plane for two objectives, space and pair grid for three, parallel axes for more.

    Args:
        front: Non-dominated values ``(p, m)``, larger is better, return units.
        labels: Names, units and title.
        weights: Preference each policy was trained for ``(p, m)``; gives the colour.
        standard_errors: Of the values ``(p, m)``.
        known_front: The environment's known front ``(q, m)``.
        dominated: Other values worth showing, such as the current population's, ``(r, m)``.

    Returns:
        The figure; with one objective, a single point and its standard error.
    """
    m = front.shape[1]
    if m == 1:
        figure, axes = _figure(7.2, 2.2)
        error = None if standard_errors is None else 2 * standard_errors[:, 0]
        axes.errorbar(front[:, 0], np.zeros(len(front)), xerr=error, fmt="o", color=PALETTE[0], capsize=4)
        for value in front[:, 0]:
            axes.annotate(f"{value:.5g}", (value, 0.0), xytext=(0, 10), textcoords="offset points", ha="center")
        axes.set(xlabel=labels.axis(0), yticks=[], ylim=(-1.0, 1.0))
        _leave_room(axes, "x", front[:, 0] if error is None else np.concatenate([front[:, 0] - error, front[:, 0] + error]))
        _title(axes, labels)
        return figure
    if m == 2:
        figure, axes = _figure(7.2, 5.0)
        points = _pair(axes, front, (0, 1), labels, weights, standard_errors, known_front, dominated, legend=True)
        _preference_bar(figure, axes, points, labels, weights)
        _title(axes, labels)
        return figure
    if m == 3:
        return _space(front, labels, weights, known_front)
    return _parallel(front, labels, weights, known_front)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _leave_room(axes: Any, side: str, values: Array) -> None:
    """Limits around values that are all the same, where matplotlib's own would be a thousandth of nothing."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    largest = max(abs(low), abs(high))
    if high - low <= _SAME * largest or largest == 0.0:
        room = 0.1 * largest or 1.0
        axes.set(**{f"{side}lim": (low - room, high + room)})


def _title(axes: Axes, labels: Labels) -> None:
    if labels.detail:
        axes.set_title(f"{labels.title}\n", loc="left", fontweight="bold", fontsize=11)
        detail = axes.annotate(
            labels.detail,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 6),
            textcoords="offset points",
            color=_GREY,
            fontsize=9,
            annotation_clip=False,
        )
        # A long line must not make the axes narrow.
        detail.set_in_layout(False)
    elif labels.title:
        axes.set_title(labels.title, loc="left", fontweight="bold", fontsize=11)


def _preference(weights: Array | None, objective: int) -> Array | None:
    return None if weights is None or not np.isfinite(weights).all() else weights[:, objective]


def _coloured(preference: Array | None) -> dict[str, Any]:
    if preference is None:
        return {"color": PALETTE[0]}
    return {"c": preference, "cmap": _PREFERENCE_MAP, "vmin": 0.0, "vmax": 1.0}


def _pair(
    axes: Axes,
    front: Array,
    pair: tuple[int, int],
    labels: Labels,
    weights: Array | None,
    standard_errors: Array | None,
    known_front: Array | None,
    dominated: Array | None,
    *,
    legend: bool,
) -> Any:
    """Two objectives against each other; returns the coloured points."""
    i, j = pair
    m = front.shape[1]
    if known_front is not None and len(known_front):
        known = known_front[np.argsort(known_front[:, i])]
        axes.plot(known[:, i], known[:, j], "D", ms=9, mfc="none", mec=_GREY, mew=1.2, label="known front", zorder=1)
    if dominated is not None and len(dominated):
        axes.plot(dominated[:, i], dominated[:, j], "x", color=_GREY, ms=6, mew=1.4, label="population at the end", zorder=2)
    if m == 2 and len(front) > 1:
        order = front[np.argsort(front[:, i])]
        # What the front dominates ends in stairs, not in straight lines between the policies.
        axes.step(order[:, i], order[:, j], where="pre", color=_LIGHT, lw=1.4, zorder=1)
    if standard_errors is not None and m == 2:
        axes.errorbar(
            front[:, i],
            front[:, j],
            xerr=2 * standard_errors[:, i],
            yerr=2 * standard_errors[:, j],
            fmt="none",
            ecolor="#A6A6A6",
            elinewidth=1.0,
            zorder=2,
            label="± 2 standard errors",
        )
    style = _coloured(_preference(weights, i))
    points = axes.scatter(
        front[:, i], front[:, j], s=46, edgecolor="#333333", linewidth=0.5, zorder=3, label="archive front", **style
    )
    axes.set(xlabel=labels.axis(i), ylabel=labels.axis(j))
    axes.locator_params(nbins=6)
    axes.margins(0.06)
    if len(front) == 1:
        axes.annotate(
            f"{front[0, i]:.5g}, {front[0, j]:.5g}", (front[0, i], front[0, j]), xytext=(9, 9), textcoords="offset points"
        )
    drawn = [part for part in (front, known_front, dominated) if part is not None and len(part)]
    for side, objective in (("x", i), ("y", j)):
        _leave_room(axes, side, np.concatenate([part[:, objective] for part in drawn]))
    if legend:
        axes.legend(loc="best")
    return points


def _preference_bar(figure: Figure, axes: Any, points: Any, labels: Labels, weights: Array | None) -> None:
    if _preference(weights, 0) is not None:
        bar = figure.colorbar(points, ax=axes, shrink=0.85, pad=0.02, aspect=28)
        bar.set_label(f"weight on {labels.objectives[0]}")
        bar.outline.set_visible(False)


def _space(front: Array, labels: Labels, weights: Array | None, known_front: Array | None) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 8.2), layout="constrained")
    space: Any = figure.add_subplot(2, 2, 1, projection="3d")
    pairs = [figure.add_subplot(2, 2, k) for k in (2, 3, 4)]
    colour = _preference(weights, 0)
    if known_front is not None and len(known_front):
        space.scatter(*known_front.T, s=60, marker="D", facecolors="none", edgecolors=_GREY, linewidths=1.0)
    space.scatter(*front.T, s=40, edgecolor="#333333", linewidth=0.5, depthshade=False, **_coloured(colour))
    space.set_xlabel(labels.axis(0), labelpad=6)
    space.set_ylabel(labels.axis(1), labelpad=6)
    space.set_zlabel(labels.axis(2), labelpad=4)
    space.set_box_aspect(None, zoom=0.86)
    space.tick_params(labelsize=8)
    space.locator_params(nbins=5)
    for axis in (space.xaxis, space.yaxis, space.zaxis):
        axis.set_pane_color((0.97, 0.97, 0.97, 1.0))
    points = None
    for axes, pair in zip(pairs, ((0, 1), (0, 2), (1, 2)), strict=True):
        points = _pair(axes, front, pair, labels, weights, None, known_front, None, legend=pair == (0, 1))
        if pair == (1, 2) and colour is not None:
            # Every panel uses the same colours: the weight on the first objective.
            points.set_array(colour)
    figure.suptitle(f"{labels.title}\n", x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.text(0.01, 0.962, labels.detail, color=_GREY, fontsize=9)
    _preference_bar(figure, pairs, points, labels, weights)
    return figure


def _parallel(front: Array, labels: Labels, weights: Array | None, known_front: Array | None) -> Figure:
    m = front.shape[1]
    many = m > len(PALETTE)
    figure, axes = _figure(min(max(7.0, 1.35 * m + 2.0), 16.0), 5.0)
    everything = front if known_front is None or not len(known_front) else np.concatenate([front, known_front])
    low, high = everything.min(0), everything.max(0)
    span = np.where(high > low, high - low, 1.0)
    x = np.arange(m)
    if known_front is not None and len(known_front):
        for k, row in enumerate((known_front - low) / span):
            axes.plot(x, row, color=_LIGHT, lw=0.9, zorder=1, label="known front" if k == 0 else None)
    # With more objectives than colours a colour says nothing.
    known_weights = weights is not None and bool(np.isfinite(weights).all()) and not many
    preferred = weights.argmax(1) if weights is not None and known_weights else np.zeros(len(front), dtype=np.int64)
    scaled = (front - low) / span
    for group in np.unique(preferred):
        colour = PALETTE[group % len(PALETTE)]
        lines = axes.plot(x, scaled[preferred == group].T, color=colour, lw=1.5, alpha=0.85, marker="o", ms=3.5, zorder=2)
        if known_weights:
            lines[0].set_label(f"mostly {labels.objectives[group]}")
    for k in range(m):
        axes.axvline(k, color="#4D4D4D", lw=1.0, zorder=0)
        for end, value, offset, side in ((1, high[k], 7, "bottom"), (0, low[k], -7, "top")):
            box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"}
            place: dict[str, Any] = {
                "xytext": (0, offset),
                "textcoords": "offset points",
                "ha": "center",
                "va": side,
                "bbox": box,
            }
            axes.annotate(f"{value:.{3 if many else 4}g}", (k, end), fontsize=6 if many else 8, color="#4D4D4D", **place)
    axes.set(xticks=x, yticks=[], ylim=(-0.1, 1.1), xlim=(-0.2, m - 0.8))
    if many:
        axes.set_xticklabels(labels.objectives, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    else:
        axes.set_xticklabels([labels.axis(k).replace(" [", "\n[").replace(", ", ",\n") for k in range(m)])
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_ylabel("worst to best found")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4)
    _title(axes, labels)
    return figure


_INDICATORS = (
    ("hypervolume", "Hypervolume"),
    ("expected_utility", "Expected utility"),
    ("cardinality", "Policies on the front"),
    ("igd_plus", "IGD+ to the known front"),
    ("mean_utility", "Mean utility of the members"),
)


@styled
def indicator_figure(metrics: Sequence[dict[str, Any]], labels: Labels) -> Figure:
    """Draw the indicators over training.

    Args:
        metrics: Rows of the metrics table, in order of time.
        labels: Title.

    Returns:
        One panel per indicator; the archive as a line, the population of the moment dashed where it is recorded.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, MaxNLocator

    shown = [(key, name) for key, name in _INDICATORS if any(_finite(row.get(key)) for row in metrics)]
    columns = min(len(shown), 2) or 1
    rows = -(-len(shown) // columns) or 1
    figure = Figure(figsize=(4.6 * columns, 2.7 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, (key, name) in zip(panels, shown, strict=False):
        for column, style, label in ((key, "-", "archive"), (f"population_{key}", "--", "population")):
            points = [(row[unit_of(row)], row[column]) for row in metrics if _finite(row.get(column))]
            if points:
                steps, values = zip(*points, strict=True)
                colour = PALETTE[0] if style == "-" else PALETTE[1]
                axes.plot(steps, values, style, color=colour, lw=1.8, marker="o" if len(points) < 40 else "", ms=3, label=label)
        axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=key == "cardinality"))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        if max(abs(v) for v in axes.get_ylim()) >= 10_000:
            axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        if len(axes.lines) > 1:
            axes.legend(loc="best")
    for k, axes in enumerate(panels):
        axes.set_visible(k < len(shown))
        if k < len(shown) and k + columns >= len(shown):
            axes.set_xlabel(WORDS[unit_of(metrics[0])])
            axes.tick_params(labelbottom=True)
    if labels.title:
        figure.suptitle(labels.title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value))


@styled
def weights_figure(weights: Array, labels: Labels, members: Sequence[str]) -> Figure:
    """Draw the members' weights: one bar per member, split by objective; a triangle for three objectives.

    Args:
        weights: ``(n, m)``, rows on the simplex.
        labels: Names and title.
        members: What the rows are called, ``n``.

    Returns:
        The figure.
    """
    m = weights.shape[1]
    draw = _simplex if m == 3 else _weight_map if m > len(PALETTE) else _weight_bars
    figure, axes = draw(weights, labels, members)
    if labels.title:
        axes.set_title(labels.title, loc="left", fontweight="bold", fontsize=11)
    return figure


def _weight_bars(weights: Array, labels: Labels, members: Sequence[str]) -> tuple[Figure, Axes]:
    n, m = weights.shape
    figure, axes = _figure(6.4, max(1.9, min(0.34 * n + 1.5, 12.0)))
    left = np.zeros(n)
    for k in range(m):
        axes.barh(
            np.arange(n), weights[:, k], left=left, height=0.72, color=PALETTE[k % len(PALETTE)], label=labels.objectives[k]
        )
        left = left + weights[:, k]
    axes.set(xlim=(0, 1), xlabel="weight", ylabel="member", yticks=np.arange(n))
    axes.set_yticklabels(members)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure, axes


def _weight_map(weights: Array, labels: Labels, members: Sequence[str]) -> tuple[Figure, Axes]:
    n, m = weights.shape
    figure, axes = _figure(min(0.3 * m + 3.0, 16.0), max(2.4, min(0.24 * n + 2.0, 12.0)))
    image = axes.imshow(weights, aspect="auto", cmap=_PREFERENCE_MAP, vmin=0.0)
    axes.set(ylabel="member", xticks=np.arange(m), yticks=np.arange(n))
    axes.set_xticklabels(labels.objectives, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticklabels(members)
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("weight")
    return figure, axes


def _simplex(weights: Array, labels: Labels, members: Sequence[str]) -> tuple[Figure, Axes]:
    figure, axes = _figure(6.0, 5.4)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    for share in np.linspace(0.2, 0.8, 4):
        for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            ends = np.stack([share * corners[a] + (1 - share) * corners[b], share * corners[a] + (1 - share) * corners[c]])
            axes.plot(*ends.T, color="#E6E6E6", lw=0.8, zorder=0)
    axes.plot(*corners[[0, 1, 2, 0]].T, color="#4D4D4D", lw=1.2, zorder=1)
    points = weights @ corners
    axes.scatter(points[:, 0], points[:, 1], s=60, color=PALETTE[0], edgecolor="white", linewidth=0.8, zorder=3)
    if len(members) <= 40:
        for point, member in zip(points, members, strict=True):
            axes.annotate(member, point, xytext=(5, 5), textcoords="offset points", fontsize=8, color=_GREY)
    for corner, name, place in zip(corners, labels.objectives, ((-4, -16), (4, -16), (0, 10)), strict=True):
        axes.annotate(name, corner, xytext=place, textcoords="offset points", ha="center", fontweight="bold", fontsize=10)
    axes.set(aspect="equal", xlim=(-0.12, 1.12), ylim=(-0.12, 1.0))
    axes.axis("off")
    return figure, axes
