"""Runs under stress: links, changed files, full disks, broken pipes, missing plug-ins, runs that learn nothing."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import gymnasium as gym
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from morl import files
from morl.errors import CheckpointError, ConfigurationError, MorlError
from morl.evaluation import Evaluation
from morl.experiments import session
from morl.experiments.checkpoint import load_checkpoint, save_checkpoint
from morl.experiments.progress import Silent
from morl.experiments.result import Run
from morl.experiments.run_config import RunConfig
from morl.experiments.run_directory import RunDirectory
from morl.experiments.runner import resume, run, run_config
from morl.files import in_use
from morl.problem import make_problem
from morl.registry import component, load_plugins
from morl.solvers.eupg import EUPG
from morl.solvers.modqn import MODQN
from morl.solvers.moppo import MOPPO
from morl.solvers.moq import MOQLearning
from morl.solvers.morld import MORLD
from morl.solvers.mosac import MOSAC
from morl.solvers.sequoia import SEQUOIA
from morl.solvers.subpo import SubPO

DST = "deep-sea-treasure-v0"
CONFIG = RunConfig(
    env=DST,
    solver=MOQLearning(),
    env_steps=400,
    seed=4,
    evaluation=Evaluation(episodes=2, period=100, max_episode_steps=40),
)
pytestmark = pytest.mark.usefixtures("undecorated")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run that nobody changes."""
    path = tmp_path_factory.mktemp("faults") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDirectory, "write_plots", lambda self, result: [])
        run_config(CONFIG, out=path)
    return path


@pytest.fixture
def path(whole, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(whole, tmp_path / "run")


class Watcher(Silent):
    """Calls a function at every update."""

    def __init__(self, act):
        self.update = lambda env_steps, metrics: act()


def same(path, whole):
    names = ["metrics.csv", "front.csv", "tables/population.csv", "policies/policy-000.json"]
    assert [(path / name).read_bytes() for name in names] == [(whole / name).read_bytes() for name in names]


# --- links and two at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["policies", "tables", "checkpoint", "plots", ".policies.tmp", ".policies.old"])
def test_a_folder_that_is_a_link_never_leads_out_of_the_run(path, whole, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    if (path / name).exists():
        shutil.move(path / name, elsewhere)
    else:
        elsewhere.mkdir()
    before = {p: p.read_bytes() for p in elsewhere.rglob("*") if p.is_file()}
    (path / name).symlink_to(elsewhere)
    for _ in range(2):
        resume(path)
    assert {p: p.read_bytes() for p in elsewhere.rglob("*") if p.is_file()} == before
    same(path, whole)
    Run.load(path)


def test_two_at_once(path):
    with in_use(path), pytest.raises(MorlError, match=rf"run is in use by process {os.getpid()} on "):
        resume(path)
    resume(path)
    assert not (path / ".lock").exists()


# --- what was changed ------------------------------------------------------------------------------------------------


def test_a_changed_budget_is_not_followed(path, whole, caplog):
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("env_steps: 400", "env_steps: 900"))
    with caplog.at_level(logging.WARNING):
        assert resume(path).metrics[-1]["env_steps"] == 400
    assert "config.yaml was changed to env_steps 900; that is not followed, the run goes to 400" in caplog.text
    assert "env_steps: 400" in config.read_text()
    same(path, whole)


def test_a_change_before_the_first_checkpoint_is_found(path):
    shutil.rmtree(path / "checkpoint")
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("seed: 4", "seed: 5"))
    with pytest.raises(ConfigurationError, match="was changed since the run began"):
        resume(path)


def test_a_run_that_starts_over_with_another_budget_may_be_killed_anywhere(path, monkeypatch):
    shutil.rmtree(path / "checkpoint")

    def crash(self, manifest):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_manifest", crash)
        with pytest.raises(KeyboardInterrupt):
            resume(path, env_steps=300)
    assert resume(path).metrics[-1]["env_steps"] == 300


