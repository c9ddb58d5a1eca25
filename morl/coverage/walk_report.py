"""What a run on a coverage world adds to its result: maps of the members' walks, and what simple planners reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from morl.coverage.coverage_map import coverage_map
from morl.evaluation.report import Report, Table
from morl.objectives import objectives_of
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

    Everything counts as a return does, as on the front: without what is seen from the start, which no walk can change and
    which has columns of its own.

    Returns:
        Table ``walks``, one row per member: the ``nodes`` of its walk with its most likely actions, by name and in order, the
        start first; its undiscounted return in each objective, named as on the front; and what the start is worth
        (``start``, or ``start_`` and the objective). Table ``planners``: what :func:`morl.planners.compare` says for a member's
        weights beside the member's own walk, and the best known value of a published instance, if the utility is a weighted
        sum; ``return`` and ``bound`` without the ``start``. Figure ``walks``: the maps. Nothing at all if the environment is
        not a walk on a graph.
    """
    from envs.coverage.graph_world import GraphWorld

    if not isinstance(world, GraphWorld):
        return Report()
    walks = [walk_of(env, policy) for policy in policies]
    returns = [world.set_function.trajectory_gains(torch.from_numpy(walk)[None])[0, 1:].sum(0).tolist() for walk in walks]
    start, names = world.start_value.tolist(), world.node_names
    spec = env.spec
    objectives, _ = objectives_of(spec.env_id, spec.objective_names, spec.objective_units, len(start))
    starts = ["start"] if len(start) == 1 else [f"start_{name}" for name in objectives]
    rows: Table = [
        {
            "member": uid,
            **dict(zip(objectives, earned, strict=True)),
            **dict(zip(starts, start, strict=True)),
            "nodes": " > ".join(names[node] for node in walk),
        }
        for uid, earned, walk in zip(uids, returns, walks, strict=True)
    ]
    tables: dict[str, Table] = {"walks": rows}
    if utility.scalarization.is_linear and utility.scale is None:
        tables["planners"] = _planned(world, utility.weights.cpu().tolist(), uids, returns)
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


def _planned(world: GraphWorld, weights: list[list[float]], uids: Sequence[int], returns: Sequence[Sequence[float]]) -> Table:
    from envs.coverage import known_value
    from morl.planners import compare

    rows: Table = []
    plans: dict[tuple[float, ...], Table] = {}
    for uid, weight, earned in list(zip(uids, weights, returns, strict=True))[:_SHOWN]:
        start = float(np.dot(weight, world.start_value))
        # Members that weigh alike have the same plans.
        planned = plans.setdefault(tuple(weight), [])
        if not planned:
            planned += [_as_return(row, start) for row in compare(world, weights=weight)]
        own = {"return": float(np.dot(weight, earned)), "standard_error": None, "bound": None, "status": "one walk"}
        rows += [
            {"member": uid, "planner": "learned policy", **own, "start": start},
            *({"member": uid, **row} for row in planned),
        ]
    known = known_value(world)
    if known is not None:
        best = {
            "planner": "best_known",
            "value": known.value,
            "bound": known.bound,
            "status": "optimal" if known.is_optimal else "limit",
        }
        rows.append({"member": None, **_as_return(best, float(world.start_value.sum()))})
    return rows


def _as_return(row: dict[str, Any], start: float) -> dict[str, Any]:
    """A row of a planner, whose value counts the start, as a return; without seconds: a result does not depend on the clock."""
    bound = row["bound"]
    return {
        "planner": row["planner"],
        "return": row["value"] - start,
        "standard_error": row.get("standard_error"),
        "bound": None if bound is None else bound - start,
        "status": row["status"],
        "start": start,
    }
