from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from morl.evaluation import Evaluation
from morl.experiments.config import from_yaml, load_config, to_yaml
from morl.experiments.runner import problem_of, run_config
from morl.experiments.shipped import shipped_configs
from morl.problem import make_problem
from morl.task import Task, Utility
from morl.testing.solver import difference, through_files

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
    result = run_config(replace(config.with_budget(2 * rows), evaluation=few))
    is_exact = getattr(solver, "aggregator", None) in ("hull", "min_q")
    assert result.metrics[-1][config.unit] == (0 if is_exact else 2 * rows)
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
    general = re.escape(column)
    for names, word in ((objectives, "OBJECTIVE"), (parameters, "PARAMETER")):
        for name in sorted(names, key=len, reverse=True):
            general = re.sub(rf"(?<![a-z]){re.escape(re.escape(name))}(?=$|_)", word, general)
    # Names may end in numbers, too.
    general = re.sub(r"(?<=_)\d+", "[JK]", general)
    return re.search(f"`{general}`", FILES_PAGE) is not None


PRESETS = (
    "vanilla", "sb", "psa", "sb_psa", "ols", "mpmoql", "conditioned_dqn", "envelope", "gpi_ls", "gpi_ls_continuous", "capql",
    "pd_morl", "conditioned_ppo", "pareto_q", "offline_bc", "offline_morvs", "pcn", "lcn",
)  # fmt: skip
"""Published algorithms."""
SMALL = {"hidden": (8,), "batch_size": 8, "learning_starts": 4, "minibatch_size": 16, "horizon": 8, "epsilon_steps": 60}


def small(solver, **more):
    """The same parts with small networks, early updates and frequent exchanges."""
    given = {name: value for name, value in (SMALL | more).items() if name in {field.name for field in fields(solver)}}
    if hasattr(solver, "solver"):
        given["solver"] = small(solver.solver)
    return replace(solver, **given)


@pytest.mark.parametrize("name", PRESETS)
def test_a_population_goes_on_exactly(name):
    """From a checkpoint between two exchanges: what it has learned, who its members are, whose weights, what it bounds."""
    config = load_config(f"morld/{name}")
    inner = getattr(config.solver, "solver", config.solver)
    rows = getattr(config.solver, "num_members", 1) * getattr(inner, "rows_per_member", 1)
    solver = small(config.solver, exchange_period=8 * rows)
    m = make_problem(config.env).spec.num_objectives
    learners = []
    for _ in range(2):
        task = None if hasattr(solver, "make_evaluating") else Task(utility=Utility(weights=torch.full((1, m), 1 / m)))
        few = Evaluation(episodes=1, max_episode_steps=10)
        make = solver.make_evaluating if task is None else solver.make
        judged = {"evaluation": few} if task is None else {}
        learners.append(make(problem_of(config), task, seed=1, device=torch.device("cpu"), **judged))
    straight, again = learners
    straight.learn(12 * rows)
    again.load_state(through_files(straight.state()))
    assert difference(straight.state(), again.state()) is None
    assert straight.learn(12 * rows) == again.learn(12 * rows)
    assert difference(straight.state(), again.state()) is None
    if hasattr(solver, "weight_adaptation"):
        assert straight.exchanges >= 2
        assert straight.report().certificate == again.report().certificate
        assert straight.n > solver.num_members or getattr(solver.weight_adaptation, "priority", None) != "gpi_ls"
