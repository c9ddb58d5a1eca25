"""What ``docs/oracles.md`` shows runs, and prints what it says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "oracles.md"


def test_every_block_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    names = runpy.run_path(str(script))
    said = capsys.readouterr().out.splitlines()
    assert (said[0], said[-3], said[-2]) == ("10 2", "2.0 1.5", "10 21 0.0")
    values = names["pareto_value_iteration"](names["machine"], gamma=1.0).values
    np.testing.assert_allclose(values, [[1, 1], [2.7, 0.7], [4.8, 0]])
