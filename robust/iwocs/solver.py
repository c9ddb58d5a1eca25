r"""IWOCS: a robust problem as a sequence of ordinary ones, with a certificate.

1. Make a policy: train it over models drawn from the uncertainty set, or in the nominal model.
2. Search for the model in which it is worst.
3. Train a specialist in that model; act like the specialist that expects least among those that can be trusted where one
   stands; go to 2.

On tables every part is exact (:meth:`IWOCS.solve_tabular`). In simulators the parts are a solver with critics, a search
over the parameters of the environment, and a model of where a specialist is valid (:meth:`IWOCS.run`).

References:
    A. Zouitine et al., "Incremental worst-case search for robust reinforcement learning: solving robust MDPs as a sequence
    of static problems", arXiv 2410.06212 (2024), algorithms 1 and 2.

Deviations: see the page of IWOCS in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt
import torch

from morl.capabilities import ChoosesTasks, HasComparableCritics
from morl.errors import CapabilityError, ConfigurationError
from morl.evaluation import Evaluation
from morl.fields import Count, NonNegative, Positive, Repeats, RepeatsOrNone, Share
from morl.protocols import EnvFactory, Learner, Solver
from morl.registry import component_field
from morl.solvers.base import require
from morl.task import Task
from robust.iwocs.learner import IWOCSLearner
from robust.iwocs.tabular_learner import TabularLearner
from robust.search import CornerSearch, WorstCaseSearch
from robust.solver import RobustSolver, checked_task
from robust.tabular import iwocs as tabular
from robust.tabular.iwocs import IWOCSResult
from robust.validity import PredictiveCoding, ValidityModel

Aggregator = Literal["min_q", "hull", "actor_min"]
"""How the kernels found are combined."""


@dataclass(frozen=True, kw_only=True)
class IWOCS(RobustSolver):
    r"""Incremental worst-case search: solve an ordinary process, find the kernel worst for its policy, solve that too.

    Let :math:`T_0, \dots, T_i` be the kernels found. How they are combined is the aggregator:

    - ``min_q`` (tables), as published: :math:`Q_i = \min_j Q^*_{T_j}`. It can stall at a policy that is not the best, also when
      everything is exact.
    - ``hull`` (tables): the robust action values of the product of the rows of the kernels found. Where the set itself is
      such a product (``rectangular=True``) it always ends at the exact robust value.
    - ``actor_min`` (simulators), as published: in every state the specialist acts whose own critic expects least of its own
      action, among those that are valid there; the default policy where none is.

    Every iteration carries a lower and an upper bound. On tables they are proven. In simulators they are estimates: the
    return in the worst model of a closed grid, and the smallest over the specialists' models of the best return seen there.

    ``aggregator``, ``tolerance`` and ``max_iterations`` matter on tables; all other fields are for simulators. There ``solver``
    trains the default policy and the specialists: any solver with critics that can be compared between models.

    Source:
        Zouitine et al. 2024 (arXiv 2410.06212), algorithms 1 and 2. Deviations: the certificate; the policy with the best
        guarantee is returned instead of the last one; on tables, `hull` (ours) is the default and evaluation is exact.

    Example:
        >>> left, right = [[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0]] * 2], [[[0.5, 0.5], [1.0, 0.0]], [[0.0, 1.0]] * 2]
        >>> result = IWOCS().solve_tabular([left, right], [[0.0, 0.1], [1.0, 1.0]], 0.5, rectangular=True)
        >>> result.policy, round(result.lower, 6), round(result.gap, 6), result.status
        (array([1, 0]), 0.2, 0.0, 'converged')
    """

    aggregator: Aggregator | None = None
    """How the kernels found are combined; None: ``hull`` on tables, ``actor_min`` in simulators."""
    tolerance: Positive = 1e-6
    """Gap at which the run has converged, return units."""
    max_iterations: Repeats = 1_000
    """Tables: ordinary processes to solve at most."""
    search: WorstCaseSearch = component_field("search", default=CornerSearch())
    """Finds the model in which a policy is worst."""
    validity: ValidityModel = component_field("validity", default=PredictiveCoding())
    """Says in which states a specialist is to be trusted."""
    init: Literal["dr", "nominal"] = "dr"
    """The default policy is trained over models drawn anew for every episode (`dr`, as in the paper's experiments), or in
    the nominal model, which then is the first kernel (`nominal`, as in the paper's algorithm)."""
    default_steps: Count = 20_000
    """Environment steps to train the default policy, per preference."""
    steps_per_iteration: Count = 20_000
    """Environment steps to train each specialist."""
    iterations: RepeatsOrNone = 3
    """Times that specialists are trained, at most."""
    total_steps: Count | None = None
    """Environment steps per preference, training and searches together: the specialists of the last iteration train for what is
    left but for the last search, instead of for ``steps_per_iteration``. None: a run takes what its parts add up to."""
    kernels_per_iteration: Repeats = 1
    """Specialists trained side by side: the worst models that the search met."""
    rollouts: Repeats = 4
    """Episodes in which a search judges a policy in one model, the same ones for all."""
    search_gamma: Share = 1.0
    """Discount of the returns that searches compare and bounds state."""
    kernel_distance: NonNegative = 1e-3
    """Models this close, in shares of the parameters' ranges, count as one."""
    on_stall: Literal["stop", "second_worst"] = "stop"
    """What if the worst model is a known one: stop, or take the worst unknown one that the search met."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        require(
            self.total_steps is None or self.total_steps > self.default_steps,
            f"IWOCS.total_steps must be above default_steps ({self.default_steps}), found {self.total_steps}",
        )
        if isinstance(self.solver, ChoosesTasks | IWOCS):
            raise CapabilityError(
                f"{type(self.solver).__name__} inside IWOCS is not supported: a specialist is one policy; use MOSAC or MODQN, "
                "and put IWOCS inside MORLD for a robust Pareto set"
            )
        self.inner_solver()

    def inner_solver(self) -> Solver:
        """The specialists' solver, with critics that can be compared between models.

        Raises:
            CapabilityError: It has none; says which solvers do.
        """
        if isinstance(self.solver, HasComparableCritics):
            return self.solver.with_comparable_critics()
        name = type(self.solver).__name__
        models = ", or SubPO(kernels=...) alone, which treats listed models as objectives" if name == "SubPO" else ""
        raise CapabilityError(
            f"IWOCS asks its solver what an action is worth in every model found, and {name} has no critic that can say so; "
            f"use MOSAC, MOPPO, or MODQN for finite actions{models}"
        )

    def learner_type(self) -> type[Learner]:
        """See :class:`morl.capabilities.KnowsLearner`."""
        return TabularLearner if self.aggregator in ("hull", "min_q") else IWOCSLearner

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> Learner:
        """Build the live learner, which judges by the default :class:`~morl.evaluation.Evaluation`."""
        return self.make_evaluating(env, task, seed=seed, device=device, evaluation=Evaluation())

    def make_evaluating(
        self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device, evaluation: Evaluation
    ) -> Learner:
        """Build the live learner; see :class:`morl.evaluation.EvaluatingSolver`.

        Args:
            env: The problem; its dynamics can be set.
            task: One preference per robust policy; its dynamics must be left open.
            seed: Seed of every stream.
            device: Where tensors live.
            evaluation: Limits of the episodes in which searches judge.

        Raises:
            CapabilityError: The environment's dynamics cannot be set, or a component cannot work with the others.
        """
        task = checked_task(task, env, device)
        if self.aggregator in ("hull", "min_q"):
            return TabularLearner(self, env=env, region=self.region(env), task=task, device=device)
        return IWOCSLearner(self, env=env, region=self.region(env), task=task, seed=seed, device=device, evaluation=evaluation)

    def solve_tabular(
        self,
        kernels: npt.ArrayLike,
        rewards: npt.ArrayLike,
        gamma: float,
        *,
        start_state: int = 0,
        initial_kernel: int = 0,
        rectangular: bool = False,
    ) -> IWOCSResult:
        """Find a policy that is good in the worst of some transition models, with exact solvers and exact search.

        Args:
            kernels: Transition probabilities, ``(K, S, A, S)``; a kernel may also be sparse, as in
                :class:`robust.tabular.TabularMDP`.
            rewards: ``(S, A)`` or ``(S, A, S)``; for several objectives, their weighted sum.
            gamma: Discount, in ``[0, 1)``.
            start_state: Where values are compared.
            initial_kernel: The kernel that is solved first.
            rectangular: The uncertainty set is the product of the rows of the kernels, instead of the list of kernels.

        Returns:
            The policy with its certificate.

        Raises:
            ShapeError: The shapes disagree.
            ConfigurationError: A row is not a distribution, an index is out of range, or something is NaN or infinite.
        """
        if self.aggregator == "actor_min":
            raise ConfigurationError("IWOCS(aggregator='actor_min') is for simulators; on tables use 'hull' or 'min_q'")
        return tabular.solve(
            kernels,
            rewards,
            gamma,
            aggregator="hull" if self.aggregator is None else self.aggregator,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            start_state=start_state,
            initial_kernel=initial_kernel,
            rectangular=rectangular,
        )
