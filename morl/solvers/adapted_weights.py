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
from morl.solvers.base import require
from morl.task import Utility
from morl.weights.adaptation import (
    Attained,
    Briefing,
    Changes,
    ChecksPopulation,
    Memory,
    Outlook,
    Population,
    Remembers,
    SolvedWeights,
    UsesBriefing,
    UsesSolvedWeights,
    WeightAdaptation,
)
from morl.weights.adaptation.solved import RESOLUTION, on_simplex

Array = npt.NDArray[np.float64]


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
    """Raise ConfigurationError if an adaptation cannot begin with these numbers."""
    rule: object = adaptation
    if isinstance(rule, ChecksPopulation):
        rule.check_population(num_members, num_objectives)
    if not isinstance(adaptation, UsesSolvedWeights | Remembers):
        return
    name = type(adaptation).__name__
    require(
        judging_gamma in (None, gamma),
        f"{name} compares members by what they maximise: evaluation.gamma is {judging_gamma} but the members' gamma is "
        f"{gamma}; leave evaluation.gamma out, or make them equal",
    )


_CHANGES = ("weights", "before", "after", "period")


class _Asked:
    """What one network attains at weights, remembered."""

    def __init__(self, attained: Attained) -> None:
        self.attained = attained
        self.weights = self.values = np.zeros((0, 1))

    def __call__(self, weights: Array) -> Array:
        self.weights, self.values = weights, self.attained(weights)
        return self.values

    def answers(self, weights: Array, otherwise: Array) -> Array:
        """Its values at weights ``(n, m)`` where it was asked, others where not, ``(n, m)``."""
        if not len(self.weights):
            return otherwise
        apart = np.abs(weights[:, None] - self.weights[None]).max(-1)
        asked = apart.min(axis=1) <= RESOLUTION
        return np.where(asked[:, None], self.values[apart.argmin(axis=1)], otherwise)


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
        """What the rule left at the exchange before, if it wants to be told."""
        self.changes = Changes.none(num_objectives)
        """What training did to members in the latest periods, if the rule wants to know."""
        self.before: Array | None = None
        """Value of each member at the beginning of the period, ``(n, m)``; None before anybody was evaluated."""
        self.periods = 0
        """How many ended."""
        self.outlook: Outlook | None = None
        """What the rule said last of what is left to gain."""
        self.quiet = 0
        """Exchanges in a row at which there was nothing to do."""

    @property
    def is_finished(self) -> bool:
        """Whether the rule has nothing left to do."""
        return self.quiet >= (self.adaptation.patience if isinstance(self.adaptation, UsesSolvedWeights) else 1)

    def begin(self, values: Array) -> None:
        """Take note of what members were worth before any training, ``(n, m)``; later evaluations say nothing new."""
        if self.before is None and isinstance(self.adaptation, UsesBriefing):
            self.before = values

    def __call__(
        self,
        weights: Array,
        values: Array,
        archive_values: Array,
        *,
        trained: Sequence[int],
        gains: Array,
        rng: np.random.Generator,
        utility: Utility,
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
            utility: What the members maximise.
            attained: See :class:`morl.weights.adaptation.UsesSolvedWeights`.
        """
        if isinstance(self.adaptation, Remembers):
            return self._looked(
                self.adaptation(weights, values, archive_values, gains=gains, rng=rng, trained=trained, memory=self.memory)
            )
        here = list(trained)
        if isinstance(self.adaptation, UsesBriefing):
            return self._looked(
                self._briefed(self.adaptation, (weights, values, archive_values), here, gains, rng, utility, attained)
            )
        if not isinstance(self.adaptation, UsesSolvedWeights):
            return self._looked(self.adaptation(weights, values, archive_values, gains=gains, rng=rng))
        self.solved = self.solved.including(weights[here], values[here])
        return self._looked(
            self.adaptation(weights, values, archive_values, gains=gains, rng=rng, solved=self.solved, attained=attained)
        )

    def _briefed(
        self,
        rule: UsesBriefing,
        found: tuple[Array, Array, Array],
        trained: list[int],
        gains: Array,
        rng: np.random.Generator,
        utility: Utility,
        attained: Attained | None,
    ) -> Array | Population:
        """Tell the rule what it asks for, and remember what the next change is measured from."""
        weights, values, _ = found
        if self.before is not None:
            self.changes = self.changes.including(
                on_simplex(weights[trained]), self.before[trained], values[trained], period=self.periods, most=rule.memory
            )
        self.periods += 1
        asked = None if attained is None else _Asked(attained)
        ideal, scale = (None if x is None else x.cpu().numpy().astype(np.float64) for x in (utility.ideal_point, utility.scale))
        briefing = Briefing(
            changes=self.changes, ideal_point=ideal, scale=np.ones(weights.shape[1]) if scale is None else scale, attained=asked
        )
        adapted = rule(*found, gains=gains, rng=rng, briefing=briefing)
        self.before = values[list(adapted.parents)]
        if asked is None:
            return adapted
        # One network is all members at once: nobody can be copied, and what it is worth at new weights it may have been asked.
        self.before = asked.answers(adapted.weights, self.before)
        return adapted.weights

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
        return Certificate(
            lower=self.outlook.lower,
            upper=self.outlook.upper,
            gap=self.outlook.upper - self.outlook.lower,
            status="finished" if self.is_finished else "budget",
            semantics=f"{self.outlook.about}; discount {gamma:g}",
        )

    def state(self) -> State:
        """The memory; nothing where there is none."""
        solved = {name: torch.from_numpy(getattr(self.solved, name)) for name in ("weights", "values")}
        changes = {name: torch.from_numpy(getattr(self.changes, name)) for name in _CHANGES}
        return {
            "quiet": self.quiet,
            "periods": self.periods,
            **({} if self.before is None else {"before": torch.from_numpy(self.before.copy())}),
            **(prefixed("changes", changes) if len(self.changes.weights) else {}),
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
        changes = unprefixed("changes", state)
        self.changes = Changes.none(self.changes.weights.shape[1])
        if changes:
            self.changes = Changes(**{name: changes[name].numpy().copy() for name in _CHANGES})
        self.before = state["before"].numpy().copy() if "before" in state else None
        self.periods = int(state.get("periods", 0))
        self.outlook = Outlook(**outlook) if outlook else None
        self.quiet = int(state.get("quiet", 0))  # runs written before rules had a memory


def adapted_utility(utility: Utility, adapted: Array | Population) -> Utility:
    """What members maximise after an adaptation: its weights, and the reference points if it gives any.

    Args:
        utility: Of as many members.
        adapted: What the rule said.
    """

    def tensor(rows: Array) -> torch.Tensor:
        return torch.as_tensor(rows, dtype=torch.float32, device=utility.weights.device)

    if not isinstance(adapted, Population):
        return replace(utility, weights=tensor(adapted))
    points = adapted.reference_points
    return replace(
        utility, weights=tensor(adapted.weights), ideal_point=utility.ideal_point if points is None else tensor(points)
    )
