"""Shared replay: every member learns from everybody's transitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from morl.capabilities import HasReplay
from morl.cooperation.meeting import Meeting
from morl.errors import CapabilityError
from morl.protocols import Solver


@dataclass(frozen=True, kw_only=True)
class SharedReplay:
    """One store of transitions for the whole population. Rewards are vectors, so any weights can use them.

    Source:
        Felten et al. 2024, cooperation by shared experience. Deviations: none.
    """

    requires: ClassVar[None] = None

    def configure(self, solver: Solver) -> Solver:
        """Switch the solver to a shared store; an on-policy solver, which has none, is refused."""
        if not isinstance(solver, HasReplay):
            raise CapabilityError(
                f"{type(solver).__name__} is on-policy: it must not learn from other members' transitions; "
                "remove shared_replay from cooperation or use an off-policy solver (MOSAC, MODQN, MOQLearning)"
            )
        shared: Any = solver
        configured: Solver = replace(shared, replay="shared")
        return configured

    def exchange(self, learner: Any, meeting: Meeting) -> list[int]:
        """Nothing to do: sharing is continuous."""
        return []
