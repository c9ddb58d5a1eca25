"""What a run on a coverage world leaves besides its front: walks, planners, and their map."""

from __future__ import annotations

import csv

import pytest

from envs.coverage import Grid, Hub
from envs.coverage.set_functions import Coverage, Stack
from morl import Evaluation
from morl.solvers import MORLD, SubPO


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    env = {"id": "coverage/two-rooms-v0", "observation": "index"}
    solver = SubPO(network="table", rows_per_member=4)
    return solver.run(env, env_steps=4 * 39, seed=0, evaluation=Evaluation(episodes=1, period=1000), out=out), out


def test_planners_and_the_best_known_value_are_rows(run):
    result, out = run
    rows = {row["planner"]: row for row in result.tables["planners"]}
    assert set(rows) == {"learned policy", "greedy", "modular_policy", "travel_greedy", "beam_search", "best_known"}
    assert rows["learned policy"]["return"] == result.tables["walks"][0]["return"]
    # As on the front, without the 4 cells that are seen from the start.
    assert (rows["greedy"]["return"], rows["beam_search"]["return"]) == (24, 64)
    assert (rows["best_known"]["return"], rows["best_known"]["bound"], rows["best_known"]["status"]) == (64, 64, "optimal")
    assert {row["start"] for row in rows.values()} == {4}
    with (out / "tables" / "planners.csv").open() as file:
        assert {row["planner"] for row in csv.DictReader(file)} == set(rows)


def test_walks_have_values_and_a_map(run):
    result, out = run
    (walk,) = result.tables["walks"]
    assert walk["return"] == pytest.approx(result.front[0, 0])
    assert walk["start"] == 4
    title = result.figures["walks"].axes[0].get_title(loc="left")
    assert title == f"member {walk['member']}: {walk['return']:.4g} (+ 4 at the start)"
    assert (out / "plots" / "walks.png").exists()


@pytest.mark.parametrize("m", [1, 2])
def test_the_table_holds_the_walk_by_name_and_in_order(m, tmp_path):
    seen, worth = [["hall"], ["hall", "kitchen"], ["garden", "kitchen"]], {"hall": 3.5, "kitchen": 1.0, "garden": 2.0}
    rooms = ["hall", "kitchen", "garden"]
    function = Coverage([[rooms.index(room) for room in visit] for visit in seen], list(worth.values()))
    env = {
        "id": "coverage/graph-v0",
        "graph": {"hall": ["kitchen"], "kitchen": ["hall", "garden"], "garden": ["kitchen"]},
        "set_function": function if m == 1 else Stack([function, Coverage([[0], [1], [1]], [0.25, 8.0])]),
        "horizon": 4,
        "observation": "index",
    }
    solver = SubPO(network="table", rows_per_member=4) if m == 1 else MORLD(solver=SubPO(network="table", rows_per_member=4))
    result = solver.run(env, env_steps=200, seed=0, evaluation=Evaluation(episodes=1, period=1000), out=tmp_path / "run")
    with (tmp_path / "run" / "tables" / "walks.csv").open() as file:
        rows = list(csv.DictReader(file))
    population = {row["member"]: row for row in result.tables["population"]}
    for row in rows:
        walk = row["nodes"].split(" > ")
        assert len(walk) == 5
        assert walk[0] == "hall"
        cells = {room for visit in walk for room in seen[rooms.index(visit)]}
        first = "return" if m == 1 else "objective_1"
        assert float(row[first]) == pytest.approx(sum(worth[cell] for cell in cells) - 3.5)
        assert float(row["start" if m == 1 else "start_objective_1"]) == 3.5
        for name in result.objectives:
            assert float(row[name]) == pytest.approx(population[int(row["member"])][name], rel=1e-6)
    assert Grid(1).node_names[31] == "(1, 1)"
    assert Hub(1).node_names == ["start", "x", "y", "hub"]
