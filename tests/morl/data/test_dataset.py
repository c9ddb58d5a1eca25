"""Data sets: what is written is read back, in any pieces; what is damaged is named."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from morl import files
from morl.data import DataProblem, Dataset, DatasetWriter, Episode, Header, from_minari, record, summary_of
from morl.data import writer as writer_module
from morl.errors import DataError
from morl.problem import make_problem
from tests.conformance.cases import CASES, DST, OFFLINE

HEADER = Header(
    "custom/world", {}, spaces.Box(0, 255, (2,), np.uint8), spaces.Discrete(3, start=5), ("gold", "time"), ("g", ""), 0.9
)


def episode(rng: np.random.Generator, steps: int, **changes: Any) -> Episode:
    known = {
        "observations": rng.integers(0, 256, (steps, 2)).astype(np.uint8),
        "actions": rng.integers(5, 8, steps),
        "rewards": rng.normal(size=(steps, 2)).astype(np.float32),
        "final_observation": rng.integers(0, 256, 2).astype(np.uint8),
        "terminated": bool(rng.random() < 0.5),
        "truncated": bool(rng.random() < 0.5),
        "weights": np.array([0.25, 0.75], np.float32) if rng.random() < 0.5 else None,
        "policy": int(rng.integers(-1, 9)),
    }
    return Episode(**{**known, **changes})


def same(a: Episode, b: Episode) -> bool:
    names = ("observations", "actions", "rewards", "final_observation", "weights")
    return (a.terminated, a.truncated, a.policy) == (b.terminated, b.truncated, b.policy) and all(
        np.array_equal(getattr(a, name), getattr(b, name)) if getattr(a, name) is not None else getattr(b, name) is None
        for name in names
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), lengths=st.lists(st.integers(1, 9), max_size=6), shard=st.integers(1, 5_000))
def test_what_is_written_is_read_back(seed: int, lengths: list[int], shard: int) -> None:
    rng = np.random.default_rng(seed)
    episodes = [episode(rng, steps) for steps in lengths]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "SHARD_BYTES", shard)
        patch.setattr(files, "flush", lambda path: None)  # the disk is slower than all else here
        straight, pieces = DatasetWriter(Path(folder, "a"), HEADER), DatasetWriter(Path(folder, "b"), HEADER)
        for each in episodes:
            straight.add(each)
            pieces.add(each)
            pieces.publish()
            assert len(Dataset.open(Path(folder, "b"))) > 0, "readable while it goes on"
            again = DatasetWriter(Path(folder, "b"), HEADER)
            again.load_state(pieces.state())
            pieces = again
        straight.publish()
        pieces.publish()
        assert contents(Path(folder, "a")) == contents(Path(folder, "b")), "pieces decide nothing"
        found = Dataset.open(Path(folder, "a"))
        assert (len(found), found.num_steps) == (len(lengths), sum(lengths))
        assert all(same(a, b) for a, b in zip(found.episodes(), episodes, strict=True))
        expected = [sum(0.5**t * r.astype(np.float64) for t, r in enumerate(each.rewards)) for each in episodes]
        np.testing.assert_allclose(found.returns(0.5), np.reshape(expected, (-1, 2)), rtol=1e-12)
        found.save(Path(folder, "c"))
        assert contents(Path(folder, "c")) == contents(Path(folder, "a"))
        assert Dataset.of(HEADER, episodes).table() == found.table()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_crash_between_two_files_leaves_what_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    writer = DatasetWriter(tmp_path, HEADER)
    writer.add(episode(rng, 3))
    writer.publish()
    writer.add(episode(rng, 4))
    monkeypatch.setattr(writer, "_list", lambda last=None: None if last is None else (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        writer.publish()
    monkeypatch.undo()
    again = DatasetWriter(tmp_path, HEADER)
    again.load_state(writer.state())
    assert Dataset.open(tmp_path).num_steps == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rewards": np.zeros((3, 3), np.float32)},
            r"rewards of shape \(3, 3\); expected \(T, 2\), one column for each of gold, t",
        ),
        ({"rewards": np.array([[0, 1], [np.nan, 1], [0, 1]], np.float32)}, "reward that is not finite: .nan *1.. at step 1"),
        ({"actions": np.array([5, 6, 2])}, r"an action outside Discrete\(3, start=5\): 2 at step 2"),
        ({"observations": np.zeros((3, 4), np.uint8)}, r"observations of shape \(3, 4\).*expected numbers of shape \(3, 2\)"),
        ({"weights": np.array([0.7, 0.7])}, "weights off the simplex"),
    ],
)
def test_episodes_of_another_kind_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset.of(HEADER, [episode(np.random.default_rng(0), 3, **changes)])


def _index(path: Path, **changes: Any) -> None:
    content = json.loads((path / "dataset.json").read_text())
    (path / "dataset.json").write_text(json.dumps(content | changes))


def _truncated(path: Path) -> None:
    shard = path / "episodes-00000.npz"
    shard.write_bytes(shard.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncated, "episodes-00000.npz is truncated or was altered.*record the data set again"),
        (lambda path: (path / "episodes-00000.npz").unlink(), "episodes-00000.npz is missing"),
        (lambda path: (path / "dataset.json").write_text('{"format": 1'), "dataset.json is truncated or damaged"),
        (lambda path: (path / "dataset.json").unlink(), "no data set at .*record=true"),
        (lambda path: _index(path, format=7), "format version 7, this program reads 1"),
        (lambda path: _index(path, objectives=None), "dataset.json was changed"),
        (lambda path: _index(path, objectives=["gold"]), "expected numbers of shape .*one column for each of gold"),
        (lambda path: _index(path, shards=[{"file": "../x", "sha256": "", "episodes": 1, "steps": 1}]), "outside its folder"),
        (lambda path: _index(path, shards=[]), "has no finished episode"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, damage: Any, message: str) -> None:
    Dataset.of(HEADER, [episode(np.random.default_rng(0), 3)]).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        summary_of(Dataset.open(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_data_set_of_another_problem_is_refused() -> None:
    data = OFFLINE["morvs"].problem().data
    judge = make_problem(DST)
    for changes, message in (
        ({"env_id": "fruit-tree-v0"}, "environment fruit-tree-v0, but env has deep-sea-treasure-v0"),
        ({"action_space": spaces.Discrete(9)}, r"action space Discrete\(9\), but env has Discrete\(4\)"),
        ({"objectives": ("treasure", "fuel")}, "objectives treasure, fuel, but env has treasure, time"),
    ):
        other = Dataset(replace(data.header, **changes), data._parts)
        with pytest.raises(DataError, match=message):
            DataProblem.of(judge, other)
    with pytest.raises(DataError, match="no finished episode"):
        DataProblem.of(judge, Dataset.of(data.header, []))


def test_recorded_episodes_are_those_of_the_policy(tmp_path: Path) -> None:
    policy = CASES["moppo"].make(1).policies()[0]
    given = {"episodes": 70, "weights": [0.3, 0.7], "number": 4, "max_episode_steps": 12}
    found = record(CASES["moppo"].problem(), policy, **given, out=tmp_path)
    assert len(found) == 70
    for each in found.episodes():
        np.testing.assert_allclose(each.actions, policy.act(each.observations), atol=1e-6)
        assert each.policy == 4
        assert each.weights.tolist() == pytest.approx([0.3, 0.7])
        assert each.terminated or each.truncated
    assert found.table() == record(CASES["moppo"].problem(), policy, **given).table()


def test_episodes_of_minari_are_taken_over() -> None:
    """As ``minari.load_dataset`` (0.5.4, HDF5) gives them; tried with the real one when this was written."""
    ours = OFFLINE["morvs"].problem().data
    theirs = [
        SimpleNamespace(
            observations=np.concatenate([each.observations, each.final_observation[None]]),
            actions=each.actions,
            rewards=each.rewards,
            terminations=np.arange(len(each)) == (len(each) - 1 if each.terminated else -1),
            truncations=np.arange(len(each)) == (len(each) - 1 if each.truncated else -1),
        )
        for each in ours.episodes()
    ]
    found = from_minari(SimpleNamespace(iterate_episodes=lambda: iter(theirs)), DST, gamma=0.9)
    unknown = [replace(each, weights=None, policy=-1) for each in ours.episodes()]
    assert all(same(a, b) for a, b in zip(found.episodes(), unknown, strict=True))
    theirs[3].rewards = theirs[3].rewards[:, 0]
    with pytest.raises(DataError, match=r"episode 3 .* rewards of shape .*one column for each of treasure, time: .* in HDF5"):
        from_minari(SimpleNamespace(iterate_episodes=lambda: iter(theirs)), DST)
