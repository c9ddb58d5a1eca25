"""The plots of a run."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.experiments.plots import Labels, front_figure, indicator_figure, weights_figure
from morl.experiments.units import WORDS, unit_of
from morl.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from morl.experiments.result import RunResult


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG.

    Args:
        figure: What.
        path: Where; the folder is made if missing.

    Returns:
        The path.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    image = BytesIO()
    canvas.print_png(image, metadata={"Software": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, image.getvalue(), durable=False)
    return path


def result_figures(result: RunResult) -> dict[str, Figure]:
    """Draw what belongs to every run.

    Args:
        result: A run's result.

    Returns:
        Figures by name: ``front``, ``indicators`` where there was more than one evaluation, and ``weights`` where there is more
        than one objective.
    """
    summary = result.summary
    hypervolume = result.indicators.get("hypervolume")
    detail = f"{len(result.front)} {'policy' if len(result.front) == 1 else 'policies'}"
    if hypervolume is not None:
        point = ", ".join(f"{x:g}" for x in summary["reference_point"])
        detail += f" · hypervolume {f'{hypervolume:,.0f}' if hypervolume >= 1e4 else f'{hypervolume:.4g}'} from ({point})"
    unit = unit_of(summary)
    detail += f" · {summary[unit]:,} {WORDS[unit]} · discount {summary['gamma']:g}"
    labels = Labels(
        objectives=result.objectives, units=result.units, gamma=summary["gamma"],
        title=f"{summary['env']} · {summary['solver']}", detail=detail,
    )  # fmt: skip
    population = result.tables.get("population", [])
    members = np.array([[row[o] for o in result.objectives] for row in population]) if population else None
    known = np.array(summary["known_front"]) if summary.get("known_front") else None
    errors = result.standard_errors if np.isfinite(result.standard_errors).all() else None
    figures = {
        "front": front_figure(
            result.front, labels, weights=result.weights, standard_errors=errors, known_front=known, dominated=members
        ),
    }
    # A single evaluation is no curve.
    if len({row[unit_of(row)] for row in result.metrics}) > 1:
        figures["indicators"] = indicator_figure(result.metrics, labels)
    weights = [[row[f"weight_{o}"] for o in result.objectives] for row in population]
    if weights and len(result.objectives) > 1 and all(None not in row for row in weights):
        figures["weights"] = weights_figure(np.array(weights), labels, [str(row["member"]) for row in population])
    return figures