def test_an_extension_that_was_killed_goes_on(path, tmp_path):
    shutil.copytree(path, tmp_path / "other")
    longer = resume(tmp_path / "other", env_steps=600)

    def crash():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resume(path, env_steps=600, progress=Watcher(crash))
    assert resume(path).metrics == longer.metrics


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("done", float("nan")),
        ("done", -1),
        ("done", "400"),
        ("period", 0),
        ("checkpoint_period", -5),
        ("next_evaluation", None),
        ("next_checkpoint", 1e9),
        ("threads", 10**9),
        ("threads", True),
        ("spent", {"training": 399}),
        ("spent", {"training": 400.0}),
        ("metrics", {}),
        ("metrics", [{"env_steps": 10**9}]),
        ("seconds", {"total": float("nan")}),
        ("started_at", 3),
        ("config", 5),
        ("measures/reference_point", "here"),
        ("learner/uids", [0, 1, 2]),
        ("learner/rows/lengths", [-3]),
        ("learner/rows/lengths", [10**12]),
        ("learner/rows/actions", [[0.5]]),
        ("learner/member_steps", [-400]),
        ("learner/own/q", [1.0]),
        ("assessor/archive/num_entries", 10**12),
        ("assessor/archive/num_entries", float("nan")),
        ("assessor/archive/policies/0/config", {"kind": "tabular"}),
    ],
)
def test_values_are_checked_even_when_the_sums_agree(path, key, value):
    state = load_checkpoint(path / "checkpoint")
    state[key] = torch.tensor(value) if isinstance(state[key], torch.Tensor) else value
    shutil.rmtree(path / "checkpoint")
    save_checkpoint(path / "checkpoint", state)
    with pytest.raises(MorlError) as caught:
        resume(path)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def rewritten(path, change):
    """Change the manifest and let its own sum agree."""
    directory = RunDirectory(path)
    manifest = directory.read_manifest()
    change(manifest)
    directory.write_manifest(manifest)


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/hostname", "tables/../../outside.csv", "policies/../x.json", ""])
def test_a_manifest_cannot_name_files_outside_the_run(path, name):
    rewritten(path, lambda manifest: manifest["files"].update({name: sha256(b"").hexdigest()}))
    with pytest.raises(CheckpointError, match=r"manifest\.json was altered: it lists "):
        Run.load(path)


@pytest.mark.parametrize("damage", [("files", []), ("files", {"front.csv": 3}), ("status", "failed"), ("files", None)])
def test_odd_manifests_are_one_line(path, damage):
    rewritten(path, lambda manifest: manifest.update([damage]))
    with pytest.raises(CheckpointError, match="run"):
        Run.load(path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("summary.json", '"objectives"', '"objections"'),
        ("summary.json", "{", "[{"),
        ("front.csv", "policy-000", "../../../x"),
        ("front.csv", "policy,", "policies,"),
        ("metrics.csv", "\n", ""),
    ],
)
def test_files_that_mean_something_else_are_one_line(path, name, old, new):
    file = path / name
    file.write_text(file.read_text().replace(old, new))
    rewritten(path, lambda manifest: manifest["files"].update({name: sha256(file.read_bytes()).hexdigest()}))
    with pytest.raises(CheckpointError) as caught:
        Run.load(path)
    assert "\n" not in str(caught.value)


def test_every_number_of_a_manifest_is_protected(path):
    file = path / "manifest.json"
    file.write_text(file.read_text().replace('"seed": 4', '"seed": 6'))
    with pytest.raises(CheckpointError, match=r"manifest\.json was altered: its checksum is not the recorded one"):
        Run.load(path)
    resume(path)
    assert Run.load(path).manifest["seed"] == 4


def test_manifests_of_old_runs_have_no_sums(path):
    file = path / "manifest.json"
    old = {key: value for key, value in json.loads(file.read_text()).items() if "sha256" not in key}
    file.write_text(json.dumps(old))
    assert Run.load(path).manifest["seed"] == 4


