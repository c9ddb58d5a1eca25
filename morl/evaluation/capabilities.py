"""Who judges whom: what a solver or learner may say about evaluation, and how the others are judged."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch

from morl.capabilities import HasCandidates
from morl.evaluation.evaluator import Evaluation, Evaluator
from morl.evaluation.record import Evaluated, Record
from morl.protocols import Candidate, EnvFactory, Learner, Solver
from morl.task import Task


@runtime_checkable
class EvaluatesItself(Protocol):
    """A learner that evaluates its own population as part of its algorithm (MORL/D)."""

    @property
    def record(self) -> Record:
        """Its archive and its latest evaluation."""
        ...

    @property
    def evaluation_period(self) -> int:
        """Environment steps between the evaluations that the algorithm makes anyway."""
        ...

    def evaluate(self) -> Evaluated:
        """The population as it is now; evaluated if anything was trained since the last time."""
        ...


@runtime_checkable
class EvaluatingSolver(Protocol):
    """A solver whose algorithm evaluates policies (MORL/D, IWOCS), and has to know how the run does."""

    def make_evaluating(
        self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device, evaluation: Evaluation
    ) -> Learner:
        """Build the live learner; see :meth:`morl.protocols.Solver.make`."""
        ...


@runtime_checkable
class HasEvaluator(Protocol):
    """A solver whose policies are judged in a way of its own, such as by their worst model."""

    def evaluator(self, env: EnvFactory, evaluation: Evaluation, *, device: torch.device) -> Evaluator:
        """Who judges them."""
        ...


def evaluator_of(solver: Solver, env: EnvFactory, evaluation: Evaluation, *, device: torch.device) -> Evaluator:
    """Who judges the policies of a solver.

    Args:
        solver: Whose policies.
        env: The problem.
        evaluation: How the run judges.
        device: Where policies act.

    Returns:
        The solver's own evaluator, if it has one.
    """
    if isinstance(solver, HasEvaluator):
        return solver.evaluator(env, evaluation, device=device)
    return Evaluator(env, evaluation, gamma=solver.gamma, device=device)


def make_learner(
    solver: Solver, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device, evaluation: Evaluation
) -> Learner:
    """Build the live learner of any solver; see :meth:`morl.protocols.Solver.make`.

    Args:
        solver: The configuration.
        env: The problem.
        task: What each member works on.
        seed: Every random stream of the learner derives from it.
        device: Where its tensors live.
        evaluation: How the run judges, for solvers that do so themselves.
    """
    if isinstance(solver, EvaluatingSolver):
        return solver.make_evaluating(env, task, seed=seed, device=device, evaluation=evaluation)
    return solver.make(env, task, seed=seed, device=device)


def candidates_of(learner: Learner) -> list[Candidate]:
    """What of a learner is to be evaluated: its own choice, or each member's policy with its weights."""
    if isinstance(learner, HasCandidates):
        return learner.candidates()
    weights = learner.task.utility.weights.cpu().numpy().astype(np.float64)
    policies = learner.policies()
    return [Candidate(policy, w, uid) for policy, w, uid in zip(policies, weights, learner.uids, strict=True)]
