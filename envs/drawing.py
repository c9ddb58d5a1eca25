"""What pictures of environments are made of: a canvas, colours, and the ways from cells and planes to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

Point: TypeAlias = "Sequence[float] | Floats"
"""Two numbers."""

INK, GREY, FAINT, PAPER = (38, 38, 38), (120, 120, 120), (215, 215, 215), (255, 255, 255)
# Okabe and Ito's colours, which everybody can tell apart.
ORANGE, SKY, GREEN, YELLOW = (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)
BLUE, VERMILLION, PURPLE = (0, 114, 178), (213, 94, 0), (204, 121, 167)
CATEGORIES = (ORANGE, GREEN, PURPLE, YELLOW, SKY, BLUE, VERMILLION)

WIDTH, HEIGHT = 640, 400
"""Of every picture, pixels; multiples of 16, as video formats like them."""

_FINER = 2  # a picture is drawn at twice its size and reduced: lines without steps
_CAPTION_TOP = 360
_LINE = 18  # pixels from one line of text to the next
_MARGIN = 18  # pixels around the middles of nodes
_MOST_EXACT = 100  # nodes whose places take less than a second to find the better way
_SHADES = np.array([(247, 251, 255), (203, 223, 241), (133, 188, 220), (66, 136, 193), (20, 84, 148)])


class Box(NamedTuple):
    """A part of the picture, in pixels from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


SCENE = Box(0, 0, WIDTH, _CAPTION_TOP)
"""All above the caption."""
BODY = Box(12, 12, WIDTH - 12, _CAPTION_TOP - 8)
"""The scene without its margin."""
SQUARE = Box(12, 12, 352, 352)
"""The left of the body."""
PANEL = Box(376, 12, WIDTH - 12, 352)
"""What is beside the square."""


