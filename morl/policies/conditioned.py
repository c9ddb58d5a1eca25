"""One network for all preferences: it sees the weights beside the observation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.acting import PolicyImprovement
from morl.errors import ConfigurationError, ShapeError
from morl.policies.mlp import MLPPolicy
from morl.protocols import Memory


@dataclass(frozen=True, eq=False, repr=False)
class ConditionedPolicy(MLPPolicy):
    """A perceptron of observation and weights, with an action head; one policy for every preference.

    It acts by the weights that it is given, else by :attr:`own`. With a tensor ``support`` ``(p, K, m)`` among the extras,
    actions are chosen by generalised policy improvement over the policies for these weights and for the given ones.
    """

    kind: ClassVar[str] = "conditioned"
    takes_weights: ClassVar[bool] = True

    num_objectives: int = 0
    """``m``."""
    own: tuple[float, ...] | None = None
    """Weights it acts by where none are given, ``(m,)``."""

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {'any weights' if self.own is None else f'weights {list(self.own)}'})"

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        inputs = self._inputs(observations)
        asked = self._preference(weights, inputs)
        if "support" in self.extras:
            assert self.finite is not None
            judged = PolicyImprovement()(lambda each: self._values(inputs, each), asked, self.extras["support"].unsqueeze(1))
            return self.finite.actions(self.finite.best(judged))
        return self._chosen(self._outputs(torch.cat([inputs, asked], -1), memory), asked, deterministic, generator)

    def _preference(self, weights: Tensor | None, inputs: Tensor) -> Tensor:
        """Weights for every observation, ``(p, B, m)``."""
        if weights is None:
            if self.own is None:
                raise ConfigurationError(
                    "this policy serves any preference: give weights, act(observation, weights=[...]), or bind them by at(...)"
                )
            weights = torch.tensor(self.own, dtype=inputs.dtype, device=inputs.device)
        if weights.shape[-1] != self.num_objectives:
            raise ShapeError(f"weights have {weights.shape[-1]} entries; expected {self.num_objectives}, one per objective")
        return weights.to(inputs.dtype).expand(*inputs.shape[:2], -1)

    def _values(self, inputs: Tensor, asked: Tensor) -> Tensor:
        """Vector values of all actions for the policies of given weights, ``(p, B, K, m) -> (p, B, K, S, m)``."""
        each = torch.cat([inputs.unsqueeze(2).expand(*asked.shape[:3], -1), asked], -1)
        outputs = self.network(self.parameters, each.flatten(1, 2))
        values: Tensor = outputs.unflatten(1, asked.shape[1:3]).unflatten(-1, (-1, self.num_objectives))
        return values

    def at(self, weights: npt.NDArray[np.float64]) -> ConditionedPolicy:
        """The same network, bound to weights ``(m,)``."""
        bound = tuple(float(w) for w in weights)
        if len(bound) != self.num_objectives:
            raise ShapeError(f"weights have {len(bound)} entries; expected {self.num_objectives}, one per objective")
        return replace(self, own=bound)

    def config(self) -> dict[str, Any]:
        own = None if self.own is None else list(self.own)
        return super().config() | {"num_objectives": self.num_objectives, "own": own}

    def layout(self) -> dict[str, list[str]]:
        axes = super().layout()
        return axes | ({"support": ["policy", "preference", "objective"]} if "support" in self.extras else {})

    @classmethod
    def _own_fields(cls, config: dict[str, Any]) -> dict[str, Any]:
        own = config["own"]
        more = {"num_objectives": config["num_objectives"], "own": None if own is None else tuple(own)}
        return super()._own_fields(config) | more
