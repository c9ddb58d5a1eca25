"""Judging an archive again in fresh episodes: what selection by luck is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from morl.evaluation import Evaluator, Table
from morl.experiments.config import from_yaml
from morl.experiments.result import Run, RunResult
from morl.experiments.run_directory import RunDirectory
from morl.experiments.run_indicators import RunIndicators
from morl.experiments.tables import write_table
from morl.functional.dominance import non_dominated
from morl.problem import Problem, make_problem


def evaluate_afresh(
    result: RunResult, evaluator: Evaluator, indicators: RunIndicators, *, episodes: int
) -> tuple[Table, dict[str, float | int]]:
    """Judge the archived policies in episodes that had no part in choosing them.

    An archive keeps the best values seen, so with few episodes it flatters; these numbers do not.

    Args:
        result: The run.
        evaluator: Runs the episodes.
        indicators: Computes the indicators.
        episodes: Fresh episodes per policy.

    Returns:
        One row per policy (old value, new value and its standard error per objective, whether it is still non-dominated),
        and the indicators of the new values.
    """
    returns = evaluator(
        [entry.policy for entry in result.entries],
        weights=result.weights,
        episodes=episodes,
        first_episode=evaluator.evaluation.episodes,
    )
    values, errors = returns.mean(), returns.standard_error()
    kept = non_dominated(values)
    rows: Table = []
    for i, entry in enumerate(result.entries):
        row: dict[str, Any] = {"policy": f"policy-{i:03d}", "member": entry.member}
        for k, name in enumerate(result.objectives):
            row |= {
                name: float(values[i, k]),
                f"{name}_standard_error": float(errors[i, k]),
                f"{name}_archived": float(entry.values[k]),
            }
        rows.append(row | {"non_dominated": bool(kept[i]), "episodes": episodes, "gamma": evaluator.gamma})
    found = {name: value for name, value in indicators(values, values).items() if not name.startswith("population_")}
    return rows, found


def evaluator_from(config: str, *, source: str = "config.yaml") -> tuple[Evaluator, Problem]:
    """Make the evaluator of a run again, on the CPU.

    Args:
        config: The run's resolved configuration, YAML.
        source: Where it is from, for messages.

    Returns:
        The evaluator, and the problem that it judges in.

    Raises:
        ConfigurationError: The configuration cannot be built here.
    """
    read = from_yaml(config, source=source)
    problem = make_problem(read.env)
    return Evaluator(problem, read.evaluation, gamma=read.solver.gamma, device=torch.device("cpu")), problem


def evaluate_run_afresh(path: Path, *, episodes: int) -> tuple[RunResult, Table, dict[str, float | int], Path]:
    """Judge the policies of a run directory again and write ``evaluation.csv`` into it.

    Args:
        path: The run directory.
        episodes: Fresh episodes per policy.

    Returns:
        The run, the table, the indicators of the new values, and where the table was written.

    Raises:
        CheckpointError: The run is not whole.
        ConfigurationError: Its configuration cannot be built here.
    """
    result = Run.load(path)
    evaluator, problem = evaluator_from(result.config, source=str(path / "config.yaml"))
    indicators = RunIndicators(problem, gamma=evaluator.gamma, reference_point=evaluator.evaluation.reference_point)
    indicators.load_state({"reference_point": result.summary["reference_point"]})
    rows, found = evaluate_afresh(result, evaluator, indicators, episodes=episodes)
    with RunDirectory(path).writing():
        write_table(path / "evaluation.csv", rows)
    return result, rows, found, path / "evaluation.csv"
