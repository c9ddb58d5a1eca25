"""What an import may load: read off ``sys.modules`` of a fresh process, not off a clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def loaded_by(code: str) -> set[str]:
    """Top-level packages in ``sys.modules`` after running ``code`` in a fresh process."""
    probe = (
        f"{code}\nimport json, sys\nsys.stderr.write('LOADED' + json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.rpartition("LOADED")[2]))


def test_environments_import_without_learning_libraries() -> None:
    heavy = {"torch", "pyomo", "highspy", "morl", "robust", "matplotlib", "mujoco"}
    assert not loaded_by("import envs") & heavy


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    heavy = {"torch", "pyomo", "highspy", "cma", "matplotlib", "pymoo", "moocore", "mujoco", "mo_gymnasium"}
    code = (
        "import sys\n"
        f"sys.argv = ['morl', *{arguments!r}]\n"
        "from morl.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
    )
    assert not loaded_by(code) & heavy


def test_python_interface_loads_no_plotting_and_no_simulator() -> None:
    heavy = {"pyomo", "highspy", "cma", "matplotlib", "mujoco", "pygame"}
    assert not loaded_by("import morl\nfrom morl.solvers import MORLD, MOSAC") & heavy
