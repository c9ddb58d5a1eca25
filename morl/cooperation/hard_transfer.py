"""Hard transfer: a trained member's parameters overwrite those of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from morl.capabilities import SharesParameters
from morl.fields import CheckedFields
from morl.protocols import Payload, Solver


@dataclass(frozen=True, kw_only=True)
class HardTransfer(CheckedFields):
    """Copy the parameters of the member whose turn it is into its neighbours with a higher index.

    During the first sweep that gives each member a start from its trained predecessor instead of from scratch.

    Source:
        Felten et al. 2024, cooperation by parameter transfer. Deviations: none with ``payload="actor"``; ``"all"`` also
        copies critics and temperature.
    """

    trigger: Literal["first_sweep", "every_exchange"] = "first_sweep"
    """Only while each member has its first turn, or at every exchange."""
    payload: Payload = "actor"
    """What is copied: the policy, or everything the member has learnt."""

    requires: ClassVar[type] = SharesParameters

    def configure(self, solver: Solver) -> Solver:
        """Nothing to adjust."""
        return solver

    def exchange(self, learner: SharesParameters, *, source: int, exchanges: int, neighbours: npt.NDArray[np.int64]) -> None:
        """Copy; see :class:`morl.cooperation.Cooperation`."""
        if self.trigger == "first_sweep" and exchanges >= len(neighbours):
            return
        for target in neighbours[source]:
            if target > source:
                learner.transfer(source, int(target), payload=self.payload)
