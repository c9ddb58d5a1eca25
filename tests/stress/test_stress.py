from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the children are forked")
def test_a_round_of_kills_full_disks_and_flipped_bits():
    """In a process of its own, which forks; ``python -m tests.stress --minutes 30`` is the long form."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.stress", "--rounds", "1", "--seed", "7"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed, seed 7" in done.stdout