# --- disks and pipes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.yaml", "manifest.json", "metrics.csv", "values.json", "front.csv", "summary.json"])
def test_a_full_disk_names_the_file_and_the_remedy(tmp_path, whole, monkeypatch, name):
    written = files.create

    def create(path, content):
        if path.name in {name, f".{name}.tmp"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written(path, content)

    with monkeypatch.context() as patch:
        for module in (files, sys.modules["morl.experiments.checkpoint"]):
            patch.setattr(module, "create", create)
        with pytest.raises(
            MorlError, match=rf"cannot write to .*{name}.*: No space left on device .*remove the cause"
        ) as caught:
            run_config(CONFIG, out=tmp_path / "run")
    if name == "config.yaml":
        run_config(CONFIG, out=tmp_path / "run")
    else:
        assert f"'morl resume {tmp_path / 'run'}'" in str(caught.value)
        resume(tmp_path / "run")
    same(tmp_path / "run", whole)


def leave_as_rich_does():
    try:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    except BrokenPipeError:
        raise SystemExit(1)  # noqa: B904


def break_pipe():
    raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize("act", [break_pipe, leave_as_rich_does])
def test_training_goes_on_where_nobody_reads(tmp_path, whole, caplog, act):
    with caplog.at_level(logging.WARNING):
        run_config(CONFIG, out=tmp_path / "run", progress=Watcher(act))
    assert caplog.text.count("progress cannot be printed any more (Broken pipe); training goes on") == 1
    same(tmp_path / "run", whole)


def test_who_watches_may_leave():
    def leave():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        run_config(CONFIG, progress=Watcher(leave))


def test_the_tables_so_far_take_little_time_and_change_nothing(tmp_path, whole, monkeypatch):
    calls = []
    original = RunDirectory.write_progress

    def count(self, *tables):
        calls.append(len(tables[0]))
        original(self, *tables)

    monkeypatch.setattr(RunDirectory, "write_progress", count)
    monkeypatch.setattr(session, "_PROGRESS_SHARE", 0.0)
    run_config(CONFIG, out=tmp_path / "run")
    assert calls == [1, 5]
    same(tmp_path / "run", whole)


# --- plug-ins --------------------------------------------------------------------------------------------------------

PLUGIN = """
from dataclasses import dataclass
from morl.scalarizations import WeightedSum

@dataclass(frozen=True, kw_only=True)
class {name}(WeightedSum):
    bonus: float = 0.0

COMPONENTS = {{"scalarization": {{"{key}": "{module}:{name}"}}}}
"""


def test_a_run_with_a_plug_in_is_read_back_in_a_fresh_process(tmp_path, monkeypatch):
    monkeypatch.setattr("morl.registry._added", {})
    (tmp_path / "lent_scalarization.py").write_text(PLUGIN.format(name="Lent", key="lent", module="lent_scalarization"))
    monkeypatch.syspath_prepend(tmp_path)
    load_plugins(["lent_scalarization"])
    lent = component("scalarization", "lent")
    solver = MORLD(solver=MOQLearning(), num_members=2, exchange_period=100, scalarization=lent(bonus=1.0))
    evaluation = Evaluation(episodes=1, max_episode_steps=20)
    # From Python nobody named the plug-in; from YAML the configuration does.
    result = run(solver, DST, env_steps=200, evaluation=evaluation, out=tmp_path / "run")
    assert "lent_scalarization" in result.config
    code = (
        "import sys; from morl import Run; from morl.experiments.fresh_evaluation import evaluate_run_afresh\n"
        "from pathlib import Path; path = Path(sys.argv[1]); evaluate_run_afresh(path, episodes=1)\n"
        "print(type(Run.load(path).preference.scalarization).__name__, Run.resume(path).metrics[-1]['env_steps'])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["Lent", "200"], done.stderr


def test_a_missing_plug_in_is_named(path):
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("plugins: []", "plugins:\n- somebody_elses_module"))
    for use in (Run.load, resume):
        rewritten(path, lambda m: m["files"].update({"config.yaml": sha256(config.read_bytes()).hexdigest()}))
        with pytest.raises(ConfigurationError, match=r"needs a plug-in .*cannot import 'somebody_elses_module'.*PYTHONPATH"):
            use(path)


# --- runs that learn nothing, and never end --------------------------------------------------------------------------


class Endless(gym.Env):
    """No end and no time limit."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)
    reward_space = gym.spaces.Box(-1, 1, (2,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, np.array([action, 1 - action], np.float32), False, False, {}


class Interventions(Endless):
    """The same with a set of actions."""

    action_space = gym.spaces.MultiBinary(2)
    reward_space = gym.spaces.Box(-1, 1, (2,))

    def step(self, action):
        return 0, np.array([action[0], action[1]], np.float32), False, False, {}


WAITS = r"learns when the episodes of all its \d+ rows have ended; 0 have.*time limit"
LATE = "MODQN learns when a member has had more than learning_starts = 10,000 steps"
LATE_MODQN = MODQN(hidden=(4,), learning_starts=10_000)
IDLE = {
    "eupg": (EUPG(hidden=(4,)), Endless, "policy_loss", f"EUPG {WAITS}"),
    "subpo": (SubPO(), Endless, "policy_loss", f"SubPO {WAITS}"),
    "moppo": (
        MOPPO(hidden=(4,), rows_per_member=2, horizon=1_000),
        Endless,
        "critic_loss",
        "horizon = 1,000 steps of each",
    ),
    "modqn": (LATE_MODQN, Endless, "loss", LATE),
    "mosac": (MOSAC(hidden=(4,), updates_per_step=1e-4, learning_starts=5), Endless, "critic_loss", "raise updates_per_step"),
    "sequoia": (SEQUOIA(hidden=(4,), learning_starts=10_000), Interventions, "loss", LATE.replace("MODQN", "SEQUOIA")),
    "morld": (MORLD(solver=LATE_MODQN, num_members=2, exchange_period=100), Endless, "loss", LATE),
}


@pytest.mark.parametrize("name", IDLE)
def test_a_run_that_learns_nothing_says_so(name, caplog):
    solver, env, loss, reason = IDLE[name]
    with caplog.at_level(logging.WARNING):
        result = run(solver, env, env_steps=200, evaluation=Evaluation(episodes=1, max_episode_steps=5, period=100))
    said = [record.getMessage() for record in caplog.records if "nothing was learned" in record.getMessage()]
    assert len(said) == 1
    assert "of 200 environment steps" in said[0]
    assert re.search(reason, said[0])
    assert [row[loss] for row in result.metrics] == [None] * len(result.metrics)


def test_statistics_are_those_of_the_members_that_learned(tmp_path):
    learner = MODQN(hidden=(4,), learning_starts=2, batch_size=2, updates_per_step=1.0).make(
        make_problem(Endless), None, seed=0, device=torch.device("cpu")
    )
    found = learner.statistics()
    assert found.pop("gradient_steps") == 0
    assert np.isnan(list(found.values())).all()
    learner.reindex([0, 0], [False, True])
    learner.learn(20, [1])
    assert np.isfinite(list(learner.statistics().values())).all()
    assert learner.statistics()["loss"] == pytest.approx(float(learner.stats["loss"][1]))
    assert learner.waits_for() == ""


def test_an_endless_evaluation_is_said_once_and_counted(tmp_path, caplog):
    evaluation = Evaluation(episodes=2, max_episode_steps=120, period=100)
    with caplog.at_level(logging.WARNING):
        result = run(MOQLearning(), Endless, env_steps=200, evaluation=evaluation, weights=[0.5, 0.5])
    cut = [record.getMessage() for record in caplog.records if "evaluation" in record.getMessage()]
    assert len(cut) == 1
    assert "2 of 2 evaluation episodes were cut after 120 steps (evaluation.max_episode_steps is 120)" in cut[0]
    assert "time limit" in cut[0]
    assert result.summary["truncated"] == 6


def test_what_was_cut_is_counted_across_a_resume(path):
    assert resume(path).summary["truncated"] == Run.load(path).summary["truncated"]


def test_a_long_evaluation_is_said_while_it_goes_on(monkeypatch, caplog):
    monkeypatch.setattr("morl.evaluation.evaluator._PATIENCE", 0.0)
    evaluation = replace(CONFIG.evaluation, max_episode_steps=250, episodes=1)
    with caplog.at_level(logging.WARNING):
        run(MOQLearning(), Endless, env_steps=10, evaluation=evaluation, weights=[0.5, 0.5])
    assert "an evaluation takes long: 1 of 1 episodes go on after 100 steps" in caplog.text


def test_plots_are_drawn_where_the_run_is(path, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("morl.experiments.run_plots.result_figures", lambda result: {"front": Figure()})
    (tmp_path / "elsewhere").mkdir()
    (path / "plots").symlink_to(tmp_path / "elsewhere")
    drawn = RunDirectory(path).write_plots(Run.load(path))
    assert all(p.is_file() for p in drawn)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_a_run_was_killed_over_before_it_began_is_no_run(tmp_path, whole):
    (tmp_path / "run").mkdir()
    for name in (".lock", ".config.yaml.tmp"):
        (tmp_path / "run" / name).touch()
    run_config(CONFIG, out=tmp_path / "run")
    same(tmp_path / "run", whole)


def test_an_unknown_component_of_an_intact_run_is_no_damage(path):
    """As of a plug-in that was an installed package."""
    summary = path / "summary.json"
    summary.write_text(summary.read_text().replace('"name": "weighted_sum"', '"name": "my_sum"'))
    rewritten(path, lambda manifest: manifest["files"].update({"summary.json": sha256(summary.read_bytes()).hexdigest()}))
    with pytest.raises(ConfigurationError, match=r"cannot be read here: unknown scalarization 'my_sum'.*Is the plug-in"):
        Run.load(path)
    state = load_checkpoint(path / "checkpoint")
    state["config"] = state["config"].replace("name: moq", "name: my_moq")
    save_checkpoint(path / "checkpoint", state)
    (path / "config.yaml").write_text(state["config"])
    with pytest.raises(ConfigurationError, match=r"config\.yaml is as the run wrote it, but .*unknown solver 'my_moq'"):
        resume(path)
