"""What every policy that is compared can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from envs.cormab import Instance
from morl.errors import CapabilityError

States: TypeAlias = npt.NDArray[np.int64]
"""State of each arm, ``(B, J)``."""

Actions: TypeAlias = npt.NDArray[np.bool_]
"""Binary actions, ``(B, N)``."""

Decision: TypeAlias = Callable[[States, int, np.random.Generator], Actions]
"""Chooses actions for a batch: states, the step they are in (from 0), and where randomness comes from."""


class Contender(Protocol):
    """A way to make a policy for an instance."""

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        """Do everything that is done once per instance: training, duals, lists.

        Args:
            instance: The problem, whose model may be used.
            horizon: Steps of an episode.
            seed: Of whatever is random in the preparation.

        Returns:
            How to act.

        Raises:
            CapabilityError: This kind of policy does not exist for such an instance.
        """
        ...


def one_action_per_arm(instance: Instance, policy: str) -> None:
    """Check that each component of an action is one arm.

    Raises:
        CapabilityError: It is not.
    """
    if instance.link is not None:
        raise CapabilityError(
            f"{policy} needs an action of its own for each arm, but here actions reach several arms; use LagrangeIndex or "
            "LookAhead"
        )
