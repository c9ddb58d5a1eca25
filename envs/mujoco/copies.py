"""Copies and pickles of batched environments whose rows are MuJoCo simulations."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar


class CopiedSimulations:
    """Simulations go into copies and pickles as they stand, in the middle of their episodes, and go on there number for number.

    What else there is of MuJoCo cannot go: its module, threads, windows, and views of the simulations' memory, which would
    lead to the original's. Every copy makes these anew.
    """

    made_anew: ClassVar[tuple[str, ...]]
    """Names of the attributes that stay behind and that ``_connect`` makes."""

    @abstractmethod
    def _connect(self) -> None:
        """Make what is ``made_anew``; for the constructor's end too."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self.made_anew}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._connect()
