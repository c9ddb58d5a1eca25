"""What a run on a coverage world leaves besides its front: walks, planners, and their map."""

from __future__ import annotations

import csv

import pytest

from morl import Evaluation
from morl.solvers import SubPO


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
    assert rows["learned policy"]["value"] == result.tables["walks"][0]["value_0"]
    assert (rows["greedy"]["value"], rows["beam_search"]["value"]) == (28, 68)
    assert rows["best_known"] == {"member": None, "planner": "best_known", "value": 68, "bound": 68, "status": "optimal"}
    with (out / "tables" / "planners.csv").open() as file:
        assert {row["planner"] for row in csv.DictReader(file)} == set(rows)


def test_walks_have_values_and_a_map(run):
    result, out = run
    (walk,) = result.tables["walks"]
    # The value counts the start, the return does not.
    assert walk["value_0"] == pytest.approx(result.front[0, 0] + 4)
    assert result.figures["walks"].axes[0].get_title(loc="left").startswith(f"member {walk['member']}: ")
    assert (out / "plots" / "walks.png").exists()
