"""What every kind of stress shares: a small run, a child process that works on it, and what must come out the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from morl.errors import MorlError
from morl.experiments import session
from morl.experiments.checkpoint import load_checkpoint
from morl.experiments.config import load_config
from morl.experiments.progress import Interrupted, Silent
from morl.experiments.run_config import RunConfig
from morl.experiments.run_directory import RunDirectory
from morl.experiments.runner import resume, run_config

LIMIT = 120.0
"""Seconds after which a child hangs."""


CONFIG = "morld/deep-sea-treasure-tabular"
CHANGES = ("env_steps=3_000", "solver.exchange_period=300", "solver.num_members=3", "evaluation.episodes=2")
"""A run of under a second with many evaluations and checkpoints."""


class _Halt(Silent):
    """Presses Ctrl-C in the middle."""

    def update(self, env_steps: int, metrics: Mapping[str, Any]) -> None:
        if env_steps >= 1_500:
            signal.raise_signal(signal.SIGINT)


@dataclass(frozen=True)
class Stage:
    """Where the stress takes place."""

    folder: Path
    """Holds every run."""
    rng: Random
    """Decides what happens."""
    config: RunConfig
    """The run."""
    whole: dict[str, Any]
    """What it leaves behind when nobody disturbs it."""
    seconds: float
    """How long that takes."""

    @classmethod
    def prepare(cls, folder: Path, seed: int, *, plots: bool = False) -> Stage:
        """Do the undisturbed run, with every checkpoint written; plots would take most of the time."""
        session._CHECKPOINT_SHARE = session._PROGRESS_SHARE = float("inf")
        if not plots:
            RunDirectory.write_plots = lambda self, result: []
        torch.set_num_threads(1)
        config = load_config(CONFIG, CHANGES)
        with suppress(Interrupted):
            run_config(config, out=folder / "halted", progress=_Halt())
        start = time.perf_counter()
        run_config(config, out=folder / "whole")
        return cls(folder, Random(seed), config, outcome(folder / "whole"), time.perf_counter() - start)

    def fresh(self, name: str) -> Path:
        """A path where nothing is."""
        path = self.folder / name
        if path.exists():
            shutil.rmtree(path)
        return path

    def work_on(self, path: Path) -> None:
        """Start the run, or go on with it."""
        if (path / "config.yaml").is_file():
            resume(path)
        else:
            if path.exists():
                # Killed before the configuration was written: nothing is there to go on with.
                shutil.rmtree(path)
            run_config(self.config, out=path)

    def check(self, path: Path, what: str) -> None:
        """Fail unless a run left behind exactly what the undisturbed one did."""
        found = outcome(path)
        different = sorted(key for key in {*found, *self.whole} if found.get(key) != self.whole.get(key))
        assert not different, f"{what}: {different[:5]} differ"


def outcome(path: Path) -> dict[str, Any]:
    """What must be the same to the last bit: tables, policies, and everything the learner knows."""
    state = load_checkpoint(path / "checkpoint")
    assert state is not None
    bits: dict[str, Any] = {
        key: value.contiguous().numpy().tobytes() if isinstance(value, torch.Tensor) else json.dumps(value)
        for key, value in state.items()
        if key.startswith(("learner/", "measures/")) or key in {"done", "spent", "metrics"}
    }
    files = [
        "metrics.csv",
        "front.csv",
        "tables/population.csv",
        *(f"policies/{p.name}" for p in (path / "policies").iterdir()),
    ]
    return {**bits, **{name: (path / name).read_bytes() for name in files}}


@dataclass(frozen=True)
class End:
    """How a child ended."""

    code: int
    """Exit code: 0, 2 for an error of the project, 130 for Ctrl-C, 1 for what nobody foresaw; negative for a signal."""
    text: str
    """What it wrote to its standard error."""


def child(folder: Path, task: Callable[[], None], *, strike: tuple[float, signal.Signals] | None = None) -> End:
    """Run a task in a forked process.

    Args:
        folder: For its standard error.
        task: What to do there.
        strike: Seconds after which it gets a signal, and which.

    Returns:
        How it ended.
    """
    log = folder / "stderr"
    pid = os.fork()
    if pid == 0:
        _be_a_child(log, task)
    start = time.perf_counter()
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return End(os.waitstatus_to_exitcode(status), log.read_text(errors="replace"))
        elapsed = time.perf_counter() - start
        if strike is not None and elapsed >= strike[0]:
            os.kill(pid, strike[1])
            strike = None
        if elapsed > LIMIT:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(f"still running after {LIMIT:g} s: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.002)


def _be_a_child(log: Path, task: Callable[[], None]) -> None:
    """Never returns: nothing of the parent may run twice."""
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 2)
        try:
            task()
            code = 0
        except KeyboardInterrupt:  # also before training has begun, as the command line does
            code = 130
        except MorlError as error:
            os.write(2, f"error: {error}\n".encode())
            code = 2
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        sys.stdout.flush()
    except BaseException:
        code = code or 1
    finally:
        os._exit(code)


def one_line(end: End) -> None:
    """Fail unless a child that gave up said why in one line."""
    lines = [line for line in end.text.splitlines() if line.startswith("error: ")]
    assert end.code == 2, f"exit code {end.code}: {end.text[-2000:]}"
    assert len(lines) == 1, end.text
    assert "Traceback" not in end.text, end.text
