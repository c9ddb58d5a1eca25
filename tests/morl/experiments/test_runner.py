from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from morl.cooperation import HardTransfer, SharedReplay
from morl.errors import (
    CapabilityError,
    CheckpointError,
    ConfigurationError,
    EnvironmentFault,
    MorlError,
    ShapeError,
    TrainingDiverged,
)
from morl.evaluation import Evaluation
from morl.experiments import session
from morl.experiments.checkpoint import load_checkpoint, save_checkpoint
from morl.experiments.fresh_evaluation import evaluate_run_afresh
from morl.experiments.progress import Interrupted
from morl.experiments.result import Run
from morl.experiments.run_config import RunConfig, TaskConfig
from morl.experiments.runner import resume, run, run_config
from morl.experiments.session import Session
from morl.scalarizations import Chebyshev
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.solvers.mosac import MOSAC
from morl.weights.adaptation import PSA

DST = "deep-sea-treasure-v0"
SAC = MOSAC(hidden=(8,), learning_starts=20, batch_size=8, updates_per_step=0.25)
SOLVERS = {
    "moq": MOQLearning(),
    "eupg": EUPG(hidden=(8,), rows_per_member=4),
    "moppo": MOPPO(hidden=(8,), rows_per_member=2, horizon=32, minibatch_size=32, epochs=1),
    "modqn": MODQN(hidden=(8,), learning_starts=20, batch_size=8, updates_per_step=0.25),
    "mosac": SAC,
    "morld": MORLD(solver=MOQLearning(), num_members=3, exchange_period=150, weight_adaptation=PSA()),
    "morld, Chebyshev": MORLD(
        solver=EUPG(hidden=(8,), rows_per_member=4),
        num_members=3,
        exchange_period=150,
        scalarization=Chebyshev(),
        normalisation="running",
    ),
    "morld, turn by turn": MORLD(
        solver=SAC, num_members=2, exchange_period=150, schedule="turn_by_turn", cooperation=(HardTransfer(), SharedReplay())
    ),
}
pytestmark = pytest.mark.usefixtures("undecorated")


@pytest.fixture(autouse=True)
def _every_checkpoint(monkeypatch):
    """Write those too that would be left out to save time."""
    monkeypatch.setattr(session, "_CHECKPOINT_SHARE", float("inf"))


class Crash(Exception):
    """Stands for a power failure."""


class Watcher:
    """Calls a function at the first update at or after a time."""

    def __init__(self, at: int, act) -> None:
        self.at, self.act, self.seen = at, act, []

    def start(self, description):
        self.description = description

    def update(self, env_steps, metrics):
        self.seen.append((env_steps, metrics["env_steps"]))
        if self.act is not None and env_steps >= self.at:
            act, self.act = self.act, None
            act()

    def stop(self):
        self.stopped = True


def crash():
    raise Crash


def interrupt():
    signal.raise_signal(signal.SIGINT)


def config_of(solver, /, **changes):
    """A small run."""
    config = RunConfig(
        env=DST, solver=solver, env_steps=600, seed=4, evaluation=Evaluation(episodes=2, period=150, max_episode_steps=40)
    )
    return replace(config, **changes)


def outcome(path):
    """What must be the same: metrics, front, and every parameter, of the policies and of the learner."""
    state = load_checkpoint(path / "checkpoint")
    assert state is not None
    learner = {key: value for key, value in state.items() if key.startswith("learner/")}
    bits = {
        key: value.contiguous().numpy().tobytes() if isinstance(value, torch.Tensor) else value
        for key, value in learner.items()
    }
    files = [
        "metrics.csv",
        "front.csv",
        "tables/population.csv",
        *(f"policies/{p.name}" for p in sorted((path / "policies").iterdir())),
    ]
    return {name: (path / name).read_bytes() for name in files}, bits


