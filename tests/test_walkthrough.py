"""The walk-through of ``docs/extending.md`` does what it says."""

from __future__ import annotations

import importlib
import re
import runpy
import textwrap
from pathlib import Path

import pytest

from morl.experiments.config import load_config
from morl.registry import names
from morl.testing import check_scalarization

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"


def block(language: str) -> str:
    """The first block of code in a language."""
    found = re.search(rf"^( *)```{language}\n(.*?)^ *```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    return textwrap.dedent(found[2])


def test_a_scalarization_in_ten_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "product.py").write_text(block("python"), encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(block("yaml"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("morl.registry._added", {})

    config = load_config(tmp_path / "mine.yaml")

    product = importlib.import_module("my_lab.product").Product
    check_scalarization(product())
    assert config.solver.scalarization == product(floor=-1.0)  # type: ignore[attr-defined]
    assert "product" in names("scalarization")


def test_a_solver_of_your_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(PAGE.parent)
    runpy.run_path(str(PAGE.parent / "check_example.py"))
    assert "[11. -6.]" in capsys.readouterr().out