def shades(parts: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Colours from pale (0) to dark blue (1), ``(...) -> (..., 3)``."""
    place = np.clip(np.asarray(parts, np.float64), 0.0, 1.0) * (len(_SHADES) - 1)
    channels = [np.interp(place, np.arange(len(_SHADES)), channel) for channel in _SHADES.T]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def readable_on(colour: Sequence[int] | npt.NDArray[np.uint8]) -> Colour:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = (int(channel) for channel in colour)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else PAPER


class Canvas:
    """A picture in the making. Positions and sizes are in pixels of the finished picture, from its upper left corner."""

    def __init__(self) -> None:
        """Take an empty sheet."""
        from PIL import Image, ImageDraw

        self._image = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER), PAPER)
        self._pen = ImageDraw.Draw(self._image)

    def pixels(self) -> npt.NDArray[np.uint8]:
        """The finished picture, ``(400, 640, 3)``."""
        return np.array(self._image.reduce(_FINER))

    def rectangle(
        self, box: Sequence[float], fill: Colour | None = None, *, outline: Colour | None = None, width: float = 1
    ) -> None:
        """Draw a rectangle, its outline inside."""
        left, top, right, bottom = (round(_FINER * edge) for edge in box)
        if right > left and bottom > top:
            self._pen.rectangle((left, top, right - 1, bottom - 1), fill, outline, round(_FINER * width))

    def disc(
        self,
        centre: Point,
        radius: float,
        fill: Colour | None = None,
        *,
        outline: Colour | None = None,
        width: float = 1,
    ) -> None:
        """Draw a disc, its outline inside."""
        x, y = centre
        corners = [_FINER * edge for edge in (x - radius, y - radius, x + radius, y + radius)]
        self._pen.ellipse(corners, fill, outline, round(_FINER * width))

    def line(self, points: npt.ArrayLike, colour: Colour, *, width: float = 2) -> None:
        """Draw a line through points ``(n, 2)``, with round ends."""
        places = _FINER * np.asarray(points, np.float64)
        thick = max(1, round(_FINER * width))
        self._pen.line(places.ravel().tolist(), colour, thick, joint="curve")
        if thick > 2 * _FINER:
            for end in (places[0], places[-1]):
                self.disc(end / _FINER, width / 2, colour)

    def polygon(self, points: npt.ArrayLike, fill: Colour) -> None:
        """Fill a polygon with corners ``(n, 2)``."""
        self._pen.polygon((_FINER * np.asarray(points, np.float64)).ravel().tolist(), fill)

    def text(self, place: Point, text: str, *, size: int = 14, colour: Colour = INK, anchor: str = "ls") -> None:
        """Write a line.

        Args:
            place: Of the anchor.
            text: What to write.
            size: Height of the letters, pixels.
            colour: Of the letters.
            anchor: Which part of the text is at ``place``: Pillow's letters, such as ``ls`` for the left end of the base line.
        """
        x, y = place
        self._pen.text((_FINER * x, _FINER * y), text, colour, _font(_FINER * size), anchor)

    def paste(self, picture: npt.NDArray[np.uint8], box: Box) -> None:
        """Put a picture ``(h, w, 3)`` into a box, each of its pixels a rectangle."""
        from PIL import Image

        left, top, right, bottom = (round(_FINER * edge) for edge in box)
        part = Image.fromarray(np.ascontiguousarray(picture)).resize((right - left, bottom - top), Image.Resampling.NEAREST)
        self._image.paste(part, (left, top))

    def lines(self, place: Point, texts: Sequence[str], *, size: int = 14) -> None:
        """Write lines below each other; ``place`` is the upper left corner."""
        for number, text in enumerate(texts):
            self.text((place[0], place[1] + number * _LINE), text, size=size, anchor="la")

    def bar(self, box: Box, part: float, colour: Colour) -> None:
        """Fill a part, 0 to 1, of a horizontal bar."""
        left, top, right, bottom = box
        self.rectangle(box, FAINT)
        self.rectangle((left, top, left + (right - left) * min(max(part, 0.0), 1.0), bottom), colour)

    def scale(self, box: Box, low: str, high: str) -> None:
        """Explain :func:`shades`: a strip of them, and what its ends stand for."""
        self.paste(shades(np.linspace(0.0, 1.0, 64))[None], box)
        self.rectangle(box, outline=GREY)
        self.text((box.left, box.bottom + 4), low, size=12, anchor="la")
        self.text((box.right, box.bottom + 4), high, size=12, anchor="ra")

    def caption(self, lines: Sequence[str]) -> None:
        """Write up to two lines below everything else; what does not fit is cut off."""
        self.rectangle((0, _CAPTION_TOP, WIDTH, HEIGHT), (244, 244, 244))
        first = (_CAPTION_TOP + HEIGHT - (len(lines) - 1) * _LINE) / 2
        for number, line in enumerate(lines):
            self.text((12, first + number * _LINE), _shortened(line), size=13, anchor="lm")


class Board:
    """A grid of square cells in the middle of a box."""

    def __init__(self, canvas: Canvas, box: Box, rows: int, columns: int) -> None:
        """Find the largest cells that fit.

        Args:
            canvas: Where to draw.
            box: Room for the grid.
            rows: Of cells.
            columns: Of cells.
        """
        self._canvas = canvas
        side = min((box.right - box.left) / columns, (box.bottom - box.top) / rows, 90.0)
        # Whole dots, so that all cells have the same size; less where there are more cells than dots.
        self.side = max(1, int(side * _FINER)) / _FINER if side * _FINER >= 1 else side
        """Of a cell, pixels."""
        self._left = (box.left + box.right - self.side * columns) / 2
        self._top = (box.top + box.bottom - self.side * rows) / 2
        self._box = Box(self._left, self._top, self._left + self.side * columns, self._top + self.side * rows)
        self._shape = rows, columns

    def paint(self, colours: npt.NDArray[np.uint8]) -> None:
        """Fill all cells, ``(rows, columns, 3)``, with thin lines between them if they are large enough."""
        self._canvas.paste(colours, self._box)
        if self.side >= 14:
            left, top, right, bottom = self._box
            for row in range(self._shape[0] + 1):
                self._canvas.line([(left, top + row * self.side), (right, top + row * self.side)], FAINT, width=0.5)
            for column in range(self._shape[1] + 1):
                self._canvas.line([(left + column * self.side, top), (left + column * self.side, bottom)], FAINT, width=0.5)
        self._canvas.rectangle(self._box, outline=GREY)

    def centre(self, cell: Point) -> tuple[float, float]:
        """Middle of a cell ``(row, column)``."""
        return self._left + (cell[1] + 0.5) * self.side, self._top + (cell[0] + 0.5) * self.side

    def write(self, cell: Point, text: str, colour: Colour, *, longest: int | None = None) -> None:
        """Write into a cell, if the letters can be read.

        Args:
            cell: Row and column.
            text: What to write.
            colour: Of the letters.
            longest: Length of the longest text on the board, so that all letters have the same size; None for its own.
        """
        size = min(18, int(0.6 * self.side), int(1.5 * self.side / max(1, longest or len(text))))
        if size >= 7:
            self._canvas.text(self.centre(cell), text, size=size, colour=colour, anchor="mm")

    def frame(self, cell: Point, colour: Colour, *, width: float = 2) -> None:
        """Draw a frame around a cell."""
        (x, y), half = self.centre(cell), self.side / 2
        self._canvas.rectangle((x - half, y - half, x + half, y + half), outline=colour, width=width)

    def mark(self, cell: Point) -> None:
        """Show that somebody is in a cell."""
        marker(self._canvas, self.centre(cell), max(5.0, 0.36 * self.side))


def marker(canvas: Canvas, place: Point, radius: float) -> None:
    """Where the agent is: everywhere the same sign."""
    canvas.disc(place, radius + 1.5, PAPER)
    canvas.disc(place, radius, VERMILLION, outline=INK)


@dataclass(frozen=True)
class Plane:
    """A rectangle of the plane in the middle of a box: y upwards, the same scale on both axes."""

    box: Box
    """Room for it."""
    low: tuple[float, float]
    """Lower left corner."""
    high: tuple[float, float]
    """Upper right corner."""

    @property
    def scale(self) -> float:
        """Pixels per unit."""
        box, low, high = self.box, self.low, self.high
        return min((box.right - box.left) / (high[0] - low[0]), (box.bottom - box.top) / (high[1] - low[1]))

    def __call__(self, points: npt.ArrayLike) -> Floats:
        """Pixels of points, ``(..., 2) -> (..., 2)``."""
        box = self.box
        centre = np.array([(box.left + box.right) / 2, (box.top + box.bottom) / 2])
        middle = (np.asarray(self.low) + self.high) / 2
        return centre + (np.asarray(points, np.float64) - middle) * (self.scale * np.array([1, -1]))


def placed(shape: npt.ArrayLike, angle: float, at: Point) -> Floats:
    """Points of a shape ``(n, 2)``, turned counter-clockwise about the origin by an angle in rad, then moved to a place."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = np.asarray(shape, np.float64) @ np.array([[cosine, sine], [-sine, cosine]])
    moved: Floats = turned + np.asarray(at)
    return moved


def graph_places(graph: Any) -> Floats:
    """Where the nodes of a networkx graph are drawn, ``(V, 2)``: at their ``pos``, two numbers, if all have it."""
    import networkx

    # Other libraries write them as texts; those are left alone.
    with suppress(KeyError, TypeError, ValueError):
        given = np.array([graph.nodes[node]["pos"] for node in graph.nodes], np.float64)
        if given.ndim == 2 and given.shape[1] >= 2 and np.isfinite(given).all():
            return given[:, :2]
    graph = graph.to_undirected()
    if len(graph) <= _MOST_EXACT and networkx.is_connected(graph):
        places = networkx.kamada_kawai_layout(graph, weight=None)
    else:
        places = networkx.spring_layout(graph, weight=None, seed=0)
    return np.array([places[node] for node in graph.nodes], np.float64)


def spread(places: Floats, box: Box) -> Floats:
    """Pixels of places ``(V, 2)`` in any unit, as large as a box allows."""
    low, high = places.min(0), places.max(0)
    x, y = (low + high) / 2
    half = max(float((high - low).max()) / 2, 1e-9)
    left, top, right, bottom = box
    inside = Box(left + _MARGIN, top + _MARGIN, right - _MARGIN, bottom - _MARGIN)
    return Plane(inside, (x - half, y - half), (x + half, y + half))(places)


@cache
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _shortened(text: str) -> str:
    font, room = _font(13), WIDTH - 24
    if font.getlength(text) <= room:
        return text
    while font.getlength(text + "...") > room:
        text = text[:-1]
    return text + "..."
