"""Every number in YAML has one meaning, the same in files and overrides; odd documents are one short line."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from morl.errors import ConfigurationError
from morl.experiments.config import from_yaml, load_config, to_yaml
from morl.experiments.yaml_text import dump, parse

BASE = "env: deep-sea-treasure-v0\nsolver: moq\nenv_steps: 100\n"


BOMB = "\n".join(["a0: &a0 x", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9))])
"""100 million values in nine lines."""


def both_ways(text):
    """What the value of a key becomes in a file and as an override."""
    override = from_yaml(BASE, overrides=[f"env.x={text}"]).env["x"]
    file = parse(f"x: {text}" if "\n" not in text and not text.startswith("- ") else f"x:\n {text}", "x")["x"]
    assert repr(override) == repr(file)
    return file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("7", 7), ("-7", -7), ("+7", 7), ("0", 0), ("1_000", 1000), ("0x10", 16), ("0o17", 15), ("0b11", 3)),
        *(
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("-1.5E-3", -0.0015),
            ("08.5", 8.5),
            (".inf", math.inf),
            ("!!float 3", 3.0),
        ),
        *(("yes", True), ("On", True), ("no", False), ("OFF", False), ("true", True), ("~", None), ("", None), ("null", None)),
        *(("1:30", "1:30"), ("1__0", "1__0"), ("_1", "_1"), ("inf", "inf"), ("2020-01-01", "2020-01-01"), ("'010'", "010")),
        *(("!!str 10", "10"), ("y", "y"), ("0x", "0x"), ("1e", "1e"), ("- 1", [1]), ("{a: 1}", {"a": 1})),
    ],
)
def test_one_meaning(text, value):
    assert repr(both_ways(text)) == repr(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("010", "'010' has leading zeros, which some read as base 8: write 10, or put text in quotes"),
        ("-007", "write -7"),
        ("008", "write 8"),
        ("0_1", "write 1"),
        ("1e400", "'1e400' is too large for a number; infinity is written .inf"),
        ("1e-400", "too small for a number"),
        ("9" * 5000, "is a number of 5,000 digits"),
        ("!!int 010", "'010' as !!int is no value"),
        ("!!bool maybe", "'maybe' as !!bool is no value"),
        ("!!set {a}", "the tag !!set is no value"),
        ("!!python/object/apply:os.system [ls]", "is no value"),
        ("{a: 1, a: 2}", "duplicate key 'a'"),
        ("&a [*a]", "alias that contains itself"),
        ("[" * 500, "more than 50 levels of nesting"),
        ("[" * 40 + "&a " + "[" * 9 + "1" + "]" * 49, None),
        ("a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*a" + "]" * 30, "more than 50 levels"),
        (BOMB, "aliases that unfold to more than 100,000 values"),
        ("a:\n\tb: 1", "indent with spaces, not with tabs"),
        ("a\x00b", "control characters are not allowed"),
        ("\udcff", "bytes that are no text"),
        ("---\n1\n---\n2", "expected a single document"),
        ("*x", "undefined alias"),
        ("'open", "not valid YAML"),
    ],
    ids=range(23),
)
def test_odd_documents_are_one_short_line(text, message):
    if message is None:
        parse(text, "here")
        return
    with pytest.raises(ConfigurationError, match=message) as caught:
        parse(text, "here")
    assert str(caught.value).startswith("here")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("seed", ["007", "1:30", "1e23", "9007199254740993.0", ".5", "yes", "1_", "${nothing}", "${seed}"])
def test_no_seed_becomes_another_number(seed):
    with pytest.raises(ConfigurationError):
        from_yaml(BASE, overrides=[f"seed={seed}"])
    with pytest.raises(ConfigurationError):
        from_yaml(f"{BASE}seed: {seed}\n")


@pytest.mark.parametrize("text", ["5", "just words", "null", "[1]"])
def test_a_document_that_is_no_mapping_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"missing|expected a mapping with env, solver"):
        from_yaml(text)


def test_files_of_other_editors(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert load_config(path).env_steps == 100
    path.write_bytes(BASE.encode("utf-16"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_config(path)
    path.write_bytes(b"#" * 5_000_000)
    with pytest.raises(ConfigurationError, match="5,000,000 bytes, which no configuration has"):
        load_config(path)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["010", "1:30", "yes", "1e5", "0x10", "~", "2020-01-01", "1_000", "<<", "=", ".5", "0o17", "-"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(plain)
@example({"\x85": "a\u2028b"})
def test_what_is_written_is_read_back(value):
    assert repr(parse(dump({"x": value}), "x")) == repr({"x": value})


@given(st.sampled_from(["010", "1:30", "yes", "1e5", "0x10", "0o17", "1_000", "190:20:30", "1_000.5", "2020-01-01"]))
def test_other_readers_of_yaml_find_the_same_text(text):
    assert yaml.safe_load(dump({"x": text})) == {"x": text}


def test_a_configuration_is_read_back_with_text_that_looks_like_numbers():
    config = from_yaml(BASE, overrides=["env.zone='010'", "env.clock=1:30", "env.code=['1e5', 0x1F]"])
    assert config.env == {"id": "deep-sea-treasure-v0", "zone": "010", "clock": "1:30", "code": ["1e5", 31]}
    assert from_yaml(to_yaml(config)) == config
