"""Runs record every training episode, once, whatever happens in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from morl import files
from morl.data import Dataset
from morl.errors import CapabilityError, ConfigurationError
from morl.experiments.recording import Recording, require_recordable
from morl.experiments.run_config import RunConfig
from morl.experiments.run_directory import RunDirectory
from morl.experiments.runner import resume, run_config
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.testing.solver import through_files
from morl.weights.adaptation import LinearSupport
from robust import IWOCS
from tests.conformance.cases import CASES, CPU, DST, LEAVES, Case


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "flush", lambda path: None)


def recorded(case: Case, path: Path, n: int = 3) -> tuple[Any, Recording]:
    learner = case.make(n)
    config = RunConfig(env=case.env if isinstance(case.env, str) else {"id": "custom/x"}, solver=case.solver, env_steps=1)
    require_recordable(config, learner)
    return learner, Recording(config, case.problem(), learner, path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data").iterdir()}


MOQ = LEAVES["moq"]
GROWING = Case(
    "morld",
    MORLD(
        solver=MOQLearning(epsilon_steps=50, learning_rate=1.0, rows_per_member=2), num_members=3, exchange_period=60,
        weight_adaptation=LinearSupport(batch=2, max_members=6),
    ),
    DST,
)  # fmt: skip


@pytest.mark.parametrize(
    "case", [MOQ, GROWING, CASES["mosac_plain_rows"], CASES["modqn_envelope"], CASES["eupg"], CASES["pareto_q"]]
)
def test_every_episode_is_there_and_is_what_happened(case: Case, tmp_path: Path) -> None:
    learner, recording = recorded(case, tmp_path)
    learner.learn(600)
    recording.publish()
    found = Dataset.open(tmp_path)
    inner = getattr(learner, "inner", learner)
    unfinished = int(inner.rows._lengths[~inner.ended].sum())
    if case is not GROWING:  # members that come take rows that others leave
        assert found.num_steps + unfinished == inner.member_steps.sum()
    rows = case.problem().rows(1, device=CPU)
    assert len(found) > 3
    for episode in list(found.episodes())[:40]:  # these worlds are deterministic
        observation = rows.reset(np.zeros(1, dtype=np.int64), [0])
        for t in range(len(episode)):
            assert np.array_equal(observation[0].numpy(), episode.observations[t])
            action = torch.as_tensor(episode.actions[t : t + 1] - recording.writer.header.start)
            observation, rewards, terminated, truncated = rows.step(action, np.zeros(1, dtype=np.int64))
            assert np.array_equal(rewards[0].numpy(), episode.rewards[t])
            is_last = t == len(episode) - 1
            assert (bool(terminated), bool(truncated)) == (is_last and episode.terminated, is_last and episode.truncated)
        assert np.array_equal(observation[0].numpy(), episode.final_observation)
        assert (episode.weights is not None) == inner.serves_preferences
        assert episode.weights is None or episode.weights.sum() == pytest.approx(1)
    assert set(found.all.policies.tolist()) <= set(range(getattr(inner, "next_uid", 1)))


@pytest.mark.parametrize("case", [MOQ, GROWING, CASES["modqn_envelope"]])
def test_a_resumed_run_writes_no_episode_twice_and_none_is_lost(case: Case, tmp_path: Path) -> None:
    straight, whole = recorded(case, tmp_path / "a")
    straight.learn(240)
    saved = through_files({**straight.state()}), through_files(whole.state())
    straight.learn(240)
    whole.publish()

    killed, part = recorded(case, tmp_path / "b")
    killed.learn(360)  # beyond the checkpoint
    part.publish()
    again, rest = recorded(case, tmp_path / "b")
    again.load_state(saved[0])
    rest.load_state(saved[1])
    again.learn(240)
    rest.publish()
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_run_leaves_its_data_set_and_can_be_extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunDirectory, "write_plots", lambda self, result: [])
    config = RunConfig(env=DST, solver=MOQLearning(rows_per_member=2), env_steps=300, record=True)
    run_config(config, out=tmp_path / "a")
    first = Dataset.open(tmp_path / "a").table()
    assert first
    resume(tmp_path / "a", env_steps=500)
    found = Dataset.open(tmp_path / "a")
    assert found.table()[: len(first)] == first
    assert found.num_steps > sum(row["steps"] for row in first)
    assert (found.header.gamma, found.header.recorded_by["solver"]) == (0.99, "MOQLearning")
    with pytest.raises(ConfigurationError, match="this run counts environment steps; give a new total by --env-steps"):
        resume(tmp_path / "a", updates=900)
    with pytest.raises(ConfigurationError, match="record: true writes to the run directory"):
        run_config(config)


def test_episodes_under_several_models_are_not_recorded() -> None:
    config = RunConfig(env="tabular/windy-walk-v0", solver=IWOCS(), env_steps=1, record=True)
    with pytest.raises(CapabilityError, match="IWOCS trains under several transition models"):
        require_recordable(config, MOQ.make())
