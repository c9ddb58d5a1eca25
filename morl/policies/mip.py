"""Policies that maximise a Q-network over a combinatorial action set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.actions import ActionOptimizer, ActionProblem
from morl.actions.base import ActionMaximizer
from morl.errors import CapabilityError, CheckpointError
from morl.nn.action_values import ActionValueNet, FoldedValues
from morl.policies.parametric import ParametricPolicy
from morl.protocols import Memory
from morl.spaces import space_from_json


@dataclass(frozen=True, eq=False, repr=False)
class MIPPolicy(ParametricPolicy):
    """A Q-network over binary actions whose best feasible action is found by an action optimiser at each step.

    The values are in return units, so that they can be read; the network itself works on normalised ones.
    """

    kind: ClassVar[str] = "mip"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    network: ActionValueNet
    optimizer: ActionOptimizer
    """Who finds the best action."""
    constraint: Any
    """The feasible actions."""
    parameters: list[Tensor]
    """Of the network, each ``(p, ...)``."""
    extras: dict[str, Tensor]
    """``weights``, ``scale`` and ``offset``, each ``(p, m)``."""

    @cached_property
    def maximizer(self) -> ActionMaximizer:
        """The live optimiser; that of ``MIP`` keeps the bounds and gaps of the last call as ``results``."""
        return self.optimizer.make(self.constraint)

    def folded(self, observations: Tensor) -> FoldedValues:
        """Values as functions of the action, in return units and float64, at raw observations ``(p, B, *space.shape)``."""
        encoded = self._inputs(observations).double()
        folded = self.network.fold([p.double() for p in self.parameters], encoded)
        return folded.in_units(self.extras["scale"].double(), self.extras["offset"].double())

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        # There is nothing random about this policy.
        preference = self.extras["weights"]
        if weights is not None:
            if not bool((weights == weights[:, :1]).all()):
                raise CapabilityError("this policy takes one preference for a whole batch; ask once for each preference")
            preference = weights[:, 0]
        problem = ActionProblem(self.folded(observations), preference.double())
        return self.maximizer(problem).to(torch.int8)

    def values(self, observations: Any, actions: Any) -> Tensor:
        """Vector values of actions ``(B, N)`` at raw observations ``(B, *space.shape)``, in return units, ``(p, B, m)``."""
        seen, chosen = torch.from_numpy(self.checked_observations(observations)), torch.as_tensor(actions)
        p = len(self.parameters[0])
        return self.folded(seen.expand(p, *seen.shape))(chosen.expand(p, *chosen.shape).unsqueeze(2)).squeeze(2)

    def config(self) -> dict[str, Any]:
        return super().config() | {
            "network": {**dataclasses.asdict(self.network), "hidden": list(self.network.hidden)},
            "optimizer": optimizer_to_json(self.optimizer),
            "constraint": constraint_to_json(self.constraint),
        }

    @classmethod
    def _own_fields(cls, config: dict[str, Any]) -> dict[str, Any]:
        from envs.cormab.actions import FeasibleActions

        constraint = constraint_from_json(config["constraint"])
        assert isinstance(space_from_json(config["action_space"]), spaces.MultiBinary)
        return {
            "action_space": FeasibleActions(constraint),
            "network": ActionValueNet(**{**config["network"], "hidden": tuple(config["network"]["hidden"])}),
            "optimizer": optimizer_from_json(config["optimizer"]),
            "constraint": constraint,
        }


def optimizer_to_json(optimizer: Any) -> dict[str, Any]:
    """Describe an action optimiser by its registered name and fields.

    Raises:
        CapabilityError: It is not registered.
    """
    from morl.registry import name_of

    named = name_of(optimizer, "action_optimizer")
    if named is None:
        raise CapabilityError(f"the action optimiser {optimizer!r} is not registered, so that it cannot be stored")
    values = {item.name: getattr(optimizer, item.name) for item in dataclasses.fields(optimizer)}
    described = {key: optimizer_to_json(value) if dataclasses.is_dataclass(value) else value for key, value in values.items()}
    return {"name": named[1], **described}


def optimizer_from_json(data: dict[str, Any]) -> Any:
    """Rebuild an action optimiser from :func:`optimizer_to_json`."""
    from morl.registry import component

    fields = {key: optimizer_from_json(value) if isinstance(value, dict) else value for key, value in data.items()}
    return component("action_optimizer", fields.pop("name"))(**fields)


def constraint_to_json(constraint: Any) -> dict[str, Any]:
    """Describe an action set by what JSON can hold; one of a foreign class by its linear rows."""
    from envs.cormab import constraints

    name = type(constraint).__name__
    if getattr(constraints, name, None) is not type(constraint) or not dataclasses.is_dataclass(constraint):
        rows = constraint.rows()
        constraint = constraints.Linear(
            rows.matrix().toarray(), rows.lower, rows.upper, rows.auxiliary_lower, rows.auxiliary_upper, rows.auxiliary_integer
        )
        name = "Linear"
    fields: dict[str, Any] = {}
    for item in dataclasses.fields(constraint):
        value = getattr(constraint, item.name)
        fields[item.name] = _listed(value) if isinstance(value, np.ndarray) else value
    return {"name": name, **fields}


def _listed(array: np.ndarray[Any, Any]) -> Any:
    # JSON has no infinity; as text it has.
    return np.where(np.isfinite(array), array, array.astype(str)).tolist() if array.dtype == np.float64 else array.tolist()


def constraint_from_json(data: dict[str, Any]) -> Any:
    """Rebuild an action set from :func:`constraint_to_json`.

    Raises:
        CheckpointError: The description does not fit any class of ``envs.cormab.constraints``.
    """
    from envs.cormab import constraints

    fields = dict(data)
    name = fields.pop("name", None)
    if name not in constraints.__all__ or not dataclasses.is_dataclass(getattr(constraints, str(name))):
        raise CheckpointError(f"unknown kind of action set {name!r}; the file is damaged or of a newer version")
    if name == "Linear":
        fields = {
            key: np.asarray(value, np.bool_ if key == "auxiliary_integer" else np.float64) for key, value in fields.items()
        }
    return getattr(constraints, name)(**fields)
