"""Multi-objective reinforcement learning by supervised learning, MORvS(P)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from morl.policies.return_conditioned import Condition
from morl.solvers.offline.solver import OfflineSolver


@dataclass(frozen=True, kw_only=True)
class MORvS(OfflineSolver):
    r"""Learns one network :math:`\pi(a \mid s, w, R)` from a data set: the actions, given preference and return to go.

    Every episode, good or bad, is an example of how to get its own return. The network is then asked for the returns of the
    data set's front, each under its episode's preference; a preference in between asks for the nearest of them.

    In worlds where chance plays a part an episode's return is luck in part, and asking for it does not bring it back: there is
    a warning where the data shows it.

    Source:
        MORvS(P) of B. Zhu, M. Dang, A. Grover, "Scaling Pareto-Efficient Decision Making via Offline Multi-Objective RL",
        ICLR 2023. Deviations: see the page about data sets in the documentation.
    """

    takes: ClassVar[tuple[Condition, ...]] = ("weights", "returns")
