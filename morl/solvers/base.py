"""What every solver shares: the one ``run``."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from morl.capabilities import HasReplay
from morl.errors import CapabilityError, ConfigurationError
from morl.fields import CheckedFields
from morl.task import Task, Utility

if TYPE_CHECKING:
    from collections.abc import Sequence

    from morl.evaluation import Evaluation
    from morl.experiments.result import RunResult
    from morl.problem import EnvLike
    from morl.protocols import EnvFactory, Learner
    from morl.scalarizations import Scalarization


class RunnableSolver(CheckedFields):
    """Mixin of the solver dataclasses: trains from Python in one call."""

    def run(
        self,
        env: EnvLike,
        *,
        env_steps: int | None = None,
        updates: int | None = None,
        data: str | Path | None = None,
        seed: int = 0,
        device: str = "auto",
        evaluation: Evaluation | None = None,
        out: str | Path | None = None,
        record: bool = False,
        weights: Sequence[float] | None = None,
        scalarization: Scalarization | None = None,
        ideal_point: Sequence[float] | None = None,
    ) -> RunResult:
        """Train on an environment and return what came out.

        Args:
            env: A gymnasium id, a mapping with ``id`` and arguments, or a callable that makes an environment.
            env_steps: Budget in environment steps, summed over members; evaluation is counted apart. None with ``data``.
            updates: Budget in gradient updates, with ``data``.
            data: Data set to learn from (a folder), for solvers that do; the environment only judges.
            seed: Seed of the run.
            device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
            evaluation: How policies are judged; the defaults of :class:`~morl.evaluation.Evaluation` if None.
            out: Directory to write the run to; None keeps everything in memory.
            record: Whether to write every training episode to a data set, ``data/`` in that directory.
            weights: Preference of a single-member solver, ``(m,)`` on the simplex; equal weights if None.
            scalarization: Utility of a single-member solver; a weighted sum if None.
            ideal_point: Ideal point ``(m,)`` for scalarizations that need one, return units.

        Returns:
            The result: front, archive, indicators, policies.

        Raises:
            MorlError: The combination cannot work, or training failed; the message says why.
        """
        from morl.experiments.runner import run

        solver: Any = self
        return run(
            solver, env, env_steps=env_steps, updates=updates, data=data, seed=seed, device=device, evaluation=evaluation,
            out=out, record=record, weights=weights, scalarization=scalarization, ideal_point=ideal_point,
        )  # fmt: skip


class LeafSolver(RunnableSolver):
    """Base of the solvers whose learner trains a population by itself."""

    @abstractmethod
    def learner_type(self) -> Any:
        """Class of the live learner; see :class:`morl.capabilities.KnowsLearner`."""

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        """Refuse what the solver cannot work on.

        Raises:
            CapabilityError: The message says what to use instead.
        """
        del env
        require_ser(task, type(self).__name__)

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> Learner:
        """Build the live learner; see :meth:`morl.protocols.Solver.make`."""
        task = default_task(task, env.spec.num_objectives, device)
        self.check_problem(env, task)
        learner: Learner = self.learner_type()(self, env=env, task=task, seed=seed, device=device)
        return learner


def default_task(task: Task | None, num_objectives: int, device: torch.device) -> Task:
    """The task of a solver that was given none: one member, equal weights.

    Args:
        task: What was given.
        num_objectives: ``m``.
        device: Where its tensors live.

    Returns:
        The task.
    """
    if task is not None:
        return task
    return Task(utility=Utility(weights=torch.full((1, num_objectives), 1.0 / num_objectives, device=device)))


def require_ser(task: Task, solver: str) -> None:
    """Refuse an ESR utility that is not linear.

    Raises:
        CapabilityError: With what to use instead.
    """
    if task.utility.criterion == "esr" and not task.utility.scalarization.is_linear:
        raise CapabilityError(
            f"{solver} maximises the utility of the expected return (SER); "
            "a non-linear utility under the ESR criterion needs EUPG, or SubPO(criterion='esr') where actions are a Box"
        )


def require_for_comparison(solver: Any) -> None:
    """Refuse settings of an off-policy solver that make its critics or its experience useless to IWOCS.

    Raises:
        CapabilityError: Says which.
    """
    if solver.n_step > 1:
        raise CapabilityError(f"IWOCS learns from single transitions; set n_step: 1 in {type(solver).__name__}")
    if isinstance(solver, HasReplay) and solver.replay == "shared":
        raise CapabilityError(
            "experience of different transition models must not be mixed; set replay: per_member in IWOCS's solver"
        )


def require(condition: bool, message: str) -> None:
    """Raise a :class:`~morl.errors.ConfigurationError` unless a condition on solver fields holds."""
    if not condition:
        raise ConfigurationError(message)
