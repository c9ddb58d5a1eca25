"""What batched environments whose rows are MuJoCo simulations have in common: threads, and copies and pickles."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from envs.mujoco.camera import Camera
from envs.threads import usable_cores


class CopiedSimulations:
    """Simulations go into copies and pickles as they stand, in the middle of their episodes, and go on there number for number.

    What else there is of MuJoCo cannot go: its module, threads, windows, and views of the simulations' memory, which would
    lead to the original's. Every copy makes these anew.
    """

    made_anew: ClassVar[tuple[str, ...]]
    """Names of the attributes that stay behind and that ``_connect`` makes."""
    rows_per_thread: ClassVar[int]
    """Fewest rows whose physics takes longer than waking a thread."""

    _pool: ThreadPoolExecutor | None
    _camera: Camera | None

    @abstractmethod
    def _connect(self) -> None:
        """Make what is ``made_anew``; for the constructor's end too."""
        self._threads = usable_cores()
        self._pool = self._camera = None

    def _in_parts(self, simulate: Callable[[int, int], None], number: int) -> None:
        """Let ``simulate(first, stride)`` compute every ``stride``-th of some rows, in threads if they are many.

        MuJoCo releases Python's lock meanwhile.
        """
        parts = max(1, min(self._threads, number // self.rows_per_thread))
        if parts > 1 and self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads - 1, "physics")
        # This thread takes a part too: waking up others takes time.
        others = [self._pool.submit(simulate, first, parts) for first in range(1, parts)] if self._pool is not None else []
        simulate(0, parts)
        for other in others:
            other.result()

    def close(self) -> None:
        """Stop the threads, and drawing."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self.made_anew}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._connect()
