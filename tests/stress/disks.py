"""Full disks: one line says which file and what to do, and when there is room again the run goes on to the same bytes."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path

from tests.stress.runs import End, Stage, child, one_line

_SMALLEST, _LARGEST = 1, 60_000
"""Bytes that a file may have."""


def limited(stage: Stage) -> str:
    """Let the system refuse to make any file larger than so many bytes."""
    path, most = stage.fresh("limited"), stage.rng.randint(_SMALLEST, _LARGEST)

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        stage.work_on(path)

    # Standard error is a file, too, and must not meet the limit.
    end = child(stage.folder, work)
    return _recovered(stage, path, end, f"files of at most {most} bytes: {end.code}")


def full(stage: Stage) -> str:
    """Give the run a file system that is too small, where one can be mounted."""
    size = stage.rng.randint(2, 120)
    disk = stage.fresh("disk")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={4 * size}k", "tmpfs", str(disk)], check=True)
    try:
        end = child(stage.folder, lambda: stage.work_on(disk / "run"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        return _recovered(stage, disk / "run", end, f"a disk of {4 * size} KiB: {end.code}")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@cache
def can_mount(folder: Path) -> bool:
    """Whether a file system can be mounted here."""
    probe = folder / "probe"
    probe.mkdir()
    if shutil.which("mount") is None:
        return False
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(probe)], check=False, capture_output=True)
    return mounted.returncode == 0 and subprocess.run(["umount", str(probe)], check=False).returncode == 0


def _recovered(stage: Stage, path: Path, end: End, story: str) -> str:
    if end.code != 0:
        one_line(end)
        assert "cannot write to " in end.text, f"{story}: {end.text}"
    end = child(stage.folder, lambda: stage.work_on(path))
    assert end.code == 0, f"{story}: {end.text[-2000:]}"
    stage.check(path, story)
    return story
