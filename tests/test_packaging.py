"""The built wheel: what is in it, and that it works away from the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the tools that are installed (no download)."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def shipped(wheel: Path) -> set[str]:
    """Paths inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def packages() -> list[str]:
    """The import packages of the source tree."""
    return [name for name in ("morl", "envs", "robust") if (ROOT / name / "__init__.py").exists()]


def test_ships_every_source_file(shipped: set[str], packages: list[str]) -> None:
    expected = {path.relative_to(ROOT).as_posix() for package in packages for path in (ROOT / package).rglob("*.py")}
    assert expected <= shipped


def test_ships_type_markers(shipped: set[str], packages: list[str]) -> None:
    assert {f"{package}/py.typed" for package in packages} <= shipped


def test_ships_every_configuration(shipped: set[str]) -> None:
    expected = {f"morl/configs/{path.relative_to(ROOT / 'configs').as_posix()}" for path in (ROOT / "configs").rglob("*.*")}
    assert "morl/configs/quickstart.yaml" in expected
    assert {name for name in shipped if name.startswith("morl/configs/")} == expected


def test_ships_nothing_else(shipped: set[str], packages: list[str]) -> None:
    tops = {name.split("/")[0] for name in shipped}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(packages)


@pytest.mark.slow
def test_installed_wheel_trains_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    # The new environment borrows the installed dependencies, but not an editable install of this project.
    venv.create(tmp_path / "venv", with_pip=False)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    borrowed = next(path for path in sys.path if path.endswith("site-packages"))
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = tmp_path / "venv" / "bin" / "python"
    code = "\n".join(
        (
            f"import sys; sys.path.append({borrowed!r})",
            "import morl",
            f"assert morl.__file__.startswith({str(site)!r}), morl.__file__",
            "from morl.cli import main",
            "main()",
        )
    )
    settings = ("env_steps=2000", "evaluation.episodes=1")
    command = [str(python), "-c", code, "run", "quickstart", *settings, "--out", "run"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "run" / "front.csv").read_text().count("\n") > 1
    assert list((folder / "run" / "plots").glob("*.png"))
