"""Who watches a run, and how a run that was interrupted says so."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from morl.experiments.units import WORDS, Unit

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """Who watches a run; the command line has one."""

    def start(self, description: Mapping[str, Any]) -> None:
        """Called once, before training: ``env, solver, members, objectives, device, threads, seed, done, out, unit``.

        What the unit names (``env_steps`` or ``updates``) has the budget.
        """
        ...

    def update(self, done: int, metrics: Mapping[str, Any]) -> None:
        """Called after every slice, with the latest row of the metrics table."""
        ...

    def stop(self) -> None:
        """Called once, at the end, however the run ends."""
        ...


class Silent(Progress):
    """Watches nothing."""

    def start(self, description: Mapping[str, Any]) -> None: ...

    def update(self, done: int, metrics: Mapping[str, Any]) -> None: ...

    def stop(self) -> None: ...


class Unheard(Progress):
    """Passes everything on to a watcher, until what it prints cannot be written any more; no run ends for that."""

    def __init__(self, watcher: Progress) -> None:
        self._watcher: Progress = watcher

    def start(self, description: Mapping[str, Any]) -> None:
        self._tell(lambda: self._watcher.start(description))

    def update(self, done: int, metrics: Mapping[str, Any]) -> None:
        self._tell(lambda: self._watcher.update(done, metrics))

    def stop(self) -> None:
        self._tell(self._watcher.stop)

    def _tell(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (OSError, SystemExit) as error:
            # rich leaves the program where a pipe is broken.
            cause = error.__context__ if isinstance(error, SystemExit) else error
            if not isinstance(cause, OSError):
                raise
            self._watcher = Silent()
            _log.warning("progress cannot be printed any more (%s); training goes on", cause.strerror or cause)


class Interrupted(KeyboardInterrupt):
    """A run was interrupted and has saved itself."""

    def __init__(self, path: Path, done: int, unit: Unit = "env_steps") -> None:
        super().__init__(f"interrupted at {done:,} {WORDS[unit]}; go on with: morl resume {path}")
        self.path = path
        """The run directory."""
        self.done = done
        """How far it is, in the run's unit."""


@contextmanager
def interruptible(active: bool) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question that a loop asks; the second one stops at once.

    Args:
        active: Whether to do so; signals can only be caught in the main thread, elsewhere this does nothing.

    Yields:
        A function that says whether Ctrl-C was pressed.
    """
    if not active or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    pressed: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
