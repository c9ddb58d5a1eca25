"""Maps of walks over the field they cover, drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from envs.arrays import read_whole
from envs.coverage.set_functions import Coverage, GroupCap
from morl.errors import CapabilityError, ShapeError
from morl.experiments.plots import PALETTE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

_FIELD, _WALL, _TIME = "cividis", "#4D4D4D", "plasma"
_VEIL = 0.62  # how much of the colour of what was not seen is taken away
_JITTER = 0.16  # cells between walks that share a place


@styled
def coverage_map(world: Any, walks: Mapping[str, npt.ArrayLike], *, title: str = "") -> Figure:
    """Draw walks over the field: one panel per walk, bright where it has seen what is worth something.

    Colours of the field are what its cells are worth (kinds of items have colours of their own), colours of a walk are time.
    The number beside a panel's name is the walk's return; what is seen from the start stands apart, where it is worth anything.

    Args:
        world: A coverage environment (or what ``gymnasium.make`` gives for a ``coverage/`` id).
        walks: Nodes of each walk, ``(H + 1,)``, or of several ``(E, H + 1)`` that are drawn into one panel, of which the first
            decides about what counts as seen; keys are the panels' titles. ``{plan.planner: plan.nodes}`` shows a plan.
        title: Of the figure.

    Returns:
        The figure.

    Raises:
        CapabilityError: The environment has no nodes to draw.
        ShapeError: There is no walk, or one has no nodes, or not only nodes.
    """
    from matplotlib.figure import Figure

    inner = getattr(world, "unwrapped", world)
    world = getattr(inner, "batched", inner)
    if not (hasattr(world, "set_function") and (hasattr(world, "grid") or hasattr(world, "successors"))):
        raise CapabilityError(f"{type(world).__name__} has no set function over a grid or graph: there is no map to draw")
    try:
        paths = {name: np.atleast_2d(read_whole(f"the walk {name!r}", nodes, "nodes")) for name, nodes in walks.items()}
    except ValueError as error:
        raise ShapeError(str(error)) from None
    if not paths or not all(path.size for path in paths.values()):
        raise ShapeError("there is no walk to draw; expected nodes (H + 1,) or (E, H + 1) under at least one name")
    places, shape = _places(world)
    columns = min(len(paths), 3)
    rows = -(-len(paths) // columns)
    height = 3.4 * (1.0 if shape is None else min(1.3, max(0.45, shape[0] / shape[1])))
    figure = Figure(figsize=(3.6 * columns + 0.8, (height + 0.7) * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.ravel()[len(paths) :]:
        panel.axis("off")
    timed = None
    for panel, (name, path) in zip(axes.ravel(), paths.items(), strict=False):
        gains = world.set_function.trajectory_gains(torch.from_numpy(path[:1]))[0].numpy()
        start = f" (+ {_numbers(gains[0])} at the start)" if gains[0].any() else ""
        seen = _seen(world, path[0])
        if shape is None:
            _graph(panel, world, places, seen)
        else:
            _field(panel, world, seen)
        timed = _walk(panel, places[path])
        panel.set(xticks=[], yticks=[])
        panel.grid(False)
        panel.set_title(f"{name}: {_numbers(gains[1:].sum(0))}{start}", fontsize=10, loc="left")
    assert timed is not None
    figure.colorbar(timed, ax=axes.ravel().tolist(), label="step", shrink=0.8, pad=0.01)
    if title:
        figure.suptitle(title, fontweight="bold", fontsize=11, x=0.01, ha="left")
    return figure


def _numbers(values: Floats) -> str:
    return " / ".join(f"{x:.4g}" for x in values)


def _places(world: Any) -> tuple[Floats, tuple[int, int] | None]:
    """Where nodes are drawn, ``(V, 2)``, and the shape of the grid, if there is one."""
    if hasattr(world, "grid"):
        cells = world.grid.cells
        return cells[:, ::-1].astype(np.float64), world.grid.free.shape
    import networkx

    graph = getattr(world, "graph", None)
    if graph is None:
        graph = networkx.from_edgelist((v, int(w)) for v, row in enumerate(world.successors) for w in row)
        names: list[Any] = list(range(world.successors.shape[0]))
    else:
        names = world.names
    at = networkx.get_node_attributes(graph, "pos")
    if len(at) < len(names):
        at = networkx.spring_layout(graph, seed=0)
    return np.array([at[name] for name in names], np.float64), None


def _worth(world: Any) -> Floats:
    """What the nodes are worth, ``(V,)``: their weight where cells are nodes, else what a visit brings alone."""
    function = world.set_function
    if isinstance(function, Coverage) and function.summary_size == function.num_elements:
        return function.weights.numpy()
    worth: Floats = function.singletons()[:, 0].numpy()
    return worth


def _seen(world: Any, path: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which nodes count as seen after a walk, ``(V,)``."""
    function = world.set_function
    if isinstance(function, Coverage) and function.summary_size == function.num_elements:
        state = function.start(1, capacity=path.size)
        for node in path:
            function.advance(state, torch.tensor([node]))
        covered: npt.NDArray[np.bool_] = function.summary(state)[0].numpy() > 0
        return covered
    return np.isin(np.arange(function.num_elements), path)


