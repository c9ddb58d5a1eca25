"""What a run on a coverage world adds to its result: maps of the members' walks, and what simple planners reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from morl.experiments.plots import PALETTE, styled
from morl.experiments.result import Report
from morl.experiments.tables import Table
from morl.protocols import EnvFactory, Policy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from envs.coverage.graph_world import GraphWorld
    from morl.task import Utility

Nodes = npt.NDArray[np.int64]
_SHOWN = 6
CPU = torch.device("cpu")


def walk_report(env: EnvFactory, world: Any, policies: Sequence[Policy], uids: Sequence[int], utility: Utility) -> Report:
    """Draw and compare the walks of a population.

    Args:
        env: The problem.
        world: Its batched environment.
        policies: One per member.
        uids: Their identities.
        utility: Of the members.

    Returns:
        Table ``walks``: value of each member's walk with its most likely actions, per objective, the start included. Table
        ``planners``: greedy and the exact modular policy, for a member's weights if the utility is a weighted sum. Figure
        ``walks`` where nodes have two coordinates. Nothing at all if the environment is not a walk on a graph.
    """
    from envs.coverage.graph_world import GraphWorld

    if not isinstance(world, GraphWorld):
        return Report()
    walks = [walk_of(env, policy) for policy in policies]
    values = [world.set_function.trajectory_gains(torch.from_numpy(walk)[None])[0].sum(0).tolist() for walk in walks]
    rows: Table = [
        {"member": uid, **{f"value_{k}": v for k, v in enumerate(value)}} for uid, value in zip(uids, values, strict=True)
    ]
    tables: dict[str, Table] = {"walks": rows}
    if utility.scalarization.is_linear and utility.scale is None:
        tables["planners"] = _planned(world, utility.weights.cpu().tolist(), uids)
    figures = {"walks": walks_figure(world, walks[:_SHOWN], uids[:_SHOWN])} if world.features.shape[1] == 2 else {}
    return Report(tables=tables, figures=figures)


def walk_of(env: EnvFactory, policy: Policy, seed: int = 0) -> Nodes:
    """Nodes that a policy visits in one episode with its most likely actions, the start first, ``(H + 1,)``."""
    rows: Any = env.rows(1, device=CPU)
    row = np.zeros(1, dtype=np.int64)
    observations = rows.reset(row, [seed])
    memory = policy.memory(1)
    nodes = [int(rows.batch.nodes[0])]
    for _ in range(rows.batch.horizon):
        actions = policy.act(observations.to(_device(policy)), memory)
        following, rewards, terminated, truncated = rows.step(actions.cpu(), row)
        memory = policy.observe(memory, observations, actions, rewards, following, terminated | truncated)
        observations = following
        nodes.append(int(rows.batch.nodes[0]))
    return np.array(nodes)


def _device(policy: Policy) -> torch.device:
    return next(iter(policy.tensors().values())).device


def _planned(world: GraphWorld, weights: list[list[float]], uids: Sequence[int]) -> Table:
    from morl.planners import Greedy, ModularPolicy, compare

    rows: Table = []
    for uid, weight in list(zip(uids, weights, strict=True))[:_SHOWN]:
        rows += [{"member": uid, **row} for row in compare(world, [Greedy(), ModularPolicy()], weights=weight)]
    for row in rows:
        del row["seconds"]  # the result of a run does not depend on the clock
    return rows


@styled
def walks_figure(world: GraphWorld, walks: Sequence[Nodes], names: Sequence[object]) -> Figure:
    """Draw walks over what places are worth alone, and what each walk leaves to be gained.

    Args:
        world: With two coordinates per node.
        walks: Nodes in order, ``(T,)`` each.
        names: What the walks are called.

    Returns:
        One row per walk. Objectives are added up.
    """
    from matplotlib.figure import Figure

    alone = world.set_function.singletons().sum(-1).numpy()
    size = 3.4
    figure = Figure(figsize=(2 * size + 1.2, size * len(walks) + 0.4), layout="constrained")
    panels = figure.subplots(len(walks), 2, squeeze=False)
    for axes, walk, name in zip(panels, walks, names, strict=True):
        state = world.set_function.start(1, capacity=len(walk))
        for node in walk:
            world.set_function.advance(state, torch.tensor([node]))
        left = world.set_function.gains(state)[0].sum(-1).numpy()
        value = float(state["value"].sum())
        for panel, values, title in zip(
            axes, (alone, left), (f"member {name}: {value:.4g}", "still to be gained"), strict=True
        ):
            image = panel.imshow(_picture(world, values), cmap="cividis", vmin=0.0, vmax=max(alone.max(), 1e-12))
            panel.set_title(title, loc="left", fontsize=10)
            panel.set(xticks=[], yticks=[])
            panel.grid(visible=False)
        place = _places(world)[walk]
        axes[0].plot(place[:, 1], place[:, 0], color=PALETTE[1], lw=1.6)
        axes[0].plot(*place[0, ::-1], "o", color=PALETTE[1], ms=6)
        axes[0].plot(*place[-1, ::-1], "s", color=PALETTE[1], ms=6)
        figure.colorbar(image, ax=axes[1], shrink=0.85, pad=0.02)
    return figure


def _places(world: GraphWorld) -> Nodes:
    """Row and column of each node, counted from 0, ``(V, 2)``."""
    return np.stack([np.unique(column, return_inverse=True)[1] for column in world.features.T], 1)


def _picture(world: GraphWorld, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Values of the nodes as an image; NaN where there is no node."""
    places = _places(world)
    picture = np.full(places.max(0) + 1, np.nan)
    picture[places[:, 0], places[:, 1]] = values
    return picture