@pytest.mark.parametrize("name", SOLVERS)
def test_a_run_that_crashed_goes_on_to_the_same_result(tmp_path, name):
    config = config_of(SOLVERS[name])
    run_config(config, out=tmp_path / "whole")
    for number, at in enumerate((0, 301)):
        path = tmp_path / f"crashed {number}"
        with pytest.raises(Crash):
            run_config(config, out=path, progress=Watcher(at, crash))
        resume(path)
        assert outcome(path) == outcome(tmp_path / "whole")
    assert len({tuple(row.values()) for row in Run.load(tmp_path / "whole").metrics}) > 2


def test_checkpoints_take_little_time_and_change_nothing(tmp_path, monkeypatch):
    config = config_of(SOLVERS["morld"])
    run_config(config, out=tmp_path / "many")
    monkeypatch.setattr(session, "_CHECKPOINT_SHARE", 0.0)
    run_config(config, out=tmp_path / "few")
    assert sorted(p.name for p in (tmp_path / "few" / "checkpoint").iterdir()) == ["00000001", "00000002"]
    assert outcome(tmp_path / "few") == outcome(tmp_path / "many")


@pytest.mark.parametrize("name", ["moq", "eupg", "morld"])
def test_slices_decide_nothing(monkeypatch, name):
    config = config_of(SOLVERS[name])
    results = []
    for seconds in (0.0, 1e-3, 1e9):
        monkeypatch.setattr(session, "_SLICE_SECONDS", seconds)
        results.append(run_config(config))
    for other in results[1:]:
        assert other.metrics == results[0].metrics
        assert np.array_equal(other.front, results[0].front)


def test_same_seed_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        run_config(config_of(SOLVERS["morld"], seed=seed), out=tmp_path / name)
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")
    assert outcome(tmp_path / "a") != outcome(tmp_path / "c")


def test_ctrl_c_saves_the_run_and_changes_nothing(tmp_path):
    config = config_of(SOLVERS["morld"])
    run_config(config, out=tmp_path / "whole")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"go on with: morl resume") as caught:
        run_config(config, out=tmp_path / "stopped", progress=Watcher(100, interrupt))
    assert signal.getsignal(signal.SIGINT) is before
    assert 100 <= caught.value.done < 600
    partial = Run.load(tmp_path / "stopped")
    assert partial.summary["status"] == "interrupted"
    assert len(partial.front) >= 1
    resume(tmp_path / "stopped")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")
    assert Run.load(tmp_path / "stopped").summary["status"] == "finished"


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice():
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt) as caught:
        run_config(config_of(SOLVERS["moq"]), out=tmp_path / "run", progress=Watcher(100, twice))
    assert not isinstance(caught.value, Interrupted)
    resume(tmp_path / "run")


CHILD = """
import os, signal, sys
from morl.experiments import checkpoint, session
from morl.experiments.config import from_yaml
from morl.experiments.progress import Silent
from morl.experiments.runner import run_config

session._CHECKPOINT_SHARE = float("inf")
moment = sys.argv[3]
calls = []


def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)


class Watcher(Silent):
    def update(self, env_steps, metrics):
        if moment == "in the middle" and env_steps >= 4_100:
            die()


def flush(path):
    calls.append(path)
    if moment == "while a checkpoint is written" and len([c for c in calls if c.name == "values.json"]) == 5:
        die()


if moment == "before the first checkpoint":
    session.save_checkpoint = die
checkpoint.flush = flush
run_config(from_yaml(sys.argv[1]), out=sys.argv[2], progress=Watcher())
"""


@pytest.mark.parametrize("moment", ["before the first checkpoint", "while a checkpoint is written", "in the middle"])
def test_kill_9_then_resume(tmp_path, moment):
    """The process kills itself, so that the moment is the one that is meant however busy the machine is."""
    from morl.experiments.config import to_yaml

    config = config_of(
        MORLD(solver=MOQLearning(), num_members=3, exchange_period=500), env_steps=8_000, evaluation=Evaluation(episodes=2)
    )
    run_config(config, out=tmp_path / "whole")
    path = tmp_path / "killed"
    command = [sys.executable, "-c", CHILD, to_yaml(config), str(path), moment]
    child = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False, timeout=300)
    assert child.returncode == -signal.SIGKILL
    assert json.loads((path / "manifest.json").read_text())["status"] == "running"
    assert any(path.glob("checkpoint/.*.tmp")) == (moment == "while a checkpoint is written")
    resume(path)
    assert outcome(path) == outcome(tmp_path / "whole")
    assert not any(path.glob("checkpoint/.*.tmp"))


