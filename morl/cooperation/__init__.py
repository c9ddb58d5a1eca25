"""Cooperation: what the members of a population share, one mechanism per file."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.cooperation.hard_transfer import HardTransfer
from morl.cooperation.shared_replay import SharedReplay


@runtime_checkable
class SharesParameters(Protocol):
    """A learner whose members can take over each other's parameters."""

    def transfer(self, source: int, target: int, *, payload: Literal["actor", "all"] = "actor") -> None:
        """Overwrite a member's parameters by another's and start its optimisers anew."""
        ...


@runtime_checkable
class Cooperation(Protocol):
    """A mechanism by which members help each other; implementations are frozen dataclasses."""

    def configure(self, solver: Any) -> Any:
        """Adjust the members' solver before it is built.

        Args:
            solver: Its configuration.

        Returns:
            The configuration to use.

        Raises:
            CapabilityError: The solver cannot cooperate in this way.
        """
        ...

    def exchange(self, learner: Any, *, source: int, exchanges: int, neighbours: npt.NDArray[np.int64]) -> None:
        """Act at an exchange.

        Args:
            learner: The population.
            source: Member whose turn it is.
            exchanges: Number of exchanges before this one.
            neighbours: Neighbours of every member, ``(n, k)``.
        """
        ...


__all__ = ["Cooperation", "HardTransfer", "SharedReplay", "SharesParameters"]
