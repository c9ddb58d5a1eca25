from __future__ import annotations

import sys
from pathlib import Path

# The reference problem of the environments' tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "envs" / "cormab"))
