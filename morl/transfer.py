"""How members take over each other's parameters, and which of them are related by such copies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.members import Declared
from morl.protocols import Payload


class Transfers(Declared):
    """Mixin of learners whose members have parameters of their own, and can take over each other's."""

    actor_family: npt.NDArray[np.int64]
    """Which members' policies descend from one by copying, ``(n,)``; see :class:`morl.population.PopulationLearner`."""
    critic_family: npt.NDArray[np.int64]
    """The same of what only a full transfer takes along."""

    def transfer(self, source: int, target: int, *, payload: Payload = "actor") -> None:
        """Overwrite what a member has learned by another's and start its optimisers anew.

        Args:
            source: Member to copy from.
            target: Member to overwrite.
            payload: How to act only, with the statistics that this relies on; or everything, critics included. Where one
                network is both, it makes no difference.
        """
        self.move(source, target, tau=1.0, payload=payload)

    def move(self, source: int, target: int, *, tau: float, payload: Payload = "actor") -> None:
        """Move what a member has learned towards another's; see :class:`morl.capabilities.MovesParameters`."""
        if tau <= 0:
            return
        for part, value in self.owned():
            part.transfer(value, source, target, payload, tau)

    def are_related(self, source: int, target: int, *, payload: Payload = "actor") -> bool:
        """Whether two members descend from one by copying; see :class:`morl.capabilities.MovesParameters`."""
        families = [self.actor_family] if payload == "actor" else [self.actor_family, self.critic_family]
        return all(family[source] == family[target] for family in families)
