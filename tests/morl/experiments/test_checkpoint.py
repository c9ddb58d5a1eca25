from __future__ import annotations

import json
import logging
import math
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morl.errors import CheckpointError
from morl.experiments import checkpoint
from morl.experiments.checkpoint import load_checkpoint, save_checkpoint
from morl.files import write_atomically


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.contiguous().numpy().tobytes() == b.contiguous().numpy().tobytes()


def test_every_kind_of_value_comes_back_exactly(tmp_path):
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    state = {
        "float32": base,
        "shared view": base[1],
        "transposed": base.T,
        "strided": base[:, ::2],
        "expanded": torch.ones(1, 3).expand(4, 3),
        "float64": torch.tensor([math.pi, -0.0, math.inf, math.nan], dtype=torch.float64),
        "int64": torch.tensor([-(2**62), 2**62]),
        "uint8": torch.get_rng_state(),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "another empty": torch.zeros(0),
        "with gradient": torch.ones(2, requires_grad=True),
        "big": 2**127 + 1,
        "text": "ä/b",
        "none": None,
        "flag": True,
        "nested": {"a": [1, 2.5, [None, False]], "b": {"c": -0.0}},
        "list": [0.1, math.inf, -math.inf],
    }
    before = {key: value.clone() for key, value in state.items() if isinstance(value, torch.Tensor)}
    save_checkpoint(tmp_path, state)
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            assert same_bits(loaded[key], before[key].detach()), key
            assert same_bits(value.detach(), before[key].detach()), f"{key} was changed by saving"
        else:
            assert loaded[key] == value
            assert type(loaded[key]) is type(value)
    assert math.copysign(1, loaded["nested"]["b"]["c"]) == -1


@given(st.lists(st.floats(allow_nan=True, width=64), max_size=5))
def test_floats_keep_every_bit(values):
    back = json.loads(json.dumps(values))
    # NaN has many bit patterns of which Python keeps one.
    assert [struct.pack("d", x) for x in back if not math.isnan(x)] == [
        struct.pack("d", x) for x in values if not math.isnan(x)
    ]
    assert [math.isnan(x) for x in back] == [math.isnan(x) for x in values]


def test_the_previous_checkpoint_is_kept_and_no_older_one(tmp_path):
    for number in range(5):
        save_checkpoint(tmp_path, {"number": number})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000004", "00000005"]
    assert load_checkpoint(tmp_path) == {"number": 4}


def test_nothing_yet(tmp_path):
    assert load_checkpoint(tmp_path / "checkpoint") is None


@pytest.fixture
def two(tmp_path):
    for number in range(2):
        save_checkpoint(tmp_path, {"number": number, "tensor": torch.full((4,), float(number))})
    return tmp_path


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def other_version(path):
    manifest = json.loads((path.parent / "manifest.json").read_text())
    (path.parent / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))


def forget_checksum(path):
    manifest = json.loads((path.parent / "manifest.json").read_text())
    del manifest["files"][path.name]
    (path.parent / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["tensors.safetensors", "values.json", "manifest.json"])
@pytest.mark.parametrize("damage", [truncate, flip, lambda path: path.unlink()])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(two, caplog, name, damage):
    damage(two / "00000002" / name)
    with caplog.at_level(logging.WARNING):
        loaded = load_checkpoint(two)
    assert loaded is not None
    assert loaded["number"] == 0
    assert "00000002" in caplog.text
    assert "the checkpoint before it" in caplog.text


@pytest.mark.parametrize(
    ("damage", "message"), [(other_version, "format version 99"), (forget_checksum, "no recorded checksum")]
)
def test_other_versions_and_altered_lists_are_refused(two, damage, message):
    for folder in two.iterdir():
        damage(folder / "values.json")
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(two)


def test_when_none_is_whole_the_error_names_file_and_remedy(two):
    for folder in two.iterdir():
        truncate(folder / "tensors.safetensors")
    with pytest.raises(
        CheckpointError, match=r"00000002.tensors.safetensors is truncated or was altered.*delete .* to start the run over"
    ):
        load_checkpoint(two)


def test_a_crash_while_writing_leaves_the_old_one(two, monkeypatch):
    def crash(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "flush", crash)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(two, {"number": 2})
    loaded = load_checkpoint(two)
    assert loaded is not None
    assert loaded["number"] == 1
    save_checkpoint(two, {"number": 3})
    assert sorted(p.name for p in two.iterdir()) == ["00000002", "00000003"]


@pytest.mark.parametrize("value", [object(), {1: 2}, [torch.ones(1)], {"a": {1}}])
def test_what_cannot_be_saved_is_named(tmp_path, value):
    with pytest.raises(TypeError, match="culprit"):
        save_checkpoint(tmp_path, {"culprit": value})


def test_text_is_replaced_at_once(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("first", "second"):
        write_atomically(path, text)
        assert path.read_text() == text
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
