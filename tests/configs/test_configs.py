from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from morl.evaluation import Evaluation
from morl.experiments.config import from_yaml, load_config, to_yaml
from morl.experiments.runner import run_config
from morl.experiments.shipped import shipped_configs
from morl.problem import make_problem

FILES_PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
NAMES = sorted(shipped_configs())


def test_the_quickstart_is_shipped():
    folder = Path(__file__).parents[2] / "configs"
    shipped = shipped_configs()
    assert "quickstart" in shipped
    assert set(shipped.values()) == set(folder.rglob("*.y*ml")), "every file is found by its name"


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_config_builds_and_survives_the_round_trip(name):
    text = shipped_configs()[name].read_text()
    config = load_config(name)
    assert from_yaml(to_yaml(config)) == config
    assert shipped_configs()[name].read_text() == text, "building does not change the file"


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_config_runs_a_few_steps(name):
    config = load_config(name)
    solver = config.solver
    rows = getattr(getattr(solver, "solver", solver), "rows_per_member", 1) * getattr(solver, "num_members", 1)
    few = Evaluation(episodes=1, period=config.evaluation.period, gamma=config.evaluation.gamma, max_episode_steps=20)
    result = run_config(replace(config, env_steps=2 * rows, evaluation=few))
    is_exact = getattr(solver, "aggregator", None) in ("hull", "min_q")
    assert result.metrics[-1]["env_steps"] == (0 if is_exact else 2 * rows)
    assert result.front.shape[1] == len(result.objectives)
    parameters = config.solver.region(make_problem(config.env)).space.names if hasattr(solver, "region") else ()
    tables = {"metrics": result.metrics, "timing": result.timing, **result.tables}
    unknown = {
        (table, column)
        for table, rows in tables.items()
        for row in rows
        for column in row
        if not documented(column, result.objectives, parameters)
    }
    assert not unknown, "docs/files.md says what stands in every column"


def documented(column, objectives, parameters):
    general = re.sub(r"(?<=_)\d+", "[JK]", re.escape(column))
    for names, word in ((objectives, "OBJECTIVE"), (parameters, "PARAMETER")):
        for name in sorted(names, key=len, reverse=True):
            general = re.sub(rf"(?<![a-z]){re.escape(re.escape(name))}(?=$|_)", word, general)
    return re.search(f"`{general}`", FILES_PAGE) is not None
