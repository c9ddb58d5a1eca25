"""MORL/D's weight adaptation at work: what it is told, what it remembers between exchanges, what it says of the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import torch

from morl.capabilities import KnowsLearner, ServesAnyWeights
from morl.errors import CapabilityError
from morl.evaluation import Certificate
from morl.protocols import Solver, State, prefixed, unprefixed
from morl.scalarizations import Scalarization
from morl.solvers.base import require
from morl.task import Utility
from morl.weights.adaptation import (
    Attained,
    ConstrainedExtension,
    Memory,
    Outlook,
    Population,
    Remembers,
    SolvedWeights,
    UsesReferents,
    UsesSolvedWeights,
    WeightAdaptation,
)

Array = npt.NDArray[np.float64]


def require_utility(adaptation: WeightAdaptation | None, scalarization: Scalarization, normalisation: str) -> None:
    """Raise CapabilityError if an adaptation for one kind of utility, in return units, meets another."""
    if isinstance(adaptation, UsesSolvedWeights) and not (scalarization.is_linear and normalisation == "none"):
        raise CapabilityError(
            f"{type(adaptation).__name__} bounds what weighted sums may gain, in return units: set scalarization to "
            f"weighted_sum and normalisation to none, not {type(scalarization).__name__} and {normalisation}"
        )
    if isinstance(adaptation, UsesReferents) and not (scalarization.needs_ideal_point and normalisation == "none"):
        raise CapabilityError(
            f"{type(adaptation).__name__} gives every member a reference point, in return units: set scalarization to "
            f"achievement and normalisation to none, not {type(scalarization).__name__} and {normalisation}"
        )
    if isinstance(adaptation, ConstrainedExtension):
        adaptation.check_utility(scalarization, normalisation)


def require_network(adaptation: WeightAdaptation | None, solver: Solver) -> None:
    """Raise CapabilityError if an adaptation asks one network for all weights, and there is none."""
    asks = isinstance(adaptation, UsesSolvedWeights) and adaptation.uses_network
    if asks and not (isinstance(solver, KnowsLearner) and issubclass(solver.learner_type(), ServesAnyWeights)):
        raise CapabilityError(
            f"{type(adaptation).__name__}(priority='gpi_ls') asks one network about all weights, and the members of "
            f"{type(solver).__name__} have their own; set network: conditioned (MODQN, MOSAC, MOPPO), or priority: ols"
        )


def require_start(
    adaptation: WeightAdaptation | None,
    *,
    num_members: int,
    num_objectives: int,
    gamma: float,
    judging_gamma: float | None,
) -> None:
    """Raise ConfigurationError if an adaptation that bounds what is left cannot begin with these numbers."""
    if not isinstance(adaptation, UsesSolvedWeights | UsesReferents):
        return
    name = type(adaptation).__name__
    require(
        isinstance(adaptation, UsesSolvedWeights) or adaptation.max_members >= num_objectives,
        f"{name} begins with a member for each of the {num_objectives} objectives, found max_members; raise it",
    )
    require(
        isinstance(adaptation, UsesReferents) or num_members >= num_objectives,
        f"{name} begins with a member for each of the {num_objectives} objectives, found num_members {num_members}; "
        f"set num_members to {num_objectives} and weights to extrema",
    )
    require(
        judging_gamma in (None, gamma),
        f"{name} compares members by what they maximise: evaluation.gamma is {judging_gamma} but the members' gamma is "
        f"{gamma}; leave evaluation.gamma out, or make them equal",
    )


class AdaptedWeights:
    """A weight adaptation with its memory."""

    def __init__(self, adaptation: WeightAdaptation, num_objectives: int) -> None:
        """Begin with an empty memory.

        Args:
            adaptation: The rule.
            num_objectives: ``m``.
        """
        self.adaptation = adaptation
        self.solved = SolvedWeights.none(num_objectives)
        """Where members were trained for a whole exchange period, if the rule wants to know."""
        self.memory: Memory | None = None
        """What a rule with referents left at the exchange before."""
        self.outlook: Outlook | None = None
        """What the rule said last of what is left to gain."""
        self.quiet = 0
        """Exchanges in a row at which there was nothing to do."""

    @property
    def is_finished(self) -> bool:
        """Whether the rule has nothing left to do."""
        if isinstance(self.adaptation, UsesReferents):
            return self.quiet > 0
        return isinstance(self.adaptation, UsesSolvedWeights) and self.quiet >= self.adaptation.patience

    def __call__(
        self,
        weights: Array,
        values: Array,
        archive_values: Array,
        *,
        trained: Sequence[int],
        gains: Array,
        rng: np.random.Generator,
        attained: Attained | None,
    ) -> Array | Population:
        """Apply the rule; see :class:`morl.weights.adaptation.WeightAdaptation`.

        Args:
            weights: See there.
            values: See there.
            archive_values: See there.
            trained: Members that were trained at these weights since the exchange before.
            gains: See there.
            rng: See there.
            attained: See :class:`morl.weights.adaptation.UsesSolvedWeights`.
        """
        if isinstance(self.adaptation, UsesReferents):
            return self._looked(
                self.adaptation(weights, values, archive_values, gains=gains, rng=rng, trained=trained, memory=self.memory)
            )
        if isinstance(self.adaptation, Remembers):
            return self._looked(self.adaptation(weights, values, archive_values, gains=gains, rng=rng, memory=self.memory))
        if not isinstance(self.adaptation, UsesSolvedWeights):
            return self._looked(self.adaptation(weights, values, archive_values, gains=gains, rng=rng))
        here = list(trained)
        self.solved = self.solved.including(weights[here], values[here])
        return self._looked(
            self.adaptation(weights, values, archive_values, gains=gains, rng=rng, solved=self.solved, attained=attained)
        )

    def _looked(self, adapted: Array | Population) -> Array | Population:
        self.outlook = adapted.outlook if isinstance(adapted, Population) else None
        self.memory = adapted.memory if isinstance(adapted, Population) else None
        self.quiet = self.quiet + 1 if self.outlook is not None and self.outlook.is_quiet else 0
        return adapted

    def certificate(self, gamma: float) -> Certificate | None:
        """What is left to gain, as bounds; None if the rule cannot tell, or was not asked yet.

        Args:
            gamma: Discount of the values.
        """
        if self.outlook is None:
            return None
        between = (
            self.adaptation.bounds
            if isinstance(self.adaptation, UsesReferents)
            else "weighted return of the archive at the weights that may gain most, and what there may be, provided that "
            f"members learned all there is at the {len(self.solved.weights)} weights they were trained at"
        )
        return Certificate(
            lower=self.outlook.lower,
            upper=self.outlook.upper,
            gap=self.outlook.upper - self.outlook.lower,
            status="finished" if self.is_finished else "budget",
            semantics=f"{between}; discount {gamma:g}",
        )

    def state(self) -> State:
        """The memory; nothing where there is none."""
        solved = {name: torch.from_numpy(getattr(self.solved, name)) for name in ("weights", "values")}
        return {
            "quiet": self.quiet,
            **(prefixed("solved", solved) if len(self.solved.weights) else {}),
            **prefixed("memory", {name: torch.from_numpy(kept) for name, kept in (self.memory or {}).items()}),
            **prefixed("outlook", {} if self.outlook is None else asdict(self.outlook)),
        }

    def load_state(self, state: State) -> None:
        """Restore :meth:`state`."""
        solved, outlook = unprefixed("solved", state), unprefixed("outlook", state)
        self.solved = SolvedWeights.none(self.solved.weights.shape[1])
        if solved:
            self.solved = SolvedWeights(**{name: value.numpy().copy() for name, value in solved.items()})
        memory = {name: kept.numpy().copy() for name, kept in unprefixed("memory", state).items()}
        self.memory = memory or None
        self.outlook = Outlook(**outlook) if outlook else None
        self.quiet = int(state.get("quiet", 0))  # runs written before rules had a memory


def adapted_utility(utility: Utility, adapted: Array | Population) -> Utility:
    """What members maximise after an adaptation: its weights, and the reference points if it gives any.

    Args:
        utility: Of as many members.
        adapted: What the rule said.
    """
    population = adapted if isinstance(adapted, Population) else None

    def tensor(rows: Array) -> torch.Tensor:
        return torch.as_tensor(rows, dtype=torch.float32, device=utility.weights.device)

    utility = replace(utility, weights=tensor(adapted if population is None else population.weights))
    points = None if population is None else population.reference_points
    return utility if points is None else replace(utility, ideal_point=tensor(points))
