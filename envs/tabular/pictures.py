"""Where the states of a finite environment are drawn: in cells, or as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from envs.arrays import Integers
from envs.drawing import BODY, FAINT, GREEN, GREY, INK, PAPER, Board, Canvas, Colour, marker, readable_on, shades
from envs.drawn_env import DrawnEnv

WALL = "#"
"""Text of cells that cannot be entered."""

_MOST_LETTERS = 120  # a wider map is no help in a terminal


class StatePicture(Protocol):
    """Draws one state of a finite environment, and may write it."""

    def draw(self, canvas: Canvas, state: int) -> None:
        """Draw the world with the state marked."""

    def write(self, state: int) -> str:
        """Write the world with the state in brackets."""


class Cells:
    """States in the cells of a rectangle, several in one cell if need be."""

    def __init__(
        self,
        texts: npt.ArrayLike,
        *,
        places: Integers | None = None,
        colours: npt.NDArray[np.uint8] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Lay out the cells.

        Args:
            texts: Of the cells, ``(rows, columns)``; :data:`WALL` for walls.
            places: Row and column of each state, ``(S, 2)``; None for one state per cell, row by row.
            colours: Of the cells, ``(rows, columns, 3)``; pale by default. Walls are dark in any case.
            notes: What each state says beside its place, ``S`` texts; none by default.
        """
        self._texts = np.asarray(texts, np.str_)
        rows, columns = self._texts.shape
        self._places = np.argwhere(np.ones((rows, columns), np.bool_)) if places is None else places
        self._colours = np.full((rows, columns, 3), shades(0.0), np.uint8) if colours is None else colours.copy()
        self._colours[self._texts == WALL] = GREY
        self._notes = notes

    @classmethod
    def of_number(cls, number: int) -> Cells:
        """Numbered states in a rectangle that is somewhat wider than high."""
        columns = number if number <= 10 else int(np.ceil(np.sqrt(1.6 * number)))
        places = np.stack(np.divmod(np.arange(number), columns), axis=-1)
        texts = np.full((-(-number // columns), columns), WALL, dtype=f"<U{len(str(number))}")
        texts[tuple(places.T)] = np.arange(number).astype(np.str_)
        return cls(texts, places=places)

    def draw(self, canvas: Canvas, state: int) -> None:
        """Draw the cells; what the state says beside its place stands below them."""
        rows, columns = self._texts.shape
        box = BODY._replace(bottom=BODY.bottom - 24) if self._notes else BODY
        board = Board(canvas, box, rows, columns)
        board.paint(self._colours)
        longest = max(map(len, self._texts.ravel()))
        for cell, text in np.ndenumerate(self._texts):
            if text != WALL:
                board.write(cell, text, readable_on(self._colours[cell]), longest=longest)
        place = self._places[state]
        board.mark(place)
        # What stands in the cell stays readable.
        board.write(place, str(self._texts[tuple(place)]), PAPER, longest=longest)
        if self._notes:
            canvas.text(((BODY.left + BODY.right) / 2, BODY.bottom), self._notes[state], anchor="ms")

    def write(self, state: int) -> str:
        """Write the cells, or only the number of the state where they would not fit on a line."""
        width = max(map(len, self._texts.ravel()))
        here = tuple(self._places[state])
        if (width + 2) * self._texts.shape[1] > _MOST_LETTERS:
            lines = [f"state {state}"]
        else:
            cells = np.full(self._texts.shape, "", dtype=f"<U{width + 2}")
            for cell, text in np.ndenumerate(self._texts):
                shown = (text or ".").center(width)
                cells[cell] = f"[{shown}]" if cell == here else f" {shown} "
            lines = ["".join(row).rstrip() for row in cells]
        return "\n".join([*lines, *([self._notes[state]] if self._notes else [])])


class BinaryTree:
    """States as the nodes of a complete binary tree, whose children of node ``i`` are ``2 i + 1`` and ``2 i + 2``."""

    def __init__(self, depth: int, leaves: Sequence[str]) -> None:
        """Lay out the tree.

        Args:
            depth: Levels below the root.
            leaves: What each leaf holds, from left to right, ``2^depth`` texts.
        """
        self._depth, self._leaves = depth, leaves
        nodes = np.arange(2 ** (depth + 1) - 1)
        self._level = np.floor(np.log2(nodes + 1)).astype(np.int64)
        across = (nodes - 2**self._level + 1.5) / 2.0**self._level
        height = BODY.bottom - BODY.top - 50
        self._places = np.stack(
            [BODY.left + across * (BODY.right - BODY.left), BODY.top + 10 + self._level * (height / depth)], axis=-1
        )

    def _way(self, state: int) -> list[int]:
        """Nodes from the root to a state."""
        way = [state]
        while way[-1]:
            way.append((way[-1] - 1) // 2)
        return way[::-1]

    def draw(self, canvas: Canvas, state: int) -> None:
        """Draw the tree, the way that was taken, and what can still be reached."""
        way = self._way(state)
        reached = np.zeros(len(self._level), np.bool_)
        reached[state] = True
        for node in range(1, len(reached)):
            reached[node] |= reached[(node - 1) // 2]
        for node in range(1, len(reached)):
            colour: Colour = GREEN if reached[node] and node != state else FAINT
            canvas.line(self._places[[(node - 1) // 2, node]], colour, width=1)
        if len(way) > 1:
            canvas.line(self._places[way], INK, width=2)
        for node in range(2**self._depth - 1, len(reached)):
            canvas.disc(self._places[node], 3, GREEN if reached[node] else FAINT)
        marker(canvas, tuple(self._places[state]), 6)
        middle = ((BODY.left + BODY.right) / 2, BODY.bottom)
        canvas.text(middle, self._said(state), anchor="ms")

    def write(self, state: int) -> str:
        """Write the way that was taken."""
        turns = ["left" if node % 2 else "right" for node in self._way(state)[1:]]
        return " -> ".join(["root", *turns]) + "\n" + self._said(state)

    def _said(self, state: int) -> str:
        level = self._level[state]
        if level == self._depth:
            return f"fruit: {self._leaves[state + 1 - 2**self._depth]}"
        return f"{2 ** (self._depth - level)} of {2**self._depth} fruits within reach"


class StateEnv(DrawnEnv):
    """Base of the finite environments, whose rows are in one state each."""

    render_fps = 5

    def _show(self, num_states: int, picture: StatePicture | None) -> None:
        """Put rows into the first state, and say how states are drawn; None for a rectangle of numbered cells."""
        self._states = np.zeros(self.num_envs, np.int64)
        self._picture = Cells.of_number(num_states) if picture is None else picture

    def render_text(self, row: int) -> str:
        """Write the state of a row; see :meth:`envs.drawn_env.DrawnEnv.render_frame`."""
        self._check_drawable(row)
        return "\n".join([*self._caption(row), self._picture.write(int(self._states[row]))])

    def _draw(self, row: int, canvas: Canvas) -> None:
        self._picture.draw(canvas, int(self._states[row]))
