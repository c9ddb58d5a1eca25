"""Who watches a run, and how a run that was interrupted says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol


class Progress(Protocol):
    """Who watches a run; the command line has one."""

    def start(self, description: Mapping[str, Any]) -> None:
        """Called once, before training: ``env, solver, members, objectives, device, threads, env_steps, seed, done, out``."""
        ...

    def update(self, env_steps: int, metrics: Mapping[str, Any]) -> None:
        """Called after every slice, with the latest row of the metrics table."""
        ...

    def stop(self) -> None:
        """Called once, at the end, however the run ends."""
        ...


class Silent:
    """Watches nothing."""

    def start(self, description: Mapping[str, Any]) -> None:
        """See :class:`Progress`."""

    def update(self, env_steps: int, metrics: Mapping[str, Any]) -> None:
        """See :class:`Progress`."""

    def stop(self) -> None:
        """See :class:`Progress`."""


class Interrupted(KeyboardInterrupt):
    """A run was interrupted and has saved itself."""

    def __init__(self, path: Path, env_steps: int) -> None:
        super().__init__(f"interrupted at {env_steps:,} environment steps; go on with: morl resume {path}")
        self.path = path
        """The run directory."""
        self.env_steps = env_steps
        """Environment steps done."""


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
