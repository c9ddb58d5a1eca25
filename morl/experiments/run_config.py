"""The dataclasses of a configuration; :mod:`morl.experiments.config` reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from morl.errors import ConfigurationError
from morl.evaluation import Evaluation
from morl.experiments.units import Unit
from morl.fields import Count, NonNegative, Positive, Range, Seed, check_fields
from morl.protocols import Solver
from morl.registry import component_field

if TYPE_CHECKING:
    from morl.problem_spec import ProblemSpec
    from morl.task import Task

_MOST_THREADS = 1024
"""Thread pools of some builds crash the process when they are asked for many more."""


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """What the members of a solver without a population scheme work on; all of it has defaults.

    MORL/D and other solvers that choose sub-problems themselves take none.
    """

    weights: tuple[tuple[NonNegative, ...], ...] | tuple[NonNegative, ...] | None = None
    """Preference of the one member ``(m,)`` or of each member ``(n, m)``; None means equal weights."""
    scalarization: Any = component_field("scalarization", default=None)
    """How a vector value becomes a number; None means the weighted sum."""
    ideal_point: tuple[Annotated[float, Range(finite=False)], ...] | None = None
    """Best value per objective ``(m,)``, return units, for scalarizations that measure a distance."""
    scale: tuple[Positive, ...] | None = None
    """Unit of each objective ``(m,)``, positive, return units; None means 1."""
    criterion: Literal["ser", "esr"] | None = None
    """Utility of the expected return, or expected utility of the return; None means the solver's."""

    def __post_init__(self) -> None:
        check_fields(self, "task.")

    def make(self, spec: ProblemSpec, criterion: Literal["ser", "esr"]) -> Task:
        """Build the live task for a problem.

        Args:
            spec: The problem; gives the number of objectives.
            criterion: The solver's own criterion.

        Returns:
            The task with CPU tensors.

        Raises:
            ConfigurationError: Weights off the simplex, or a value of the wrong length.
        """
        import torch

        from morl.scalarizations import WeightedSum
        from morl.task import Task, Utility

        m = spec.num_objectives
        weights = torch.full((1, m), 1.0 / m) if self.weights is None else torch.tensor(self.weights, dtype=torch.float32)
        weights = weights.reshape(1, -1) if weights.dim() == 1 else weights
        if weights.shape[-1] != m:
            raise ConfigurationError(f"task.weights has {weights.shape[-1]} entries but {spec.env_id} has {m} objectives")
        scalarization = self.scalarization or WeightedSum()
        if self.ideal_point is not None and not scalarization.needs_ideal_point:
            raise ConfigurationError(
                f"task.ideal_point: {type(scalarization).__name__} has no use for it; remove it or choose another scalarization"
            )
        return Task(
            utility=Utility(
                scalarization=scalarization,
                weights=weights,
                ideal_point=None if self.ideal_point is None else torch.tensor(self.ideal_point, dtype=torch.float32),
                scale=None if self.scale is None else torch.tensor(self.scale, dtype=torch.float32),
                criterion=self.criterion or criterion,
            )
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the result of a run, and the top level of a configuration file."""

    env: str | Mapping[str, Any]
    """Environment: a gymnasium id, or a mapping with ``id`` and the arguments to make it with. With ``data`` it only judges."""
    data: str | None = None
    """Data set to learn from, for solvers that do: a folder, or the name of a shipped one; None for the environment."""
    solver: Solver = component_field("solver")
    """What trains."""
    env_steps: Count | None = None
    """Environment steps to train for, summed over the members; searches count, evaluation does not. None with ``data``."""
    updates: Count | None = None
    """Gradient updates to train for, with ``data``; None without."""
    seed: Seed = 0
    """Every random stream of the run derives from it."""
    device: str = "auto"
    """``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``."""
    threads: Annotated[int, Range(ge=1, le=_MOST_THREADS)] | None = None
    """Computing threads; None: one for tables and narrow networks, whose operations are too small to share, else all."""
    evaluation: Evaluation = Evaluation()
    """How policies are judged."""
    plugins: tuple[str, ...] = ()
    """Modules to import for their components."""
    task: TaskConfig | None = None
    """What the members work on, for solvers that leave the choice to the user."""
    record: bool = False
    """Whether every training episode is written to ``data/`` in the run directory, as a data set."""

    @property
    def unit(self) -> Unit:
        """What the budget counts."""
        return "env_steps" if self.data is None else "updates"

    @property
    def budget(self) -> int:
        """How much of it there is."""
        found = self.env_steps if self.data is None else self.updates
        assert found is not None
        return found

    def with_budget(self, budget: int) -> RunConfig:
        """The same run with another budget, in its unit."""
        return replace(self, env_steps=budget) if self.data is None else replace(self, updates=budget)

    def __post_init__(self) -> None:
        check_fields(self, "")
        self._check_budget()
        if isinstance(self.env, Mapping) and not isinstance(self.env.get("id"), str):
            raise ConfigurationError("env: a mapping needs the key 'id' (the environment's id) beside its arguments")

    def _check_budget(self) -> None:
        if self.data is None:
            if self.updates is not None:
                raise ConfigurationError("updates: a run counts them only with data; write env_steps, or name a data set")
            if self.env_steps is None:
                raise ConfigurationError("env_steps: missing; expected int")
            return
        if self.env_steps is not None:
            raise ConfigurationError("env_steps: nothing is done in the environment where data is given; write updates instead")
        if self.updates is None:
            raise ConfigurationError("updates: missing; expected int, the budget of a run that learns from data")
        if self.record:
            raise ConfigurationError("record: a run that learns from data has no episodes of its own; set record: false")
