r"""Policies that are told which return to get, in how many steps, and perhaps for which preference.

The network sees the observation and a condition: those of ``weights`` (the preference), ``returns`` (the return still desired,
by objective) and ``horizon`` (steps left) that :attr:`ReturnConditionedPolicy.takes` names, side by side in this order, each
shifted and scaled to where its data lay. What is desired follows the rewards (:func:`~morl.functional.commands.next_command`),
so the policy has a memory. One that takes nothing, or weights only, has none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.errors import ShapeError
from morl.functional.commands import next_command
from morl.nn.return_conditioned import ReturnConditionedNetwork
from morl.policies.parametric import HeadPolicy
from morl.protocols import Memory

Condition = Literal["weights", "returns", "horizon"]
"""What a policy may be told."""

_REACH = 3.0
"""Scaled conditions are kept within this: data lies within 1, and far from it a network knows nothing."""
_BOUND = ("own_weights", "own_returns", "own_horizons")


@dataclass(frozen=True, eq=False, repr=False)
class ReturnConditionedPolicy(HeadPolicy):
    """A return-conditioned network with an action head: ``categorical`` (component by component) or ``gaussian``.

    Whoever is bound to a command begins every episode with it. :meth:`at` binds to the command that a *menu* of known ones
    names by the nearest weights (and, if it takes weights, to these); :meth:`commanded` binds to any. Policies that are bound
    to different commands act side by side, with one set of parameters.
    """

    kind: ClassVar[str] = "return_conditioned"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    network: ReturnConditionedNetwork
    head: Literal["categorical", "gaussian"]
    parameters: list[Tensor]
    """Of the network, each ``(1, ...)``."""
    gamma: float
    """Discount of the returns, in ``(0, 1]``."""
    num_objectives: int
    """``m``."""
    takes: tuple[Condition, ...]
    """What it is told, a part of ``("weights", "returns", "horizon")`` in this order."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """``condition_centre`` and ``condition_scale (1, c)`` float64; as needed ``mean`` and ``std (1, d)`` of the encoded
    observations, ``log_std (1, a)``; and, float64: the menu, ``menu_weights (1, q, m)``, ``menu_returns (1, q, m)``,
    ``menu_horizons (1, q)``; what each of ``p`` policies is bound to, ``own_weights (p, m)``, ``own_returns (p, m)``,
    ``own_horizons (p, 1)``."""
    joint_actions: bool = False

    @classmethod
    def unbound(
        cls,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        network: ReturnConditionedNetwork,
        parameters: list[Tensor],
        *,
        gamma: float,
        num_objectives: int,
        takes: tuple[Condition, ...],
        menu: tuple[Tensor, Tensor, Tensor] | None = None,
        **extras: Tensor,
    ) -> Self:
        """Make a policy that is bound to nothing yet: equal weights, a return of 0 in one step.

        Args:
            observation_space: Of the environment.
            action_space: Of the environment.
            network: Its condition is as wide as what it ``takes``.
            parameters: ``(1, ...)`` each; not copied.
            gamma: Discount of the returns.
            num_objectives: ``m``.
            takes: What it is told.
            menu: Known commands: names ``(q, m)``, which are weights; returns ``(q, m)``; horizons ``(q,)``. None for no menu.
            extras: ``condition_centre``, ``condition_scale``, ``mean``, ``std``, ``log_std``, see :attr:`extras`.
        """
        m, device = num_objectives, parameters[0].device
        names, returns, horizons = menu or (torch.zeros(0, m), torch.zeros(0, m), torch.zeros(0))
        numbers = {
            "menu_weights": names.unsqueeze(0),
            "menu_returns": returns.unsqueeze(0),
            "menu_horizons": horizons.unsqueeze(0),
            "own_weights": torch.full((1, m), 1.0 / m),
            "own_returns": torch.zeros(1, m),
            "own_horizons": torch.ones(1, 1),
        }
        exact = {name: tensor.to(device, torch.float64) for name, tensor in numbers.items()}
        head: Literal["categorical", "gaussian"] = "gaussian" if "log_std" in extras else "categorical"
        return cls(observation_space, action_space, network, head, parameters, gamma, m, takes, {**extras, **exact})

    # ------------------------------------------------------------------ commands

    @property
    def menu(self) -> npt.NDArray[np.float64]:
        """Returns of the known commands, ``(q, m)``, return units."""
        returns: npt.NDArray[np.float64] = self.extras["menu_returns"][0].cpu().numpy()
        return returns

    def at(self, weights: npt.NDArray[np.float64]) -> ReturnConditionedPolicy:
        """The policy that begins with the command of the menu whose name is nearest to weights ``(m,)``."""
        asked = torch.tensor(np.asarray(weights, dtype=np.float64), device=self.parameters[0].device)
        if asked.shape != (self.num_objectives,):
            raise ShapeError(f"weights have shape {tuple(asked.shape)}; expected ({self.num_objectives},), one per objective")
        bound = {"own_weights": asked.unsqueeze(0)}
        names = self.extras["menu_weights"][0]
        if len(names):
            best = int((names - asked).square().sum(-1).argmin())
            bound["own_returns"] = self.extras["menu_returns"][0, best : best + 1].clone()
            bound["own_horizons"] = self.extras["menu_horizons"][:, best : best + 1].clone()
        return replace(self, extras=self.extras | bound)

    def commanded(self, returns: npt.ArrayLike, horizon: float) -> ReturnConditionedPolicy:
        """The policy that begins every episode with a command of your own.

        Args:
            returns: Desired discounted return, ``(m,)``, return units.
            horizon: Steps in which to get it, at least 1.

        Raises:
            ShapeError: Another number of objectives.
        """
        device = self.parameters[0].device
        desired = torch.tensor(np.asarray(returns, dtype=np.float64), device=device)
        if desired.shape != (self.num_objectives,):
            raise ShapeError(
                f"the desired return has shape {tuple(desired.shape)}; expected ({self.num_objectives},), one per objective"
            )
        steps = torch.full((1, 1), max(float(horizon), 1.0), dtype=torch.float64, device=device)
        return replace(self, extras=self.extras | {"own_returns": desired.unsqueeze(0), "own_horizons": steps})

    # ------------------------------------------------------------------ acting

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        inputs = self._inputs(observations)
        asked = self.extras["own_weights"].unsqueeze(1) if weights is None else weights
        if asked.shape[-1] != self.num_objectives:
            raise ShapeError(f"weights have {asked.shape[-1]} entries; expected {self.num_objectives}, one per objective")
        outputs = self._outputs(inputs, memory | {"weights": asked.to(torch.float64).expand(*inputs.shape[:2], -1)})
        return self._chosen(outputs, None, deterministic, generator)

    def _outputs(self, inputs: Tensor, memory: Memory) -> Tensor:
        told = [memory[name] for name in self.takes]
        condition = scaled_condition(told, self.extras["condition_centre"], self.extras["condition_scale"], like=inputs)
        # The policies share their parameters: to the network they are one batch.
        outputs: Tensor = self.network(self.parameters, inputs.flatten(0, 1).unsqueeze(0), condition.flatten(0, 1).unsqueeze(0))
        return outputs.view(*inputs.shape[:2], -1)

    @property
    def _remembers(self) -> bool:
        return "returns" in self.takes or "horizon" in self.takes

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        if not self._remembers:
            return {}
        returns, horizons = (self.extras[name].unsqueeze(1) for name in ("own_returns", "own_horizons"))
        return {
            "returns": returns.expand(policies, batch, -1).clone(),
            "horizon": horizons.expand(policies, batch, -1).clone(),
        }

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        del observations, actions
        if not self._remembers:
            return memory
        returns, horizon = next_command(memory["returns"], memory["horizon"], rewards, self.gamma)
        ended = done.unsqueeze(-1)
        return {
            "returns": torch.where(ended, self.extras["own_returns"].unsqueeze(1), returns),
            "horizon": torch.where(ended, self.extras["own_horizons"].unsqueeze(1), horizon),
        }

    # ------------------------------------------------------------------ files and stacks

    def config(self) -> dict[str, Any]:
        return super().config() | {
            "network": self.network.config(),
            "head": self.head,
            "gamma": self.gamma,
            "num_objectives": self.num_objectives,
            "takes": list(self.takes),
        }

    def layout(self) -> dict[str, list[str]]:
        axes = {f"parameters/{i}": ["network", *names] for i, names in enumerate(self.network.axes)}
        named = {
            "condition_centre": ["network", "condition"], "condition_scale": ["network", "condition"],
            "mean": ["network", "in"], "std": ["network", "in"], "log_std": ["network", "action"],
            "menu_weights": ["network", "command", "objective"], "menu_returns": ["network", "command", "objective"],
            "menu_horizons": ["network", "command"],
            "own_weights": ["policy", "objective"], "own_returns": ["policy", "objective"], "own_horizons": ["policy", "one"],
        }  # fmt: skip
        return axes | {name: named[name] for name in self.extras if name in named}

    def stacking_key(self) -> str:
        return json.dumps([self.kind, id(self.parameters[0])])

    @classmethod
    def stack(cls, policies: Sequence[Self]) -> Self:
        """Stack policies with the very same parameters, which are kept once."""
        bound = {name: torch.cat([policy.extras[name] for policy in policies]) for name in _BOUND}
        return replace(policies[0], extras=policies[0].extras | bound)

    @classmethod
    def _own_fields(cls, config: dict[str, Any]) -> dict[str, Any]:
        return {
            "network": ReturnConditionedNetwork.from_config(config["network"]),
            "takes": tuple(config["takes"]),
            **{name: config[name] for name in ("head", "gamma", "num_objectives")},
        }


def scaled_condition(told: Sequence[Tensor], centre: Tensor, scale: Tensor, *, like: Tensor) -> Tensor:
    """What a network is asked, as it sees it.

    Args:
        told: ``weights (..., m)``, ``returns (..., m)`` and ``horizon (..., 1)``, those that it takes in this order, float64.
        centre: Of each, ``(1, c)`` float64.
        scale: Of each, ``(1, c)`` float64, positive.
        like: A tensor ``(..., d)`` with the type and device of the result.

    Returns:
        ``(..., c)``, within three scales of the centre.
    """
    if not told:
        return like.new_zeros(*like.shape[:-1], 0)
    # In double precision until here: commands are carried over many steps, and divided by the discount at each.
    scaled = (torch.cat(list(told), -1) - centre) / scale
    return scaled.clamp(-_REACH, _REACH).to(like.dtype)
