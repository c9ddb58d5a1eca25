"""Pareto conditioned networks: the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from morl.dominance import Dominance, Pareto
from morl.fields import BatchSize, Count, NonNegative, Positive, PositiveShare, Range, Repeats, Share, Widths
from morl.protocols import EnvFactory
from morl.registry import component_field
from morl.solvers.base import LeafSolver
from morl.solvers.pcn.learner import PCNLearner
from morl.task import Task


@dataclass(frozen=True, kw_only=True)
class PCN(LeafSolver):
    r"""Learns one network :math:`\pi(a \mid s, R, h)` that is told which return to get and in how many steps.

    Every episode is an example of how to get its own return. A bounded number of good and different ones is remembered, the
    network learns their actions like a classifier (cross-entropy; squared errors where actions are real numbers), and is then
    asked for a little more than the best it remembers. Every return of the memory that is not dominated is a candidate; what
    counts is what its policy returns when it is evaluated. Concave fronts and many objectives are no harder than others.

    For deterministic worlds: elsewhere an episode's return is luck in part, and asking for it does not bring it back. With
    ``dominance`` :class:`~morl.dominance.Lorenz` it is a Lorenz conditioned network (LCN): only fair trade-offs are sought.

    Source:
        M. Reymond, E. Bargiacchi, A. Nowé, "Pareto Conditioned Networks", AAMAS 2022; Lorenz conditioned networks,
        JAIR 85 (2026).
        Deviations: see the page of PCN in the documentation.
    """

    gamma: PositiveShare = 0.99
    """Discount factor."""
    hidden: Widths = (64,)
    """Width of the layers behind the gate (ReLU); the first is the gate's, too."""
    learning_rate: Positive = 5e-3
    """Adam's step size."""
    batch_size: BatchSize = 128
    """Steps of one update."""
    updates_per_batch: Repeats = 30
    """Gradient updates after each batch of episodes."""
    front_share: Share = 0.5
    """Share of an update's steps that are of episodes whose returns are not dominated: what will be asked for."""
    rows_per_member: Count = 10
    """Environment rows: the episodes of one batch, all played with the same network."""
    warm_up_episodes: Count = 20
    """Episodes with random actions at the start."""
    archive_size: Annotated[int, Range(ge=2, le=10_000)] = 100
    """Episodes that are remembered."""
    dominance: Dominance = component_field("dominance", default=Pareto())
    """Which returns are worth asking for."""
    crowding_distance: NonNegative = 0.1
    """Returns closer than this crowd each other, in units of the remembered returns' range."""
    crowding_penalty: NonNegative = 1.0
    """What that costs an episode at most (for a return that is there already), in the same unit: as much as being so far from
    the best."""
    action_noise: NonNegative = 0.1
    """Standard deviation around the means of real-valued actions while training, in half-widths of the box."""
    trade: Share = 0.5
    """Share of commands that give up some of another objective in return, and take as long: what is not dominated may be there,
    where asking for more alone asks for the impossible."""
    epsilon: Share = 0.05
    """Probability of a random action while training, where actions are finite; an episode is an example of what it returned,
    however it came about."""
    max_candidates: Annotated[int, Range(ge=1, le=1_000)] = 100
    """Returns of the memory that are evaluated, at most; of more those that the others miss most."""
    stochastic: Literal["refuse", "warn"] = "refuse"
    """What to do where a trial shows that chance plays a part."""

    def learner_type(self) -> type[PCNLearner]:
        return PCNLearner

    def instead_of_task(self) -> str:
        """See :class:`morl.capabilities.ChoosesTasks`."""
        return "no preference: result.policy(weights) picks one of all policies afterwards"

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        """Refuse bounds of another number of objectives; what the world must be like is seen when the learner is made."""
        del task
        self.dominance.check_objectives(env.spec.num_objectives)