def _colours(world: Any) -> Floats:
    """Colour of each node, ``(V, 4)``."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba_array

    function = world.set_function
    if isinstance(function, GroupCap):
        palette = to_rgba_array(["#F2F2F2", *PALETTE])
        groups = function.groups.numpy()
        index = np.where(groups == function.caps.shape[0] - 1, 0, 1 + groups % len(PALETTE))
        return np.asarray(palette[index], np.float64)
    worth = _worth(world)
    low, high = worth.min(), worth.max()
    if low == high:
        return np.tile(to_rgba_array(PALETTE[5]), (worth.size, 1))
    return np.asarray(colormaps[_FIELD](0.15 + 0.85 * (worth - low) / (high - low)), np.float64)


def _veiled(colours: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    mixed = colours.copy()
    mixed[~seen, :3] = (1.0 - _VEIL) * mixed[~seen, :3] + _VEIL
    return mixed


def _field(axes: Axes, world: Any, seen: npt.NDArray[np.bool_]) -> None:
    from matplotlib.colors import to_rgba

    free = world.grid.free
    image = np.tile(np.array(to_rgba(_WALL)), (*free.shape, 1))
    image[free] = _veiled(_colours(world), seen)
    axes.imshow(image, interpolation="nearest")


def _graph(axes: Axes, world: Any, places: Floats, seen: npt.NDArray[np.bool_]) -> None:
    from matplotlib.collections import LineCollection

    origins = np.repeat(np.arange(len(places)), world.successors.shape[1])
    edges = np.stack([places[origins], places[world.successors.ravel()]], 1)
    axes.add_collection(LineCollection(list(edges), colors="#D9D9D9", linewidths=0.8, zorder=0))
    x, y = places.T
    axes.scatter(x, y, c=_veiled(_colours(world), seen), s=60, edgecolors="#4D4D4D", linewidths=0.6, zorder=1)
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)


def _walk(axes: Axes, paths: Floats) -> Any:
    """Draw walks ``(E, H + 1, 2)``, coloured by time; returns what a colour bar can be made of."""
    from matplotlib.collections import LineCollection

    number, steps = paths.shape[:2]
    # Walks that share places lie side by side.
    shift = np.linspace(-_JITTER, _JITTER, number)[:, None, None] if number > 1 else 0.0
    paths = paths + shift * np.array([1.0, -1.0])
    segments = np.stack([paths[:, :-1], paths[:, 1:]], 2).reshape(-1, 2, 2)
    lines = LineCollection(list(segments), cmap=_TIME, linewidths=1.8 if number == 1 else 1.0, zorder=3, capstyle="round")
    lines.set_array(np.tile(np.arange(1, steps), number))
    lines.set_clim(0, max(steps - 1, 1))
    axes.add_collection(lines)
    axes.plot(*paths[0, 0], marker="o", color="white", markeredgecolor="black", markersize=6, zorder=4)
    axes.plot(*paths[:, -1].T, marker="s", linestyle="none", color="black", markeredgecolor="white", markersize=5, zorder=4)
    return lines
