"""Tables as CSV: floats keep every bit, files are replaced at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from morl.errors import CheckpointError
from morl.evaluation.report import Table
from morl.files import read_file, write_atomically


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as CSV text.

    Args:
        rows: Columns are the keys in order of appearance; a missing or None cell is left empty.

    Returns:
        The text; floats in the shortest form that reads back exactly.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], *, durable: bool = True) -> None:
    """Write rows to a CSV file; see :func:`format_table` and :func:`~morl.files.write_atomically`."""
    write_atomically(path, format_table(rows), durable=durable)


def read_table(path: Path) -> Table:
    """Read a CSV file written by :func:`write_table`.

    Args:
        path: Which.

    Returns:
        The rows; integers, floats and empty cells as int, float and None, anything else as text.

    Raises:
        CheckpointError: Missing or cut off.
    """
    try:
        content = read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is truncated or damaged") from error
    return parse_table(content, str(path))


def parse_table(text: str, source: str) -> Table:
    """Read CSV text written by :func:`format_table`; ``source`` names it in errors."""
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or not text.endswith("\n") or any(len(row) != len(rows[0]) for row in rows):
        raise CheckpointError(f"{source} is truncated or damaged")
    return [dict(zip(rows[0], map(_parse, row), strict=True)) for row in rows[1:]]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        # numpy's float64 is a float whose own repr is not a number.
        return repr(float(value))
    return str(value)


def _parse(cell: str) -> Any:
    if not cell:
        return None
    for number in (int, float):
        try:
            return number(cell)
        except ValueError:
            continue
    return {"True": True, "False": False}.get(cell, cell)
