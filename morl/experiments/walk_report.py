"""What a run on a coverage world adds to its result: maps of the members' walks, and what simple planners reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from morl.experiments.coverage_map import coverage_map
from morl.experiments.result import Report
from morl.experiments.tables import Table
from morl.protocols import EnvFactory, Policy

if TYPE_CHECKING:
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
        ``planners``: what :func:`morl.planners.compare` says for a member's weights beside the member's own walk, and the best
        known value of a published instance, if the utility is a weighted sum. Figure ``walks``: their maps. Nothing at all if
        the environment is not a walk on a graph.
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
        tables["planners"] = _planned(world, utility.weights.cpu().tolist(), uids, values)
    shown = {f"member {uid}": walk for uid, walk in list(zip(uids, walks, strict=True))[:_SHOWN]}
    return Report(tables=tables, figures={"walks": coverage_map(world, shown)})


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


def _planned(world: GraphWorld, weights: list[list[float]], uids: Sequence[int], values: Sequence[Sequence[float]]) -> Table:
    from envs.coverage import known_value
    from morl.planners import compare

    rows: Table = []
    plans: dict[tuple[float, ...], Table] = {}
    for uid, weight, value in list(zip(uids, weights, values, strict=True))[:_SHOWN]:
        # Members that weigh alike have the same plans.
        planned = plans.setdefault(tuple(weight), [])
        if not planned:
            planned += compare(world, weights=weight)
        own = {"value": float(np.dot(weight, value)), "standard_error": None, "bound": None, "status": "one walk"}
        rows += [{"member": uid, "planner": "learned policy", **own}, *({"member": uid, **row} for row in planned)]
    for row in rows:
        row.pop("seconds", None)  # the result of a run does not depend on the clock
    known = known_value(world)
    if known is not None:
        status = "optimal" if known.is_optimal else "limit"
        rows.append({"member": None, "planner": "best_known", "value": known.value, "bound": known.bound, "status": status})
    return rows
