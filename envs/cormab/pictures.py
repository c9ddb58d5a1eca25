"""Pictures of restless bandits: the arms' states, who was treated last, and what couples the arms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from envs.arrays import Flags, Floats, Integers
from envs.cormab.constraints import Capacity, Path, Scheduling
from envs.cormab.instance import Instance
from envs.drawing import (
    BODY,
    FAINT,
    GREY,
    INK,
    ORANGE,
    PANEL,
    PAPER,
    SQUARE,
    VERMILLION,
    Box,
    Canvas,
    Colour,
    graph_places,
    readable_on,
    shades,
    spread,
)

_STRIP = BODY._replace(bottom=270)
_LEGEND_TOP = 296
_TEXT_COLUMNS = 20
_MOST_NAMED = 8


class ArmsPicture:
    """Draws and writes the arms of one instance."""

    def __init__(self, instance: Instance) -> None:
        """Look at the instance.

        Args:
            instance: The problem.
        """
        self._instance = instance
        self._places: Floats | None = None

    def draw(self, canvas: Canvas, states: Integers, action: Flags | None, pay: Sequence[float]) -> None:
        """Draw the arms.

        Args:
            canvas: Where to draw.
            states: Of the arms, ``(J,)``.
            action: What was done last, ``(N,)``; None at the start of an episode.
            pay: What each arm paid then, ``(J,)``.
        """
        levels = self._levels(action)
        colours = shades(states / max(1, self._instance.num_states - 1))
        if isinstance(self._instance.constraint, Path):
            self._draw_graph(canvas, self._instance.constraint, states, colours, levels)
            corner = (PANEL.left, PANEL.top)
            scale = Box(PANEL.left, PANEL.bottom - 30, PANEL.right, PANEL.bottom - 18)
        else:
            self._draw_strip(canvas, states, colours, levels)
            corner = (_STRIP.left, _LEGEND_TOP)
            scale = Box(PANEL.left, _LEGEND_TOP + 8, PANEL.right, _LEGEND_TOP + 20)
        canvas.lines(corner, self._said(action, pay))
        canvas.scale(scale, "state 0", f"state {self._instance.num_states - 1}")

    def write(self, states: Integers, action: Flags | None, pay: Sequence[float]) -> str:
        """Write the arms, 20 on a line; arguments as of :meth:`draw`."""
        width = max(len(str(self._instance.num_arms - 1)), len(str(self._instance.num_states - 1)))
        rows = {"arm": [str(arm) for arm in range(self._instance.num_arms)], "state": [str(state) for state in states]}
        if self._instance.link is None:
            rows["treated"] = ["*" if level else "." for level in self._levels(action)]
        else:
            rows["level"] = [str(level) for level in self._levels(action)]
        lines = []
        for first in range(0, self._instance.num_arms, _TEXT_COLUMNS):
            for name, texts in rows.items():
                line = " ".join(text.rjust(width) for text in texts[first : first + _TEXT_COLUMNS])
                lines.append(f"{name:<8}{line}")
        return "\n".join([*lines, *self._said(action, pay)])

    def _levels(self, action: Flags | None) -> Integers:
        if action is None:
            return np.zeros(self._instance.num_arms, np.int64)
        return np.asarray(self._instance.levels(action[None])[0])

    def _said(self, action: Flags | None, pay: Sequence[float]) -> list[str]:
        """What was done last, and what it brought."""
        if action is None:
            return ["nothing done yet"]
        chosen = np.flatnonzero(action)
        what = "arms treated" if self._instance.link is None else "interventions"
        named = ", ".join(map(str, chosen[:_MOST_NAMED])) + (", ..." if chosen.size > _MOST_NAMED else "")
        return [f"{what}: {named or 'none'}", f"pay of the step: {sum(pay):.4g}"]

    def _draw_strip(self, canvas: Canvas, states: Integers, colours: npt.NDArray[np.uint8], levels: Integers) -> None:
        """Draw the arms side by side, on as many lines as it takes."""
        number = len(states)
        columns, side = _layout(number)
        height = 2.2 * side
        lines = -(-number // columns)
        top = (_STRIP.top + _STRIP.bottom - lines * height) / 2
        left = (_STRIP.left + _STRIP.right - columns * side) / 2
        for arm in range(number):
            line, column = divmod(arm, columns)
            x, y = left + column * side, top + line * height
            box = Box(x + 1, y + 0.5 * side, x + side - 1, y + 1.5 * side - 2)
            _draw_arm(canvas, box, int(states[arm]), colours[arm], int(levels[arm]))
            if side >= 14:
                canvas.text((x + side / 2, y + 0.42 * side), str(arm), size=int(min(11, 0.4 * side)), colour=GREY, anchor="ms")
            below = Box(x + 2, y + 1.55 * side, x + side - 2, y + 1.95 * side)
            _draw_structure(canvas, below, self._instance, arm, int(levels[arm]))

    def _draw_graph(
        self,
        canvas: Canvas,
        path: Path,
        states: Integers,
        colours: npt.NDArray[np.uint8],
        levels: Integers,
    ) -> None:
        """Draw the arms on the nodes of their graph; the round trips begin at the square."""
        if self._places is None:
            import networkx

            # Constraints do not keep where they came from.
            graph = networkx.empty_graph(path.num_nodes)
            graph.add_edges_from(path.edges.tolist())
            self._places = graph_places(graph)
        pixels = spread(self._places, SQUARE)
        half = float(np.clip(55 / np.sqrt(path.num_nodes), 4, 14))
        for one, other in path.edges:
            canvas.line(pixels[[one, other]], GREY, width=1)
        x, y = pixels[path.source]
        canvas.rectangle((x - half - 5, y - half - 5, x + half + 5, y + half + 5), PAPER, outline=VERMILLION, width=2)
        for arm, (x, y) in enumerate(pixels):
            box = Box(x - half, y - half, x + half, y + half)
            _draw_arm(canvas, box, int(states[arm]), colours[arm], int(levels[arm]))
            if half >= 8:
                canvas.text((x + half + 3, y - half + 2), str(arm), size=10, colour=GREY)
        canvas.text((PANEL.left, PANEL.bottom - 60), "round trips begin at the red square", size=12, colour=VERMILLION)


def _layout(number: int) -> tuple[int, float]:
    """Columns, and width of an arm, such that all arms fit into the strip."""
    width, height = _STRIP.right - _STRIP.left, _STRIP.bottom - _STRIP.top
    columns = 10
    while 2.2 * min(44.0, width / columns) * -(-number // columns) > height:
        columns += 1
    return min(columns, number), min(44.0, width / columns)


def _draw_arm(canvas: Canvas, box: Box, state: int, colour: npt.NDArray[np.uint8], level: int) -> None:
    """A square in the colour of the state; an orange frame if the arm was treated."""
    side = box.right - box.left
    red, green, blue = (int(channel) for channel in colour)
    canvas.rectangle(box, (red, green, blue), outline=GREY)
    if side >= 9:
        centre = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
        canvas.text(centre, str(state), size=int(min(15, 0.65 * side)), colour=readable_on(colour), anchor="mm")
    if level:
        thick = max(2.0, 0.14 * side)
        grown = (box.left - thick / 2, box.top - thick / 2, box.right + thick / 2, box.bottom + thick / 2)
        canvas.rectangle(grown, outline=ORANGE, width=thick)


def _draw_structure(canvas: Canvas, box: Box, instance: Instance, arm: int, level: int) -> None:
    """What couples an arm with others: its cost, in which slots it is free, how many interventions reached it."""
    side, constraint = box.right - box.left, instance.constraint
    if side < 10:
        return
    text = ""
    if instance.link is not None:
        text = f"{level} x" if level else ""
    elif isinstance(constraint, Capacity):
        text = f"cost {constraint.costs[arm]}" if side >= 34 else str(constraint.costs[arm])
    canvas.text(((box.left + box.right) / 2, box.top), text, size=int(min(11, 0.5 * side)), anchor="ma")
    if isinstance(constraint, Scheduling):
        slots = constraint.arm_slots[arm]
        width = side / slots.size
        for slot, free in enumerate(slots):
            colour: Colour = INK if free else FAINT
            canvas.rectangle((box.left + slot * width, box.top, box.left + (slot + 0.8) * width, box.top + 5), colour)
