"""Write what is known of the coverage worlds: ``python tests/benchmarks/coverage_known_values.py [PART OF AN ID [SECONDS]]``.

An hour on one core. Values that are there already are kept if they are better, so it may be run again with more time. With 0
seconds nothing is planned: the fields are only covered by SubPO at its shipped configuration, and what is better is kept.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from envs import batched_form
from envs.coverage.known_values import fingerprint
from morl.coverage.walk_report import walk_of
from morl.experiments.config import load_config
from morl.planners import BeamSearch, MixedInteger, Planner, upper_bounds
from morl.problem import make_problem

TARGET = Path(__file__).resolve().parents[2] / "envs" / "coverage" / "known_values.json"
SEEDED = ("gp", "items", "experiment-design", "graph")
INSTANCES: list[tuple[str, dict[str, Any]]] = [
    ("coverage/grid-v0", {}),
    ("coverage/grid-v0", {"horizon": 39}),
    ("coverage/two-rooms-v0", {}),
    ("coverage/bimodal-v0", {}),
    *((f"coverage/{name}-v0", {"instance_seed": seed}) for name in SEEDED for seed in range(10)),
]
BEAMS = [BeamSearch(lookahead=weight) for weight in (0.0, 0.3, 0.7, 1.0)]


def solve(env_id: str, arguments: dict[str, Any], before: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
    """Find a good walk and a bound, and keep what was better before."""
    world = batched_form(env_id, 1, **arguments)
    bound, method = upper_bounds(world)["best"], "attained bound"
    planners: list[Planner] = [BeamSearch(width=60)] if "design" in env_id else list(BEAMS)
    value, walk = (before["value"], before["walk"]) if before else (0.0, [])
    for planner in planners:
        plan = planner.plan(world)
        if plan.value > value:
            value, walk = plan.value, plan.nodes.tolist()
        if bound - value <= 1e-6 * value:
            break
    if bound - value > 1e-6 * value and "design" in env_id:
        method = "moves that remember one node"
    elif bound - value > 1e-6 * value:
        for planner in (MixedInteger(relaxation=True, time_limit=900), MixedInteger(time_limit=seconds, gap=1e-6)):
            plan = planner.plan(world)
            if plan.value > value:
                value, walk = plan.value, plan.nodes.tolist()
            if plan.bound < bound * (1 - 1e-7):
                bound, method = plan.bound, "linear relaxation" if planner.relaxation else "mixed-integer program"
            if bound - value <= 1e-6 * value:
                break
    if before and before["bound"] < bound:
        bound, method = before["bound"], before["method"]
    return {
        "id": env_id,
        **arguments,
        "horizon": world.horizon,
        "fingerprint": fingerprint(world),
        "value": value,
        "bound": max(bound, value),
        "method": method,
        "walk": walk,
    }


def learn(env_id: str, arguments: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Take over the walk that SubPO learns, with or without planners to start from, if it is better."""
    torch.set_num_threads(1)
    config: Any = load_config("subpo/gp")
    problem = make_problem({"id": env_id, "observation": "index", **arguments})
    world: Any = batched_form(env_id, 1, **arguments)
    for warm_start in (config.solver.warm_start, ()):
        learner: Any = replace(config.solver, warm_start=warm_start).make(problem, None, seed=0, device=torch.device("cpu"))
        learner.learn(config.env_steps)
        walk = walk_of(problem, learner.policies()[0])
        value = float(world.set_function.trajectory_gains(torch.from_numpy(walk)[None]).sum())
        if value > before["value"]:
            before = {**before, "value": value, "walk": walk.tolist()}
    return before


def main() -> None:
    """Solve the instances whose id contains the argument, one after the other, and write after each."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    table = {_key(row): row for row in json.loads(TARGET.read_text())} if TARGET.exists() else {}
    for env_id, arguments in INSTANCES:
        if wanted not in env_id:
            continue
        before = table.get(_key({"id": env_id, **arguments}))
        if seconds == 0.0 and "gp" not in env_id:
            continue
        row = solve(env_id, arguments, before, seconds) if seconds or before is None else learn(env_id, arguments, before)
        table[_key({"id": env_id, **arguments})] = row
        sys.stdout.write(f"{env_id} {arguments}: {row['value']:.6f}, at most {row['bound']:.6f} ({row['method']})\n")
        sys.stdout.flush()
        lines = ",\n".join(json.dumps(row) for row in table.values())
        TARGET.write_text(f"[\n{lines}\n]\n")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    short = row["id"] == "coverage/grid-v0" and row.get("horizon") == 39
    return row["id"], row.get("instance_seed"), short


if __name__ == "__main__":
    main()