def test_a_finished_run_can_be_extended(tmp_path):
    run_config(config_of(SOLVERS["moq"]), out=tmp_path / "run")
    first = (tmp_path / "run" / "metrics.csv").read_text()
    evaluate_run_afresh(tmp_path / "run", episodes=2)
    assert (tmp_path / "run" / "evaluation.csv").exists()
    result = resume(tmp_path / "run", env_steps=900)
    assert not (tmp_path / "run" / "evaluation.csv").exists(), "it judged policies that are replaced now"
    assert result.metrics[-1]["env_steps"] == 900
    assert (tmp_path / "run" / "metrics.csv").read_text().startswith(first)
    assert "env_steps: 900" in (tmp_path / "run" / "config.yaml").read_text()
    again = resume(tmp_path / "run")
    assert again.metrics == result.metrics, "resuming a finished run changes nothing"
    with pytest.raises(ConfigurationError, match=r"env_steps 100 is less than the 900 steps already done"):
        resume(tmp_path / "run", env_steps=100)


def test_a_changed_configuration_is_not_continued(tmp_path):
    run_config(config_of(SOLVERS["moq"]), out=tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("seed: 4", "seed: 5"))
    with pytest.raises(ConfigurationError, match=r"was changed since the run began"):
        resume(tmp_path / "run")


def test_a_damaged_checkpoint_costs_only_the_time_since_the_one_before(tmp_path, caplog):
    config = config_of(SOLVERS["moq"])
    run_config(config, out=tmp_path / "whole")
    with pytest.raises(Crash):
        run_config(config, out=tmp_path / "run", progress=Watcher(300, crash))
    newest = max((tmp_path / "run" / "checkpoint").iterdir())
    (newest / "tensors.safetensors").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        resume(tmp_path / "run")
    assert newest.name in caplog.text
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_resuming_what_is_no_run(tmp_path):
    with pytest.raises(CheckpointError, match=r"is not a run directory: it has no config.yaml"):
        resume(tmp_path)


def test_from_python_without_files(in_tmp_path):
    result = run(MOQLearning(), DST, env_steps=400, seed=1, weights=[0.2, 0.8])
    assert result.path is None
    assert list(in_tmp_path.iterdir()) == []
    assert result.front.shape[1] == 2
    assert np.allclose(result.weights, [0.2, 0.8])
    assert result.metrics[0]["env_steps"] == 0
    assert result.metrics[-1]["env_steps"] == 400
    assert result.certificate is None
    assert set(result.manifest["env_steps"]) == {"training", "search", "evaluation"}
    assert result.manifest["env_steps"]["training"] == 400
    seconds = result.manifest["wall_time"]
    assert sum(seconds[p] for p in ("acting", "environment", "learning", "search", "evaluating", "other")) == pytest.approx(
        seconds["total"]
    )


@pytest.mark.parametrize("name", SOLVERS)
def test_the_budget_is_met_and_evaluations_come_in_order(name):
    watcher = Watcher(0, None)
    result = run_config(config_of(SOLVERS[name], env_steps=587), progress=watcher)
    steps = [row["env_steps"] for row in result.metrics]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] == 587
    assert [row["env_steps"] for row in result.timing] == steps
    assert all(list(row) == list(result.metrics[0]) for row in result.metrics), "the columns never change"
    assert watcher.description["env_steps"] == 587
    assert watcher.stopped
    assert watcher.seen[-1] == (587, 587)


def test_no_clock_in_the_metrics():
    result = run_config(config_of(SOLVERS["moq"]))
    assert not {"total", "acting", "seconds", "time"} & set(result.metrics[0])


