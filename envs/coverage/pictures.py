"""What pictures of coverage worlds have in common: every place is coloured by what arriving there would add now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats, Integers
from envs.drawing import GREY, INK, ORANGE, PANEL, PAPER, SQUARE, Board, Box, Canvas, marker, readable_on, spread

_WALL = np.array(GREY, np.uint8)


def draw_cells(
    canvas: Canvas,
    cells: Integers,
    colours: npt.NDArray[np.uint8],
    texts: Sequence[str],
    walk: Integers,
    start: int,
) -> None:
    """Draw the nodes of a grid.

    Args:
        canvas: Where to draw.
        cells: Row and column of each node, ``(V, 2)``; other cells are walls.
        colours: Of the nodes, ``(V, 3)``.
        texts: To be written on the nodes, ``V``; none if empty.
        walk: Nodes, ``(n,)``, the present one last.
        start: Where it began.
    """
    rows, columns = cells.max(0) + 1
    picture = np.full((rows, columns, 3), _WALL)
    picture[tuple(cells.T)] = colours
    board = Board(canvas, SQUARE, rows, columns)
    board.paint(picture)
    for cell, text, colour in zip(cells, texts, colours, strict=False):
        board.write(cell, text, readable_on(colour))
    board.frame(cells[start], INK)
    if walk.size > 1:
        canvas.line([board.centre(cell) for cell in cells[walk]], ORANGE, width=max(1.5, 0.15 * board.side))
    board.mark(cells[walk[-1]])


def draw_graph(
    canvas: Canvas,
    places: Floats,
    edges: Integers,
    colours: npt.NDArray[np.uint8],
    texts: Sequence[str],
    walk: Integers,
    start: int,
) -> None:
    """Draw the nodes of a graph and its edges.

    Args:
        canvas: Where to draw.
        places: Of the nodes, ``(V, 2)``, in any unit.
        edges: Pairs of nodes, ``(E, 2)``.
        colours: Of the nodes, ``(V, 3)``.
        texts: Names of the nodes, ``V``; written where there is room.
        walk: Nodes, ``(n,)``, the present one last.
        start: Where it began.
    """
    pixels = spread(places, SQUARE)
    radius = float(np.clip(80 / np.sqrt(len(places)), 3, 16))
    for edge in edges:
        canvas.line(pixels[edge], GREY, width=1)
    if walk.size > 1:
        canvas.line(pixels[walk], ORANGE, width=4)
    for place, colour in zip(pixels, colours, strict=True):
        red, green, blue = (int(channel) for channel in colour)
        canvas.disc(place, radius, (red, green, blue), outline=GREY)
    canvas.disc(pixels[start], radius + 2, outline=INK, width=2)
    marker(canvas, pixels[walk[-1]], max(5.0, 0.75 * radius))
    for node, (place, text) in enumerate(zip(pixels, texts, strict=True)):
        if radius >= 9 and len(text) <= 5:
            colour = PAPER if node == walk[-1] else readable_on(colours[node])
            canvas.text(place, text, size=int(min(11, radius)), colour=colour, anchor="mm")


def explain_shades(canvas: Canvas) -> None:
    """Say what the colours mean."""
    canvas.text((PANEL.left, PANEL.bottom - 36), "arriving there would add", size=12)
    canvas.scale(Box(PANEL.left, PANEL.bottom - 30, PANEL.right, PANEL.bottom - 18), "nothing", "as much as can be")


def value_lines(values: Floats, start: npt.ArrayLike | None = None) -> list[str]:
    """Values ``(m,)`` in words, with what the start alone is worth, which returns leave out; eight objectives at most."""
    parts = [""] * len(values) if start is None else [f", start {part:.4g}" for part in np.asarray(start)]
    if len(values) == 1:
        return [f"value {values[0]:.4g}{parts[0]}"]
    return [f"value {number}: {values[number - 1]:.4g}{parts[number - 1]}" for number in range(1, min(8, len(values)) + 1)]
