"""What a run's manifest says about where it ran."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from morl.errors import ConfigurationError
from morl.experiments.shipped import shipped_configs
from morl.registry import component, kinds, names
from morl.version import __version__

_PACKAGES = (
    "torch",
    "numpy",
    "gymnasium",
    "mo-gymnasium",
    "mujoco",
    "moocore",
    "pymoo",
    "scipy",
    "omegaconf",
    "safetensors",
    "matplotlib",
)


def resolve_device(device: str) -> torch.device:
    """Turn ``auto`` and device names into a device that exists.

    Args:
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:N``.

    Returns:
        The device.

    Raises:
        ConfigurationError: No such device; says which there are.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    available = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    try:
        found = torch.device(device)
    except RuntimeError:
        found = torch.device("meta")  # which is no place to compute
    if (f"cuda:{found.index or 0}" if found.type == "cuda" else found.type) not in available:
        raise ConfigurationError(f"device {device!r} is not available; expected auto or one of {', '.join(available)}")
    return found


def computing_threads(solver: Any) -> int:
    """Computing threads that suit a solver on this machine.

    Args:
        solver: The configuration; the innermost solver's network width decides.

    Returns:
        1 for tables and for networks narrower than 128, whose tensor operations cost less than waking a second thread;
        torch's present number otherwise.
    """
    while hasattr(solver, "solver"):
        solver = solver.solver
    return torch.get_num_threads() if max(getattr(solver, "hidden", (0,))) >= 128 else 1


@contextmanager
def using_threads(threads: int) -> Iterator[None]:
    """Compute with that many threads inside, as many as before outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def versions() -> dict[str, str]:
    """Versions of Python, this package and what it stands on; missing packages are left out."""
    found = {"morl": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Commit of the source checkout the package runs from, ``-dirty`` appended if it was changed; None if there is none."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def describe_device(device: torch.device) -> str:
    """A device in words."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Everything about the machine that a manifest records.

    Args:
        device: Where the tensors live.

    Returns:
        JSON values.
    """
    return {
        "versions": versions(),
        "git_commit": git_commit(),
        "platform": platform.platform(),
        "device": describe_device(device),
        "threads": torch.get_num_threads(),
    }


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def diagnose() -> list[tuple[str, bool, str]]:
    """Check what a run needs.

    Returns:
        Name, whether it is fine, and what was found, for each check.
    """
    found = versions()
    checks = [("versions", True, ", ".join(f"{name} {number}" for name, number in found.items()))]
    device = resolve_device("auto")
    checks.append(("device", True, f"{describe_device(device)}, threads {torch.get_num_threads()}, cores {os.cpu_count()}"))
    for kind in kinds():
        broken = []
        for name in names(kind):
            try:
                component(kind, name)
            except ConfigurationError as error:
                broken.append(str(error))
        checks.append((f"components: {kind}", not broken, "; ".join(broken) or ", ".join(names(kind))))
    shipped = shipped_configs()
    checks.append(("configs", bool(shipped), ", ".join(shipped) or "none found: the installation is incomplete"))
    lacking = "not installed; half-cheetah, hopper and the like need: pip install 'tradeoff-rl[mujoco]'"
    checks.append(("mujoco", "mujoco" in found, found.get("mujoco", lacking)))
    writable = os.access(Path.cwd(), os.W_OK)
    checks.append(("current folder", writable, f"{Path.cwd()} {'is writable' if writable else 'is not writable: use --out'}"))
    return checks
