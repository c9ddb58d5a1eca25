from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morl.errors import CheckpointError
from morl.experiments.tables import format_table, parse_table, read_table, write_table

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
cells = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none())


@given(
    st.lists(names, min_size=1, max_size=4, unique=True).flatmap(
        lambda ks: st.lists(st.fixed_dictionaries(dict.fromkeys(ks, cells)), min_size=1)
    )
)
def test_tables_come_back_exactly(rows):
    back = parse_table(format_table(rows), "table")
    assert back == rows
    assert [{key: type(v) for key, v in row.items()} for row in back] == [
        {key: type(v) for key, v in row.items()} for row in rows
    ]


def test_numpy_floats_are_written_as_numbers():
    assert format_table([{"a": np.float64(0.1), "b": math.nan}]) == "a,b\n0.1,nan\n"


def test_missing_cells_are_empty():
    assert format_table([{"a": 1}, {"b": 2}]) == "a,b\n1,\n,2\n"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n3", "a,b\n1,2", "a,b\n1,2,3\n"])
def test_a_cut_off_table_is_refused(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(CheckpointError, match=r"t.csv is truncated"):
        read_table(tmp_path / "t.csv")


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        read_table(tmp_path / "t.csv")
    write_table(tmp_path / "t.csv", [{"a": 'x,\n"y"'}])
    assert read_table(tmp_path / "t.csv") == [{"a": 'x,\n"y"'}]
