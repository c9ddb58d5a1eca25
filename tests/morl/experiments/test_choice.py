"""What a run with one network for all weights answers to a preference, and what it writes for that."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl import Run
from morl.errors import CheckpointError, ShapeError
from morl.evaluation import Evaluation
from morl.experiments.progress import Interrupted, Silent
from morl.experiments.result import RunResult
from morl.experiments.run_config import RunConfig
from morl.experiments.run_directory import RunDirectory
from morl.experiments.run_indicators import expected_utilities
from morl.experiments.runner import run_config
from morl.policies import ConditionedPolicy
from morl.problem import make_problem
from morl.solvers import MODQN, MOPPO, MORLD

DST, TARGETS = "deep-sea-treasure-v0", "continuous/two-targets-v0"
DQN = MODQN(
    network="conditioned", hidden=(16,), learning_starts=20, batch_size=8, updates_per_step=0.25, epsilon_decay_steps=100
)
SOLVER = MORLD(solver=DQN, num_members=3, exchange_period=150)
CONFIG = RunConfig(
    env=DST, solver=SOLVER, env_steps=300, seed=4, evaluation=Evaluation(episodes=2, max_episode_steps=20, final_preferences=7)
)
PREFERENCES = [[i / 12, 1 - i / 12] for i in range(13)]
pytestmark = pytest.mark.usefixtures("undecorated")


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunResult, Path]:
    """A finished run of MODQN and its directory; nobody changes it."""
    path = tmp_path_factory.mktemp("runs") / "conditioned"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDirectory, "write_plots", lambda self, result: [])
        return run_config(CONFIG, out=path), path


@pytest.fixture(scope="module")
def continuous() -> RunResult:
    """A run of MOPPO in memory: what it does changes with every weight."""
    solver = MOPPO(network="conditioned", hidden=(8,), rows_per_member=4, horizon=16, minibatch_size=32, learning_rate=0.01)
    evaluation = Evaluation(episodes=2, max_episode_steps=20, final_preferences=2)
    return MORLD(solver=solver, num_members=2, exchange_period=512).run(TARGETS, env_steps=1_024, evaluation=evaluation)


def network_of(result: RunResult) -> ConditionedPolicy:
    assert isinstance(result.network, ConditionedPolicy)
    return result.network


def test_a_loaded_run_answers_as_the_run_did(chosen: tuple[RunResult, Path]) -> None:
    result, path = chosen
    loaded = Run.load(path)
    observations = np.array([[i, j] for i in range(4) for j in range(4)], dtype=np.int32)
    for weights in PREFERENCES:
        ours, theirs = result.choose(weights), loaded.choose(weights)
        assert (ours.origin, ours.utility) == (theirs.origin, theirs.utility)
        assert np.array_equal(ours.values, theirs.values)
        assert np.array_equal(ours.policy.act(observations), theirs.policy.act(observations))
        assert np.array_equal(loaded.policy(weights).act(observations), ours.policy.act(observations))
        assert ours.utility == pytest.approx(float(np.dot(ours.values, weights)))


def test_the_network_answers_exactly_where_it_is_better(continuous: RunResult) -> None:
    network, evaluator = network_of(continuous), continuous.evaluator
    assert evaluator is not None
    # What is archived is better than the network in the first objective only.
    own = np.array([evaluator([network.at(np.array(w))], weights=np.array([w])).mean()[0] for w in PREFERENCES])
    kept = continuous.archive.fresh()
    kept.add([replace(continuous.entries[0], values=np.array([own[:, 0].max() + 1.0, own[:, 1].min() - 1.0]))])
    result = replace(continuous, archive=kept)
    origins = []
    for weights, values in zip(PREFERENCES, own, strict=True):
        w = np.array(weights)
        ours = float(values @ w)
        archived = float((result.front @ w).max())
        choice = result.choose(weights)
        assert choice.origin == ("network" if ours > archived else "archive")
        assert choice.utility == pytest.approx(max(ours, archived))
        assert choice.utility == pytest.approx(float(choice.values @ w))
        if choice.origin == "network":
            assert choice.policy.own == tuple(weights)  # type: ignore[attr-defined]
            assert choice.policy.tensors()["parameters/0"] is network.tensors()["parameters/0"]
        origins.append(choice.origin)
    assert set(origins) == {"archive", "network"}


@pytest.mark.parametrize(("shift", "origin"), [(-100.0, "network"), (0.0, "archive"), (100.0, "archive")])
def test_a_better_archive_is_preferred_and_so_is_one_that_is_as_good(
    chosen: tuple[RunResult, Path], shift: float, origin: str
) -> None:
    result, network = chosen[0], network_of(chosen[0])
    assert result.evaluator is not None
    weights = np.array([0.3, 0.7])
    values = result.evaluator([network.at(weights)], weights=weights[None]).mean()[0]
    other = result.archive.fresh()
    other.add([replace(result.entries[0], values=values + shift, weights=weights, policy=network)])
    choice = replace(result, archive=other).choose(weights)
    assert choice.origin == origin
    np.testing.assert_array_equal(choice.values, values + max(shift, 0.0))
    assert choice.policy.own == tuple(weights)  # type: ignore[attr-defined]


def test_an_archived_policy_acts_by_the_weights_that_it_was_found_with(chosen: tuple[RunResult, Path]) -> None:
    result = chosen[0]
    alone = replace(result, network=None)
    for weights in PREFERENCES:
        choice, entry = alone.choose(weights), alone.entry(weights)
        assert choice.origin == "archive"
        assert entry.weights is not None
        assert choice.policy.own == tuple(entry.weights.tolist())  # type: ignore[attr-defined]


@pytest.mark.parametrize("weights", [[1.0], [0.2, 0.3, 0.5], [[0.5, 0.5]]])
def test_a_preference_of_another_length_is_refused(chosen: tuple[RunResult, Path], weights: Any) -> None:
    for ask in (chosen[0].policy, chosen[0].choose):
        with pytest.raises(ShapeError, match=r"expected \(2,\), one per objective") as caught:
            ask(weights)
        assert "\n" not in str(caught.value)


def test_the_network_is_judged_at_spread_preferences(chosen: tuple[RunResult, Path], continuous: RunResult) -> None:
    for result, most in ((chosen[0], 7), (continuous, 2)):
        found, table = result.indicators, result.tables["preferences"]
        assert found["candidates"] == len(table) == most
        assert found["matched_expected_utility"] <= found["set_expected_utility"]
        assert {"matched_expected_utility", "set_expected_utility"} <= result.indicators.keys()
        # What was found there was offered to the archive, which the other indicators are about.
        values = np.array([[row[name] for name in result.objectives] for row in table])
        assert all((result.front >= v - 1e-9).all(1).any() for v in values)
    known = expected_utilities(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert known == {"matched_expected_utility": 0.0, "set_expected_utility": 1.5, "candidates": 2}


def test_without_final_preferences_there_is_no_network() -> None:
    evaluation = replace(CONFIG.evaluation, final_preferences=0)
    result = run_config(replace(CONFIG, env_steps=150, evaluation=evaluation))
    assert result.network is None
    assert "candidates" not in result.indicators
    assert "preferences" not in result.tables
    assert {result.choose(w).origin for w in PREFERENCES} == {"archive"}


# --- files -----------------------------------------------------------------------------------------------------------------


def policy_files(path: Path) -> set[str]:
    return {file.name for file in (path / "policies").iterdir()}


def named_network(path: Path) -> str:
    return str(json.loads((path / "summary.json").read_text())["network"])


def test_the_network_is_written_once(continuous: RunResult, tmp_path: Path) -> None:
    """With the policies of the archive: what the last evaluation and the final preferences found is of one policy."""
    path = continuous.save(tmp_path / "run")
    network, latest = network_of(continuous), max(entry.env_steps for entry in continuous.entries)
    assert [entry.policy is network for entry in continuous.entries] == [e.env_steps == latest for e in continuous.entries]
    assert named_network(path).startswith("policy-")
    assert len(policy_files(path)) == 2 * len({id(entry.policy) for entry in continuous.entries})
    loaded = Run.load(path)
    assert [e.policy is loaded.network for e in loaded.entries] == [e.policy is network for e in continuous.entries]


def test_a_network_that_the_archive_does_not_hold_has_a_file_of_its_own(chosen: tuple[RunResult, Path], tmp_path: Path) -> None:
    result, other = chosen[0], chosen[0].archive.fresh()
    other.add([replace(result.entries[0], policy=network_of(result).at(np.array([0.5, 0.5])))])
    copy = replace(result, archive=other).save(tmp_path / "copy")
    assert named_network(copy) == "network"
    assert policy_files(copy) == {f"{stem}.{end}" for stem in ("policy-000", "network") for end in ("json", "safetensors")}
    assert network_of(Run.load(copy)).is_same(result.network)
    file = copy / "policies" / "network.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"network\.safetensors is truncated or was altered"):
        Run.load(copy)


class _Stopper(Silent):
    """Presses Ctrl-C once, at some time."""

    pressed = False

    def update(self, env_steps: int, metrics: Any) -> None:
        if env_steps >= 100 and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)


def outcome(path: Path) -> dict[str, bytes]:
    """What must not depend on interruptions."""
    folders = [path / "policies", path / "tables"]
    files = [path / "metrics.csv", path / "front.csv", path / "summary.json"]
    files += [file for folder in folders for file in folder.iterdir()]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_an_interrupted_run_has_no_network_until_it_is_finished(chosen: tuple[RunResult, Path], tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(Interrupted):
        run_config(CONFIG, out=path, progress=_Stopper())
    partial = Run.load(path)
    assert partial.network is None
    assert {partial.choose(w).origin for w in PREFERENCES} == {"archive"}
    assert "network.json" not in policy_files(path)
    for _ in range(2):  # to resume a finished run changes nothing
        assert network_of(Run.resume(path)).is_same(chosen[0].network)
        assert outcome(path) == outcome(chosen[1])


def test_an_extended_run_is_the_longer_one(chosen: tuple[RunResult, Path], tmp_path: Path) -> None:
    run_config(replace(CONFIG, env_steps=150), out=tmp_path / "run")
    longer = Run.resume(tmp_path / "run", env_steps=300)
    assert outcome(tmp_path / "run") == outcome(chosen[1])
    for weights in PREFERENCES[::4]:
        assert longer.choose(weights).utility == chosen[0].choose(weights).utility


def test_where_the_environment_cannot_be_made_again_the_archive_answers(tmp_path: Path) -> None:
    evaluation = replace(CONFIG.evaluation, final_preferences=2)
    result = SOLVER.run(lambda: make_problem(DST).make_env(), env_steps=150, evaluation=evaluation, out=tmp_path / "run")
    assert result.network is not None
    loaded = Run.load(tmp_path / "run")
    assert loaded.network is not None
    assert {loaded.choose(w).origin for w in PREFERENCES} == {"archive"}
