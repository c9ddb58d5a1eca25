"""Pareto Q-learning: the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from morl.errors import CapabilityError
from morl.fields import Count, Number, Range, Share
from morl.protocols import EnvFactory
from morl.solvers.base import LeafSolver, require
from morl.solvers.pareto_q.learner import ParetoQLearner
from morl.solvers.pareto_q.scores import Score
from morl.task import Task


@dataclass(frozen=True, kw_only=True)
class ParetoQLearning(LeafSolver):
    r"""Learns, for every state, the set of all non-dominated returns, and so the whole front in one table.

    .. math:: Q(s, a) = R(s, a) + \gamma\, ND(s'), \quad ND(s') = \text{nondominated} \Bigl( \bigcup_{a'} Q(s', a') \Bigr)

    For deterministic worlds with one start, integral observations and finite actions; others are refused, when they are made
    or as soon as an action leads elsewhere. Concave fronts are no harder than convex ones. Preferences play no part in
    learning: every vector of the start's set is a candidate.

    Source:
        K. Van Moffaert, A. Nowé, "Multi-Objective Reinforcement Learning using Sets of Pareto Dominating Policies", JMLR 15
        (2014), algorithms 3 and 4. Deviations: see the page of Pareto Q-learning in the documentation.
    """

    gamma: Share = 0.99
    """Discount factor."""
    score: Score = "hypervolume"
    """What the greedy action is best in: the hypervolume of its set, the number of non-dominated vectors it leads to, or
    whether it leads to one. Actions that nobody took in the state come first."""
    reference_point: tuple[Number, ...] | None = None
    """From which hypervolume is measured, return units; None for the worst of all vectors seen, in each objective."""
    exploration: Literal["untried", "random"] = "untried"
    """What is done instead of the greedy action: for a whole episode go towards the nearest action that nobody took, or a
    random one now and then. Only the first comes to the end of a world before long, and then the result is proven."""
    epsilon_start: Share = 1.0
    """Probability of exploring at the start: in an episode, or at a step if it is random."""
    epsilon_end: Share = 0.1
    """Probability of exploring at the end."""
    epsilon_steps: Count = 10_000
    """Environment steps over which it falls linearly."""
    rows_per_member: Count = 4
    """Environment rows that are stepped side by side."""
    resolution: Annotated[float, Range(ge=0.0, lt=1.0)] = 1e-9
    """Differences of vectors that do not count, in shares of the range of all vectors seen: sets do not grow by rounding."""
    max_vectors: Annotated[int, Range(ge=1, le=100_000)] = 256
    """Vectors per set. Of larger fronts those stay that miss the others least; the certificate says by how much at most."""
    backups_per_step: Count = 10
    """State backups per environment step, at most: changes of a set go on to the states before it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.epsilon_end <= self.epsilon_start,
            f"ParetoQLearning needs epsilon_end <= epsilon_start, found {self.epsilon_end} and {self.epsilon_start}",
        )

    def learner_type(self) -> type[ParetoQLearner]:
        return ParetoQLearner

    def instead_of_task(self) -> str:
        """See :class:`morl.capabilities.ChoosesTasks`."""
        return "no preference: result.policy(weights) picks one of all policies afterwards"

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        """Refuse a reference point of another length; what the world must be like is seen when the learner is made."""
        del task
        if self.reference_point is not None and len(self.reference_point) != env.spec.num_objectives:
            raise CapabilityError(
                f"ParetoQLearning.reference_point has {len(self.reference_point)} numbers but {env.spec.env_id} has "
                f"{env.spec.num_objectives} objectives"
            )