def test_evaluation_period_and_final_episodes():
    evaluation = Evaluation(episodes=2, period=200, final_episodes=3, reference_point=(0.0, -30.0), gamma=1.0)
    result = run_config(config_of(SOLVERS["moq"], evaluation=evaluation))
    assert [row["env_steps"] for row in result.metrics] == [0, 200, 400, 600]
    assert result.summary["reference_point"] == [0.0, -30.0]
    assert result.summary["gamma"] == 1.0
    assert result.indicators["fresh_hypervolume"] == result.indicators["hypervolume"], "deterministic environment and policy"
    assert len(result.tables["fresh_evaluation"]) == len(result.front)


class OneStep(gym.Env):
    """A single step with a reward that the test chooses."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, reward=float):
        self.reward = reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), self.reward(int(action)), True, False, {}


def make_one_step():
    return OneStep()


def test_one_objective_gives_a_front_of_one_value(tmp_path):
    result = run(
        MODQN(hidden=(8,), learning_starts=50, batch_size=16), make_one_step, env_steps=400, seed=0, out=tmp_path / "run"
    )
    assert result.front.shape == (1, 1)
    assert result.front[0, 0] == 1.0
    assert result.objectives == ("return",)
    assert result.policy().act(np.zeros(2, np.float32)) == 1
    loaded = Run.load(tmp_path / "run")
    assert loaded.policy([1.0]).act(np.zeros((3, 2), np.float32)).tolist() == [1, 1, 1]


def test_a_callable_environment_runs_and_its_config_says_so(tmp_path):
    run(MODQN(hidden=(8,)), make_one_step, env_steps=20, seed=0, out=tmp_path / "run")
    assert "env is a Python callable" in (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(CheckpointError, match=r"config.yaml says why this run cannot be resumed"):
        resume(tmp_path / "run")


def test_divergence_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    config = config_of(MODQN(hidden=(8,), learning_starts=10, batch_size=8), env_steps=400)
    sessions = []
    original = Session.__init__

    def remember(self, *args):
        original(self, *args)
        sessions.append(self)

    def poison():
        for parameter in sessions[0].learner.online:
            parameter.fill_(float("nan"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "__init__", remember)
        with pytest.raises(TrainingDiverged, match=r"learning_rate.*'morl resume .* ends the run at its last good checkpoint"):
            run_config(config, out=tmp_path / "run", progress=Watcher(200, poison))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "learning_rate" in manifest["cause"]
    state = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert state is not None
    done = state["done"]
    assert 0 < done < 400
    with pytest.raises(CheckpointError, match=rf"failed: .*'morl resume .*run --env-steps {done}' ends the run"):
        Run.load(tmp_path / "run")
    result = resume(tmp_path / "run", env_steps=done)
    assert result.summary["status"] == "finished"
    assert np.array_equal(Run.load(tmp_path / "run").front, result.front)


def test_a_full_disk_loses_nothing_that_was_written(tmp_path, monkeypatch):
    config = config_of(SOLVERS["moq"])
    run_config(config, out=tmp_path / "whole")
    written = []

    def full(folder, state):
        written.append(folder)
        if len(written) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return save_checkpoint(folder, state)

    with monkeypatch.context() as patch:
        patch.setattr(session, "save_checkpoint", full)
        with pytest.raises(MorlError, match=r"No space left on device .*what was written before is kept: .*'morl resume"):
            run_config(config, out=tmp_path / "run")
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_an_environment_that_raises_leaves_a_failed_run(tmp_path):
    class Broken(OneStep):
        steps = 0

        def step(self, action):
            Broken.steps += 1
            if Broken.steps > 300:
                raise KeyError("joint_7")
            return super().step(action)

    with pytest.raises(EnvironmentFault, match=r"the environment's step failed: KeyError: 'joint_7'; look at step 1"):
        run(MODQN(hidden=(8,)), Broken, env_steps=400, seed=0, out=tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"no result, it failed: the environment's step failed: KeyError"):
        Run.load(tmp_path / "run")


@pytest.mark.parametrize(
    "name", ["metrics.csv", "timing.csv", "front.csv", "summary.json", "manifest.json", "tables/population.csv"]
)
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_resuming_a_finished_run_repairs_its_files(tmp_path, name, damage):
    run_config(config_of(SOLVERS["moq"]), out=tmp_path / "run")
    path = tmp_path / "run" / name
    before = path.read_bytes()
    if damage == "cut":
        path.write_bytes(before[: len(before) // 2])
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match=r"write it again with 'morl resume"):
        Run.load(tmp_path / "run")
    resume(tmp_path / "run")
    Run.load(tmp_path / "run")
    if name != "manifest.json":
        assert path.read_bytes() == before


def test_a_run_of_another_version_is_left_alone(tmp_path):
    run_config(config_of(SOLVERS["moq"]), out=tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    text = path.read_text().replace('"format": 1', '"format": 2')
    path.write_text(text)
    for use in (Run.load, resume):
        with pytest.raises(
            CheckpointError, match=r"format version 2, this program reads 1: use the version of morl that wrote it"
        ):
            use(tmp_path / "run")
    assert path.read_text() == text


@pytest.mark.parametrize("lost", ["config", "done", "spent", "threads", "measures/", "learner/own/q", "assessor/"])
def test_a_checkpoint_that_lacks_something_says_what(tmp_path, monkeypatch, lost):
    run_config(config_of(SOLVERS["moq"]), out=tmp_path / "run")
    state = load_checkpoint(tmp_path / "run" / "checkpoint")
    less = {key: value for key, value in state.items() if not key.startswith(lost)}
    monkeypatch.setattr("morl.experiments.runner.load_checkpoint", lambda folder: less)
    assert len(less) < len(state)
    with pytest.raises(CheckpointError, match=r"the checkpoint lacks .*another version"):
        resume(tmp_path / "run")


def test_a_damaged_configuration_is_named(tmp_path):
    run_config(config_of(SOLVERS["moq"]), out=tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(CheckpointError, match=r"config.yaml is truncated or was altered"):
        Run.load(tmp_path / "run")
    with pytest.raises((CheckpointError, ConfigurationError), match=r"config.yaml (is damaged or )?was changed"):
        resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("error", "message", "changes"),
    [
        (ConfigurationError, r"unknown environment 'deep-sea-treasur-v0'. Did you mean", {"env": "deep-sea-treasur-v0"}),
        (EnvironmentFault, "cannot be made", {"env": {"id": DST, "no_such_argument": 1}}),
        (CapabilityError, "scalar reward", {"env": "CartPole-v1", "solver": SOLVERS["morld"]}),
        (
            ShapeError,
            "evaluation.reference_point has 3 entries .* 2 objectives",
            {"evaluation": Evaluation(reference_point=(0.0, 0.0, 0.0))},
        ),
        (ConfigurationError, "device 'cuda:99' is not available; expected auto or one of cpu", {"device": "cuda:99"}),
        (ConfigurationError, "device 'gpu' is not available", {"device": "gpu"}),
        (CapabilityError, "task: MORLD chooses", {"solver": SOLVERS["morld"], "task": TaskConfig(weights=(0.5, 0.5))}),
        (CapabilityError, "MOQLearning", {"env": "mo-mountaincarcontinuous-v0"}),
    ],
)
def test_what_cannot_work_fails_before_a_file_is_written(tmp_path, error, message, changes):
    with pytest.raises(error, match=message):
        run_config(config_of(SOLVERS["moq"], **changes), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_estimated_reference_point_is_frozen_and_marked(tmp_path):
    def two_objectives():
        env = OneStep(lambda action: np.array([action, 1 - action], dtype=np.float32))
        env.reward_space = gym.spaces.Box(0, 1, (2,))
        return env

    result = run(EUPG(hidden=(8,), rows_per_member=4), two_objectives, env_steps=200, seed=0)
    assert result.objectives == ("objective_1", "objective_2")
    assert result.summary["reference_point_source"] == "estimated from the first evaluation"
    first = result.metrics[0]
    assert first["hypervolume"] > 0
    assert all(value < 1 for value in result.summary["reference_point"])
