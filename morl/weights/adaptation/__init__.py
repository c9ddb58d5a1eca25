"""Weight adaptation: move the members' preferences while they learn, one rule per file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from morl.weights.adaptation.awa import AWA
from morl.weights.adaptation.briefing import Briefing, Changes
from morl.weights.adaptation.constrained_extension import ConstrainedExtension
from morl.weights.adaptation.ipro import IPRO
from morl.weights.adaptation.linear_support import LinearSupport
from morl.weights.adaptation.population import Attained, Memory, Outlook, Population
from morl.weights.adaptation.prediction_guided import PredictionGuided
from morl.weights.adaptation.psa import PSA
from morl.weights.adaptation.random import RandomWeights
from morl.weights.adaptation.solved import SolvedWeights
from morl.weights.adaptation.ucb import UCB


@runtime_checkable
class WeightAdaptation(Protocol):
    """A pure rule that says what the next population works on; implementations are frozen dataclasses."""

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.float64] | Population:
        """Move the weights, and perhaps the members.

        Args:
            weights: Current weights, ``(n, m)``, rows on the simplex; not changed.
            values: Latest expected vector return of each member, ``(n, m)``.
            archive_values: The archive's front, ``(a, m)``; ``a`` may be zero.
            gains: Growth of each member's own utility between the latest two evaluations, ``(n,)``; NaN where there were none.
            rng: Source of randomness of the rules that draw.

        Returns:
            New weights of the same members, ``(n, m)``, rows on the simplex; or another population.

        Raises:
            ShapeError: The shapes disagree.
        """
        ...


@runtime_checkable
class UsesSolvedWeights(Protocol):
    """An adaptation for weighted sums in return units that also wants to know at which weights members were trained before.

    MORL/D keeps the record, and starts with at least as many members as there are objectives.
    """

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64],
        rng: np.random.Generator,
        solved: SolvedWeights | None = None,
        attained: Attained | None = None,
    ) -> Population:
        """See :class:`WeightAdaptation`.

        Args:
            weights: See there.
            values: See there.
            archive_values: See there.
            gains: See there.
            rng: See there.
            solved: Where members were trained for a whole exchange period; None: at ``weights``, and nowhere else.
            attained: What one network for all weights returns at others; None where members have networks of their own.
        """
        ...

    @property
    def uses_network(self) -> bool:
        """Whether it asks for ``attained``."""
        ...

    @property
    def patience(self) -> int:
        """Exchanges in a row with a quiet outlook after which there is nothing left to do."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """An adaptation that is told at every exchange what it left at the one before, and who was trained. MORL/D keeps it.

    If it has an outlook, the run ends when that is quiet. It compares what members maximise with what evaluations find, so both
    must have one discount.
    """

    remembers: ClassVar[bool]
    """True."""

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64],
        rng: np.random.Generator,
        trained: Sequence[int] | None = None,
        memory: Memory | None = None,
    ) -> Population:
        """See :class:`WeightAdaptation`.

        Args:
            weights: See there.
            values: See there.
            archive_values: See there.
            gains: See there.
            rng: See there.
            trained: Members that were trained since the exchange before; None: all.
            memory: What the rule left at the exchange before; None at the first one.
        """
        ...


@runtime_checkable
class UsesBriefing(Protocol):
    """An adaptation that also wants to know what training changed so far, and what the utility is. MORL/D keeps the record."""

    def __call__(
        self,
        weights: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
        archive_values: npt.NDArray[np.float64],
        *,
        gains: npt.NDArray[np.float64],
        rng: np.random.Generator,
        briefing: Briefing | None = None,
    ) -> Population:
        """See :class:`WeightAdaptation`.

        Args:
            weights: See there.
            values: See there.
            archive_values: See there.
            gains: See there.
            rng: See there.
            briefing: What else is known; None: weighted sums in return units, and nobody was trained yet.
        """
        ...

    @property
    def memory(self) -> int:
        """How many of the latest changes to keep."""
        ...


@runtime_checkable
class ChecksPopulation(Protocol):
    """An adaptation that cannot begin with every population."""

    def check_population(self, num_members: int, num_objectives: int) -> None:
        """Raise ConfigurationError if it cannot begin with so many members; says with how many."""
        ...


__all__ = [
    "AWA",
    "Attained",
    "Briefing",
    "Changes",
    "ChecksPopulation",
    "ConstrainedExtension",
    "IPRO",
    "LinearSupport",
    "Memory",
    "Outlook",
    "PSA",
    "Population",
    "PredictionGuided",
    "RandomWeights",
    "Remembers",
    "SolvedWeights",
    "UCB",
    "UsesBriefing",
    "UsesSolvedWeights",
    "WeightAdaptation",
]
