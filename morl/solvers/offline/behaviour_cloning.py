"""Behaviour cloning with a preference, BC(P): do what was done for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from morl.policies.return_conditioned import Condition
from morl.solvers.offline.solver import OfflineSolver


@dataclass(frozen=True, kw_only=True)
class BehaviourCloning(OfflineSolver):
    r"""Learns one network :math:`\pi(a \mid s, w)` from a data set: the actions of the episodes, given their preferences.

    It cannot tell good episodes from bad ones that serve the same preference: it is what :class:`~morl.solvers.MORvS` is held
    against.

    Source:
        BC(P) of B. Zhu, M. Dang, A. Grover, "Scaling Pareto-Efficient Decision Making via Offline Multi-Objective RL",
        ICLR 2023. Deviations: see the page about data sets in the documentation.
    """

    takes: ClassVar[tuple[Condition, ...]] = ("weights",)
