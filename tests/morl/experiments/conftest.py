from __future__ import annotations

from pathlib import Path

import pytest

from morl.evaluation import Evaluation
from morl.experiments.result import RunResult
from morl.experiments.run_directory import RunDirectory
from morl.experiments.runner import run
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    """A small finished run and its directory; tests that change the directory copy it first."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    solver = MORLD(solver=MOQLearning(), num_members=4, exchange_period=500)
    result = run(
        solver,
        "deep-sea-treasure-v0",
        env_steps=2_000,
        seed=3,
        out=path,
        evaluation=Evaluation(episodes=2, max_episode_steps=100),
    )
    return result, path


@pytest.fixture
def undecorated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than most of what is tested; it has its own tests."""
    monkeypatch.setattr(RunDirectory, "write_plots", lambda self, result: [])
