"""What the solvers that learn from a data set have in common: the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from morl.data import DataProblem
from morl.errors import CapabilityError
from morl.fields import BatchSize, Positive, PositiveShare, Range, Widths
from morl.policies.return_conditioned import Condition
from morl.protocols import EnvFactory
from morl.solvers.base import LeafSolver
from morl.solvers.offline.learner import OfflineLearner
from morl.task import Task


@dataclass(frozen=True, kw_only=True)
class OfflineSolver(LeafSolver):
    """Base of the supervised solvers."""

    learns_from: ClassVar[Literal["data"]] = "data"
    takes: ClassVar[tuple[Condition, ...]]
    """What its policy is told."""

    gamma: PositiveShare = 0.99
    """Discount factor of the returns that episodes are labelled with."""
    weights: Literal["hindsight", "recorded"] = "hindsight"
    """Which preference an episode is an example for: the one that its return serves, in hindsight, or the one that was recorded
    with it."""
    hidden: Widths = (128, 128)
    """Width of the layers behind the gate (ReLU); the first is the gate's, too."""
    learning_rate: Positive = 1e-3
    """Adam's step size."""
    batch_size: BatchSize = 256
    """Steps of one update, drawn uniformly from the data set."""
    max_candidates: Annotated[int, Range(ge=1, le=1_000)] = 100
    """Returns of the data set's front that are asked for in an evaluation, at most; of more those that the others miss most."""

    def learner_type(self) -> type[OfflineLearner]:
        return OfflineLearner

    def instead_of_task(self) -> str:
        """See :class:`morl.capabilities.ChoosesTasks`."""
        return "no preference: one network learns all of them, and result.policy(weights) picks one afterwards"

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        """Refuse a problem without a data set."""
        del task
        if not isinstance(env, DataProblem):
            raise CapabilityError(
                f"{type(self).__name__} learns from a data set: give data (a folder that a run with record: true wrote) and "
                "updates instead of env_steps; inside another solver it cannot be used"
            )
