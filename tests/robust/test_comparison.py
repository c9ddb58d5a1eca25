"""The comparison's own machinery: an interrupted run equals one that was not; tables say what the files hold."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.experiments.robust_comparison import DEFAULT, METHODS, report, solver_of, summary, train, train_population

QUICK = ["solver.solver.hidden=[8]", "solver.solver.learning_starts=8", "solver.solver.batch_size=8"]
QUICK += ["solver.default_steps=400", "solver.steps_per_iteration=400", "solver.rollouts=1", "solver.grid_points=2"]
QUICK += ["solver.total_steps=5200", "env_steps=5200", "solver.validity.updates=5"]


def run(method: str, folder: Path, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"deadline": None, "episodes": 1, "overrides": QUICK, "resume": False, **changes}
    path = train("pendulum", method, 0, folder, **settings)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_interrupted_and_resumed(tmp_path: Path) -> None:
    whole = run("iwocs", tmp_path / "whole")
    part = run("iwocs", tmp_path / "part", deadline=0.0)
    assert (part["complete"], part["training"]) == (False, 0)
    rest = run("iwocs", tmp_path / "part", resume=True)
    for name in ("complete", "training", "search", "map", "default_map", "curve", "usage", "iterations"):
        assert rest.get(name) == whole.get(name), name
    assert whole["complete"]
    assert whole["training"] + whole["search"] <= 5200
    assert len(whole["map"]) == 100
    report(tmp_path / "whole")
    with (tmp_path / "whole" / "pendulum_table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["iwocs", DEFAULT]
    assert float(rows[0]["worst"]) == min(whole["map"])
    assert (tmp_path / "whole" / "pendulum_curves.png").exists()
    assert (tmp_path / "whole" / "pendulum_maps.png").exists()


def test_every_method_is_on_the_same_learner_and_set() -> None:
    from morl.experiments.config import load_config

    config = load_config("iwocs/pendulum")
    for method in METHODS:
        solver = solver_of(config, method)
        assert solver.solver == config.solver.solver  # type: ignore[attr-defined]
        assert solver.uncertainty == config.solver.uncertainty  # type: ignore[attr-defined]


def test_the_summary_in_numbers() -> None:
    maps = {"iwocs": np.array([[1.0, 5.0], [3.0, 4.0]]), "nominal": np.array([[0.0, 9.0], [0.0, 9.0]])}
    ours, theirs = summary(maps, {"iwocs": [10, 12], "nominal": [11, 11]})
    assert (ours["worst"], ours["mean"], ours["env_steps"]) == (2.0, 3.25, 11)
    assert (ours["low"], ours["high"]) == (1.0, 3.0)
    assert (theirs["worst"], theirs["iwocs_ahead_by"]) == (0.0, 2.0)
    assert (theirs["ahead_low"], theirs["ahead_high"]) == pytest.approx((1.0, 3.0))


def test_repetitions_side_by_side(tmp_path: Path) -> None:
    paths = train_population("pendulum", "ewok", 2, tmp_path, episodes=1, overrides=[*QUICK, "env_steps=160"])
    first, second = (json.loads(path.read_text()) for path in paths)
    assert [first["seed"], second["seed"]] == [0, 1]
    assert first["training"] == second["training"] == 160
    assert first["population"] == 2
    assert first["map"] != second["map"]
    with pytest.raises(AssertionError, match="share their worst models"):
        train_population("pendulum", "iwocs", 2, tmp_path, episodes=1, overrides=QUICK)
