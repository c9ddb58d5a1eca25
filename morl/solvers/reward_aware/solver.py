"""Reward-aware learning: the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from morl.errors import CapabilityError
from morl.fields import Count, NonNegative, Share
from morl.protocols import EnvFactory
from morl.solvers.base import LeafSolver
from morl.solvers.reward_aware.learner import RewardAwareLearner
from morl.task import Task


@dataclass(frozen=True, kw_only=True)
class RewardAwareLearning(LeafSolver):
    r"""Explores without a preference, and plans for any utility of an episode's return in the world that it has seen.

    .. math:: V_t(s, z) = \max_a \hat{\mathbb{E}}\,[V_{t+1}(s', z + \gamma^t r)], \qquad V(\text{end}, z) = u(z)

    For integral observations and finite actions. All members explore together: every row heads for the nearest action that was
    taken least, by distances in the world as it was seen. A member is a utility, monotone or not, under the ESR criterion (or
    a weighted sum); its policy knows the state :math:`s`, the step :math:`t` and the discounted reward :math:`z` accrued so
    far. New utilities cost no new steps.

    Source:
        Peng and Fain 2025 (reward-aware value iteration, and RA-E3, which explores or exploits); Jin et al. 2020 and Wu et al.
        2021 (explore first, without a reward or a preference). Deviations: what was taken least comes first, without the
        bonuses that their proofs need; frequencies count as probabilities from the first try.
    """

    criterion: ClassVar[Literal["esr"]] = "esr"

    gamma: Share = 0.99
    """Discount factor, the same for accrued and future reward."""
    horizon: Count | None = None
    """Steps of an episode to plan for; None for the environment's time limit."""
    rows_per_member: Count = 1
    """Environment rows of each member."""
    spacing: NonNegative = 0.0
    """Side of a cell to which accrued rewards are rounded in planning, return units; 0 for none."""
    limit: Count = 50_000
    """States with different accrued rewards that may be possible at one step; a run that meets more ends, and says so."""

    def learner_type(self) -> type[RewardAwareLearner]:
        return RewardAwareLearner

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        if task.utility.criterion == "ser" and not task.utility.scalarization.is_linear:
            raise CapabilityError(
                "RewardAwareLearning maximises the expected utility of the return (ESR); "
                "for a non-linear utility of the expected return (SER) use MOPPO, MOSAC or MODQN"
            )
        if self.horizon is None and env.spec.max_episode_steps is None:
            raise CapabilityError(
                f"RewardAwareLearning plans for a number of steps, and {env.spec.env_id} has no time limit; set horizon"
            )
