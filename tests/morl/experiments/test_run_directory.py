from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.evaluation import Certificate, Evaluation, Report
from morl.experiments.result import Preference, Run
from morl.experiments.run_directory import RunDirectory
from morl.experiments.tables import read_table
from morl.scalarizations import Chebyshev
from morl.solvers.moq import MOQLearner, MOQLearning


@pytest.fixture
def directory(finished, tmp_path):
    return shutil.copytree(finished[1], tmp_path / "run")


def test_everything_the_design_names_is_there(finished):
    _, path = finished
    for name in ("config.yaml", "manifest.json", "metrics.csv", "timing.csv", "front.csv", "summary.json"):
        assert (path / name).is_file(), name
    for name in ("front", "indicators", "weights"):
        assert (path / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert list((path / "policies").glob("*.safetensors"))
    assert not [p for p in path.rglob("*") if p.name.startswith(".")], "no temporary files are left"


def test_a_loaded_run_is_the_run(finished):
    result, path = finished
    loaded = Run.load(path)
    for name in ("front", "undiscounted", "standard_errors", "weights"):
        assert np.array_equal(getattr(loaded, name), getattr(result, name)), name
    for name in ("objectives", "units", "metrics", "preference", "config", "certificate", "path"):
        assert getattr(loaded, name) == getattr(result, name), name
    assert loaded.indicators == json.loads(json.dumps(dict(result.indicators)))
    assert loaded.tables == {name: list(table) for name, table in result.tables.items()}
    observations = np.zeros((1, 2), dtype=np.int32)
    for weights in ([1.0, 0.0], [0.3, 0.7], [0.0, 1.0]):
        assert np.array_equal(loaded.policy(weights).act(observations), result.policy(weights).act(observations))


def test_what_a_solver_adds_is_written_without_knowing_the_solver(tmp_path, monkeypatch):
    certificate = Certificate(lower=1.0, upper=1.5, gap=0.5, status="gap", semantics="value of the best policy")
    report = Report(certificate=certificate, tables={"kernels": [{"kernel": 0, "value": 0.1}]}, figures={"gap": Figure()})

    class Reporting(MOQLearner):
        def report(self, kept=()):
            assert kept, "the policies that the run hands out"
            return report

    monkeypatch.setattr("morl.solvers.moq.MOQLearner", Reporting)
    MOQLearning().run(
        "deep-sea-treasure-v0", env_steps=40, seed=0, out=tmp_path / "run", evaluation=Evaluation(max_episode_steps=10)
    )
    loaded = Run.load(tmp_path / "run")
    assert loaded.certificate == certificate
    assert loaded.tables["kernels"] == [{"kernel": 0, "value": 0.1}]
    assert set(loaded.tables) == {"kernels", "population"}
    assert (tmp_path / "run" / "plots" / "gap.png").is_file()


def test_the_front_table_is_readable(finished):
    result, path = finished
    rows = read_table(path / "front.csv")
    first, second = result.objectives
    assert np.array_equal([[row[first], row[second]] for row in rows], result.front)
    assert {
        "policy",
        "member",
        "env_steps",
        f"{first}_standard_error",
        f"weight_{first}",
        f"{first}_undiscounted",
        "gamma",
    } <= set(rows[0])


def test_a_policy_is_picked_by_preference(finished):
    result, _ = finished
    front = result.front
    for weights in ([1.0, 0.0], [0.5, 0.5], [0.0, 1.0]):
        best = result.entry(weights)
        assert np.dot(best.values, weights) == (front @ np.asarray(weights)).max()


def test_a_chebyshev_preference_reaches_points_that_no_weighted_sum_does():
    front = np.array([[0.0, 10.0], [4.0, 4.0], [10.0, 0.0]])
    utility = Preference(scalarization=Chebyshev(), ideal_point=(10.0, 10.0))(front, np.array([0.5, 0.5]))
    assert utility.argmax() == 1
    assert Preference()(front, np.array([0.5, 0.5])).argmax() != 1
    assert Preference(scalarization=Chebyshev(), scale=(1.0, 10.0))(front, np.array([0.5, 0.5])).shape == (3,)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([0.5, 0.6], ConfigurationError, "must be nonnegative and sum to one, found"),
        ([-0.5, 1.5], ConfigurationError, "must be nonnegative and sum to one"),
        ([np.nan, 1.0], ConfigurationError, "must be nonnegative and sum to one"),
        ([1.0], ShapeError, r"expected \(2,\), one per objective"),
        (None, ConfigurationError, "a preference over 2 objectives is needed"),
    ],
)
def test_a_bad_preference_is_refused(finished, weights, error, message):
    with pytest.raises(error, match=message):
        finished[0].policy(weights)


def test_a_fresh_process_loads_and_acts(finished):
    code = (
        "import sys; from morl.experiments.result import Run; import numpy as np; "
        "print(Run.load(sys.argv[1]).policy([0.3, 0.7]).act(np.zeros(2, dtype=np.int32)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(finished[1])],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert int(found.stdout) in range(4)


def test_save_and_load_in_another_place(finished, tmp_path):
    result, _ = finished
    path = result.save(tmp_path / "copy")
    loaded = Run.load(path)
    assert np.array_equal(loaded.front, result.front)
    assert loaded.metrics == result.metrics
    with pytest.raises(ConfigurationError, match=r"is not empty.*'morl resume"):
        result.save(path)


def test_pandas_can_take_the_tables(finished):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(finished[0].metrics)
    assert frame["env_steps"].iloc[-1] == 2_000


@pytest.mark.parametrize(
    "name", ["front.csv", "summary.json", "metrics.csv", "policies/policy-000.safetensors", "policies/policy-000.json"]
)
@pytest.mark.parametrize("damage", ["truncate", "alter", "remove"])
def test_damage_is_found_and_named(directory, name, damage):
    path = directory / name
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "truncate" else content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    with pytest.raises(
        CheckpointError,
        match=rf"{path.name} is (missing|truncated or was altered).*; restore it from a copy, or write it again",
    ):
        Run.load(directory)


def test_another_format_version_is_refused(directory):
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(CheckpointError, match=r"manifest.json has format version 99, this program reads 1"):
        Run.load(directory)


def test_a_run_without_results_says_how_to_get_them(directory):
    run = RunDirectory(directory)
    manifest = run.read_manifest()
    del manifest["files"]
    run.write_manifest(manifest)
    with pytest.raises(CheckpointError, match=r"has no results yet: 'morl resume"):
        Run.load(directory)


def test_json_is_strict(finished):
    def refuse(name):
        raise AssertionError(name)

    for name in ("manifest.json", "summary.json"):
        json.loads((finished[1] / name).read_text(), parse_constant=refuse)


def test_a_directory_must_be_empty_and_writable(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(ConfigurationError, match=r"full is not empty: choose another --out or remove it first$"):
        RunDirectory.create(tmp_path / "full")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot write to .*: File exists; choose another --out"):
        RunDirectory.create(tmp_path / "file")
    with pytest.raises(ConfigurationError, match=r"cannot write to .*; choose another --out"):
        RunDirectory.create(tmp_path / "file" / "run")
    (tmp_path / "empty").mkdir()
    assert RunDirectory.create(tmp_path / "empty").path.is_dir()
