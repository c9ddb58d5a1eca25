"""What ``docs/other_libraries.md`` shows runs as it stands."""

from __future__ import annotations

import importlib.util
import re
import runpy
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "other_libraries.md"


def test_every_block_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    if importlib.util.find_spec("stable_baselines3") is None:
        blocks = [block for block in blocks if "stable_baselines3" not in block]
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    names = runpy.run_path(str(script))
    assert names["one"].front.shape == (1, 1)
    assert names["several"].front.shape[1] == 3
