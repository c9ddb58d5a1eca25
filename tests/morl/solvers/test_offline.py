"""Learning from a data set: labels, what can be asked for, refusals, runs that count updates."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from morl import Run
from morl.cli import app
from morl.data import DataProblem, Dataset
from morl.data.shard import Shard
from morl.errors import CapabilityError, CheckpointError, ConfigurationError, DataError
from morl.experiments.config import from_yaml, load_config
from morl.experiments.run_directory import RunDirectory
from morl.experiments.runner import resume, run_config
from morl.functional.commands import next_command
from morl.functional.dominance import non_dominated
from morl.policies.tracking import naming_weights
from morl.solvers import MORLD, MOQLearning, MORvS
from morl.solvers.offline.labels import chance_in, hindsight_weights, returns_to_go
from morl.testing.solver import through_files
from tests.conformance.cases import CPU, DST, OFFLINE, Case

SHIPPED = "data/deep-sea-treasure"
SMALL = ("solver.hidden=[8]", "evaluation.period=20", "evaluation.max_episode_steps=20", "evaluation.final_preferences=3")


def problem(case: Case = OFFLINE["morvs"]) -> DataProblem:
    found = case.problem()
    assert isinstance(found, DataProblem)
    return found


@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_who_repeats_an_episode_is_always_asked_for_its_label(gamma: float) -> None:
    shard = problem(OFFLINE["morvs_continuous"]).data.all
    desired = returns_to_go(shard, gamma)
    for episode, start, end in zip(shard.episodes(), shard.starts, shard.ends, strict=True):
        np.testing.assert_allclose(desired[start], episode.total(gamma), rtol=1e-9, atol=1e-9)
        command, horizon = torch.from_numpy(desired[start]), torch.tensor([float(len(episode))])
        for t in range(start, end - 1):
            command, horizon = next_command(command, horizon, torch.from_numpy(shard.rewards[t]), gamma)
            np.testing.assert_allclose(command, desired[t + 1], rtol=1e-7, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(2, 4))
def test_hindsight_weights_name_the_returns_of_a_front(seed: int, m: int) -> None:
    points = np.random.default_rng(seed).normal(size=(30, m)) * [10.0**j for j in range(m)]
    front = points[non_dominated(points)]
    weights = hindsight_weights(points, front)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    assert (weights > 0).all()
    np.testing.assert_allclose(hindsight_weights(front, front), naming_weights(front))
    scale, shift = np.array([2.0**j for j in range(m)]), np.arange(m)
    np.testing.assert_allclose(hindsight_weights(points * scale + shift, front * scale + shift), weights, rtol=1e-6)


def test_chance_is_seen_in_the_data_and_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    shard = problem().data.all
    assert chance_in(shard) == ""
    twice = Shard.join([shard, shard])
    assert chance_in(twice) == ""
    twice.rewards[-1, 0] += 1
    assert "was paid otherwise" in chance_in(twice)
    lucky = replace(problem(), data=Dataset(problem().data.header, [twice]))
    for solver, warns in ((OFFLINE["morvs"].solver, True), (OFFLINE["behaviour_cloning"].solver, False)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            solver.make(lucky, None, seed=0, device=CPU)
        assert ("luck" in caplog.text) == warns


def test_recorded_weights_are_asked_for_once_each_with_the_best_return() -> None:
    learner = OFFLINE["morvs_continuous"].make()
    names, returns, lengths = learner.menu
    assert len(names) == len(np.unique(names, axis=0)) == len(returns) == len(lengths) <= 2
    shard, totals = problem(OFFLINE["morvs_continuous"]).data.all, problem(OFFLINE["morvs_continuous"]).data.returns(0.99)
    for name, found in zip(names, returns, strict=True):
        mine = np.isclose(shard.weights, name).all(1) & non_dominated(totals)
        assert name @ found == pytest.approx((totals[mine] @ name).max())
    assert [candidate.weights.tolist() for candidate in learner.candidates()] == names.tolist()


def test_what_cannot_be_learned_from_is_one_line(tmp_path: Path) -> None:
    data = problem().data
    unweighted = Dataset.of(data.header, [replace(each, weights=None) for each in data.episodes()])
    with pytest.raises(DataError, match="16 episodes without weights; set weights: hindsight"):
        MORvS(weights="recorded").make(DataProblem.of(problem(), unweighted), None, seed=0, device=CPU)
    judge = replace(OFFLINE["morvs"], data=False).problem()
    with pytest.raises(CapabilityError, match="MORvS learns from a data set: give data"):
        MORvS().make(judge, None, seed=0, device=CPU)
    with pytest.raises(ConfigurationError, match="MORvS inside MORL/D is not supported"):
        MORLD(solver=MORvS())
    with pytest.raises(CapabilityError, match="MOQLearning learns from what it does in an environment; remove data"):
        MOQLearning().run(DST, data=tmp_path, updates=1)
    with pytest.raises(DataError, match=r"no data set at .*record=true"):
        MORvS().run(DST, data=tmp_path, updates=1)
    with pytest.raises(DataError, match="the data set has the environment deep-sea-treasure-v0, but env has fruit-tree-v0"):
        MORvS().run("fruit-tree-v0", data=SHIPPED, updates=1)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("data: x\nenv_steps: 5", "env_steps: nothing is done in the environment where data is given; write updates instead"),
        ("data: x", "updates: missing; expected int"),
        ("updates: 5", "updates: a run counts them only with data"),
        ("data: x\nupdates: 5\nrecord: true", "record: a run that learns from data has no episodes of its own"),
        ("data: x\nupdates: 0", "updates must be at least 1"),
    ],
)
def test_a_budget_has_one_unit(budget: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        from_yaml(f"env: a\nsolver: morvs\n{budget}")


def test_the_data_set_of_a_checkpoint_is_the_same(tmp_path: Path) -> None:
    data = problem().data
    data.save(tmp_path / "a")
    Dataset.of(data.header, list(data.episodes())[1:]).save(tmp_path / "b")
    learners = [
        OFFLINE["morvs"].solver.make(DataProblem.of(problem(), Dataset.open(tmp_path / name)), None, seed=0, device=CPU)
        for name in ("a", "a", "b")
    ]
    state = through_files(learners[0].state())
    learners[1].load_state(state)
    with pytest.raises(CheckpointError, match="is not the data set that the run began with"):
        learners[2].load_state(state)


def test_a_run_counts_updates_and_can_be_extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunDirectory, "write_plots", lambda self, result: [])
    problem().data.save(tmp_path / "data")
    config = load_config("morld/offline_morvs", [f"data={tmp_path / 'data'}", "updates=30", *SMALL])
    result = run_config(config, out=tmp_path / "run")
    assert result.metrics[-1]["updates"] == result.summary["updates"] == result.manifest["updates"] == 30
    assert "env_steps" not in result.metrics[-1]
    assert result.manifest["env_steps"]["training"] == 0 < result.manifest["env_steps"]["evaluation"]
    assert RunDirectory(tmp_path / "run").read_result().entries[0].env_steps <= 30
    assert (tmp_path / "run" / "front.csv").read_text().startswith("policy,member,updates,")
    with pytest.raises(ConfigurationError, match="this run counts updates; give a new total by --updates"):
        resume(tmp_path / "run", env_steps=60)
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["resume", "run", "--updates", "60"])
    assert ran.exit_code == 0, ran.output
    assert "from 30 to 60 updates" in ran.output
    straight = run_config(replace(config, updates=60))
    assert torch.equal(straight.network.tensors()["parameters/0"], Run.load(tmp_path / "run").network.tensors()["parameters/0"])


def test_the_shipped_data_set_is_summed_up(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["data", SHIPPED])
    assert ran.exit_code == 0, ran.output
    assert "20,407 episodes of deep-sea-treasure-v0, 79,246 steps" in ran.output
    assert "10 returns on the front" in ran.output
    problem().data.save(tmp_path)
    assert CliRunner().invoke(app, ["data", str(tmp_path), "--csv", str(tmp_path / "returns.csv")]).exit_code == 0
    assert len((tmp_path / "returns.csv").read_text().splitlines()) == 17
    assert CliRunner().invoke(app, ["data", str(tmp_path / "none")]).exit_code == 2
