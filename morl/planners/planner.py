"""What planners have in common: the problem they read off a coverage world, and the plan they return.

Letters used in shapes: ``V`` nodes, ``A`` actions, ``H`` actions per episode, ``E`` episodes, ``m`` objectives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.arrays import read_floats, read_whole
from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.fields import CheckedFields
from morl.registry import name_of

if TYPE_CHECKING:
    from envs.coverage.set_functions import SetFunction

Index: TypeAlias = npt.NDArray[np.int64]
PlanStatus: TypeAlias = Literal["heuristic", "optimal", "limit"]
"""``optimal``: proved; ``limit``: an exact method stopped early, with what it has."""


@dataclass(frozen=True)
class Walks:
    """A coverage world as planners see it: who can go where, and what visits are worth."""

    successors: Tensor
    """Where an executed action leads, ``(V, A)``."""
    executed: Tensor
    """Probability that action ``b`` is executed at ``v`` if ``a`` is chosen, ``(V, A, A)``."""
    start: int
    """First node."""
    horizon: int
    """Actions per episode ``H``."""
    function: SetFunction
    """Of the visits."""
    weights: Tensor
    """Of the objectives, ``(m,)``."""

    @classmethod
    def of(cls, env: Any, weights: Sequence[float] | None = None) -> Walks:
        """Read the problem off an environment.

        Args:
            env: A :class:`~envs.coverage.graph_world.GraphWorld`, or what ``gymnasium.make`` gives for a ``coverage/`` id.
            weights: Of the objectives, ``(m,)``, nonnegative; may be left out if there is one.

        Raises:
            CapabilityError: The environment is not a walk on a graph.
            ShapeError: Not one nonnegative weight per objective.
        """
        from envs.coverage.graph_world import GraphWorld

        inner = getattr(env, "unwrapped", env)
        world = getattr(inner, "batched", inner)
        if not isinstance(world, GraphWorld):
            raise CapabilityError(
                f"planners need a walk on a graph with a set function, such as coverage/grid-v0; {type(world).__name__} is none"
            )
        return cls(
            torch.from_numpy(world.successors),
            torch.from_numpy(world.executed()),
            world.start,
            world.horizon,
            world.set_function,
            objective_weights(world.set_function, weights),
        )

    @property
    def is_deterministic(self) -> bool:
        """Whether the chosen action is always the executed one."""
        return bool((self.executed == torch.eye(self.successors.shape[1], dtype=torch.float64)).all())

    def require_deterministic(self, planner: str) -> None:
        """Refuse a world that slips.

        Raises:
            CapabilityError: It does.
        """
        if not self.is_deterministic:
            raise CapabilityError(
                f"{planner} plans a sequence of actions, but in this world another action than the chosen one may be executed; "
                "use Greedy or ModularPolicy, which react, or Exhaustive on a small world, or set slip=0"
            )

    def scalar(self, gains: Tensor) -> Tensor:
        """Weighted sum over objectives, ``(..., m) -> (...)``."""
        return (gains * self.weights).sum(-1)

    def begin(self, sets: int) -> dict[str, Tensor]:
        """Sets that hold the start and have room for a whole episode."""
        state = self.function.start(sets, capacity=self.horizon + 1)
        self.function.advance(state, torch.full((sets,), self.start))
        return state

    def move_gains(self) -> Tensor:
        """Gain of every move if only the node before it was visited, ``(V, A)``: with more history it gains at most that."""
        nodes = torch.arange(self.successors.shape[0])
        state = self.function.start(nodes.shape[0], capacity=2)
        self.function.advance(state, nodes)
        return torch.stack([self.scalar(self.function.gain(state, column)) for column in self.successors.T], -1)

    def reachable(self) -> Tensor:
        """Whether a node can be reached in exactly ``h`` steps, ``(H + 1, V)`` bool."""
        possible = (self.executed > 0).any(1)
        layers = [torch.zeros(self.successors.shape[0], dtype=torch.bool)]
        layers[0][self.start] = True
        for _ in range(self.horizon):
            following = torch.zeros_like(layers[0])
            following[self.successors[layers[-1]][possible[layers[-1]]]] = True
            layers.append(following)
        return torch.stack(layers)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a planner found."""

    planner: str
    """Its name in the registry."""
    value: float
    """``F`` of all visits, the start included; in a world that slips its expectation, estimated if ``standard_error`` > 0."""
    status: PlanStatus
    """How sure it is."""
    seconds: float
    """Computing time."""
    nodes: Index | None = None
    """The walk, ``(H + 1,)``; None in a world that slips."""
    actions: Index | None = None
    """The actions, ``(H,)``; None in a world that slips."""
    standard_error: float = 0.0
    """Of an estimated value."""
    bound: float | None = None
    """No policy is worth more; None if the planner proves nothing."""

    def row(self) -> dict[str, Any]:
        """A row of a table of results."""
        return {name: getattr(self, name) for name in ("planner", "value", "standard_error", "bound", "status", "seconds")}


@dataclass(frozen=True, kw_only=True)
class Planner(CheckedFields, ABC):
    """Base of the planners."""

    def plan(self, env: Any, weights: Sequence[float] | None = None) -> Plan:
        """Plan one episode.

        Args:
            env: A :class:`~envs.coverage.graph_world.GraphWorld`, or what ``gymnasium.make`` gives for a ``coverage/`` id.
            weights: Of the objectives, ``(m,)``, nonnegative; may be left out if there is one.

        Raises:
            CapabilityError: The planner cannot deal with this environment.
            ShapeError: Not one nonnegative weight per objective.
        """
        walks = Walks.of(env, weights)
        begin = perf_counter()
        found = self._plan(walks)
        known = name_of(self, "planner")
        return Plan(planner=known[1] if known else type(self).__name__, seconds=perf_counter() - begin, **found)

    @abstractmethod
    def _plan(self, walks: Walks) -> dict[str, Any]:
        """The fields of the plan that are left."""


def objective_weights(function: SetFunction, weights: Sequence[float] | None) -> Tensor:
    """Weights of the objectives ``(m,)``; they may be left out if there is one.

    Raises:
        ShapeError: Not one nonnegative finite weight per objective.
    """
    m = function.num_objectives
    if weights is None:
        weights = [1.0] if m == 1 else []
    try:
        given = torch.from_numpy(read_floats("weights", weights))
    except ValueError as error:
        raise ShapeError(str(error)) from None
    if given.shape != (m,) or not bool(((given >= 0) & given.isfinite()).all()):
        raise ShapeError(f"weights is {weights}; expected {m} nonnegative numbers, one per objective: planners need one value")
    return given


def elements_of(function: SetFunction, elements: Sequence[int], name: str) -> Index:
    """Elements of the ground set, ``(n,)``, in the order given.

    Raises:
        ConfigurationError: They are no whole numbers, or not in the ground set.
    """
    try:
        given = read_whole(name, elements, "elements of the ground set")
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if given.ndim != 1 or (given.size and (given.min() < 0 or given.max() >= function.num_elements)):
        raise ConfigurationError(
            f"{name} holds {given.ravel()[:8].tolist()}; expected elements of the ground set, 0 to {function.num_elements - 1}"
        )
    return given


def walk(walks: Walks, actions: Index) -> dict[str, Any]:
    """Fields of the plan that plays a sequence of actions ``(H,)``."""
    nodes = [walks.start]
    for action in actions:
        nodes.append(int(walks.successors[nodes[-1], action]))
    value = walks.scalar(walks.function.trajectory_gains(torch.tensor([nodes])).sum(1))
    return {"value": float(value), "nodes": np.array(nodes), "actions": np.asarray(actions, np.int64)}
