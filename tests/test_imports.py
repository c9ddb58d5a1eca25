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


@pytest.mark.parametrize(
    ("hiding", "imported"), [("envs/__init__.py", "morl"), ("robust.py", "morl"), ("morl/__init__.py", "robust"),
                             ("envs.py", "robust"), ("morl/__init__.py", "envs")],
)  # fmt: skip
def test_a_folder_that_hides_a_package_is_named(tmp_path: Path, hiding: str, imported: str) -> None:
    (tmp_path / hiding).parent.mkdir(exist_ok=True)
    (tmp_path / hiding).touch()
    (tmp_path / "script.py").write_text(f"import {imported}\n")
    done = run_python(str(tmp_path / "script.py"))
    assert done.returncode == 1
    named = tmp_path / hiding.removesuffix("/__init__.py")
    assert f"ImportError: {named} hides the package {named.stem!r}" in done.stderr
    assert f"which is in {ROOT}: rename it, or run your program from another folder" in done.stderr


def test_folders_of_the_same_name_without_modules_hide_nothing(tmp_path: Path) -> None:
    for name in ("envs", "morl", "robust"):
        (tmp_path / name).mkdir()
    (tmp_path / "script.py").write_text("import envs, morl, robust\n")
    assert run_python(str(tmp_path / "script.py")).returncode == 0


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh process that finds this project's packages after the folder of the script."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)


def test_python_interface_loads_no_plotting_and_no_simulator() -> None:
    heavy = {"pyomo", "highspy", "cma", "matplotlib", "mujoco", "pygame"}
    assert not loaded_by("import morl\nfrom morl.solvers import MORLD, MOSAC") & heavy
