"""The policy of IWOCS: specialists for single transition models, and a default for where none of them can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import gymnasium as gym
import torch
from torch import Tensor

from morl.critics import BaseCritic, critic_from
from morl.policies.base import BasePolicy, policy_from
from morl.policies.mlp import MLPPolicy
from morl.protocols import Memory
from morl.spaces import ObservationEncoder, space_from_json, space_to_json
from robust.validity.base import Monitor, monitor_from


@dataclass(frozen=True, eq=False, repr=False)
class CompositePolicy(BasePolicy):
    r"""Acts like the valid specialist that expects least; like the default policy where none is valid.

    .. math:: V(t) = \{ j : \ell_j(t) \le \rho_j \}, \qquad
       j^* = \arg\min_{j \in V(t)} w^\top Q_{T_j}(s_t, \pi_{T_j}(s_t)), \qquad a_t = \pi_{T_{j^*}}(s_t)

    It has a memory, the transition before, where its validity model needs one. Ties go to the specialist found first.

    Source:
        Zouitine et al. 2024 (arXiv 2410.06212), section 5.1 (E3 and E4 of our page).
    """

    kind: ClassVar[str] = "composite"

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    actor: dict[str, Any]
    """Configuration of the policies it is made of."""
    critic: dict[str, Any]
    """Configuration of the specialists' critics."""
    monitor: Monitor
    """Says where specialists are valid."""
    parameters: dict[str, Tensor]
    """``actor/...`` ``(p, 1 + J, ...)``, the default policy first; ``critic/...`` and ``monitor/...`` ``(p, J, ...)``;
    ``thresholds`` ``(p, J)``; ``weights`` ``(p, m)``."""

    @property
    def num_specialists(self) -> int:
        """``J``."""
        return int(self.parameters["thresholds"].shape[1])

    @cached_property
    def _encoder(self) -> ObservationEncoder:
        return ObservationEncoder(self.observation_space)

    def _part(self, prefix: str) -> dict[str, Tensor]:
        return {key[len(prefix) + 1 :]: value for key, value in self.parameters.items() if key.startswith(prefix + "/")}

    @cached_property
    def _actors(self) -> BasePolicy:
        """The ``p (1 + J)`` policies it is made of, as one stack."""
        return policy_from(self.actor, {name: value.flatten(0, 1) for name, value in self._part("actor").items()})

    @cached_property
    def _critics(self) -> BaseCritic:
        """The critics of the ``p J`` specialists, as one stack."""
        parts = {name: value.flatten(0, 1) for name, value in self._part("critic").items()}
        return critic_from(self.critic, parts, self.observation_space, self.action_space)

    @cached_property
    def _monitors(self) -> dict[str, Tensor]:
        return self._part("monitor")

    def act_stacked(
        self,
        observations: Tensor,
        memory: Memory,
        weights: Tensor | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """See :meth:`BasePolicy.act_stacked`; ``weights`` are those it was made for."""
        del weights
        actions = self._proposals(observations, deterministic, generator)
        chosen = self._chosen(observations, actions, memory)
        shape = (*chosen.unsqueeze(1).shape, *[1] * (actions.dim() - 3))
        index = chosen.unsqueeze(1).reshape(shape).expand(-1, 1, -1, *actions.shape[3:])
        return actions.gather(1, index).squeeze(1)

    def chosen(self, observations: Tensor, memory: Memory) -> Tensor:
        """Who acts, deterministically: 0 for the default policy, else the specialist's number.

        Args:
            observations: Raw, ``(p, B, *space.shape)``.
            memory: ``(p, B, ...)``.

        Returns:
            ``(p, B)`` int64.
        """
        return self._chosen(observations, self._proposals(observations, True, None), memory)

    def _proposals(self, observations: Tensor, deterministic: bool, generator: torch.Generator | None) -> Tensor:
        """What each of the policies would do, ``(p, 1 + J, B, ...)``."""
        p, count = len(observations), 1 + self.num_specialists
        spread = observations.unsqueeze(1).expand(p, count, *observations.shape[1:]).flatten(0, 1)
        actions = self._actors.act_stacked(spread, {}, None, deterministic, generator)
        proposals: Tensor = actions.unflatten(0, (p, count))
        return proposals

    def _chosen(self, observations: Tensor, actions: Tensor, memory: Memory) -> Tensor:
        p, specialists = len(observations), self.num_specialists
        encoded = self._encoder(observations)
        seen = self._as_input(actions[:, 1:])
        weights = self.parameters["weights"]
        theirs = weights.repeat_interleave(specialists, 0)
        values = self._critics.values(observations, actions[:, 1:].flatten(0, 1), theirs).unflatten(0, (p, specialists))
        worth = (values * weights[:, None, None, :]).sum(-1)
        scores = self.monitor.scores(self._monitors, memory, encoded, seen)
        thresholds = self.parameters["thresholds"].unsqueeze(-1)
        # A threshold of zero means never, also at the start of an episode, where nothing speaks against anybody.
        valid = (scores <= thresholds) & (thresholds > 0)
        least = torch.where(valid, worth, torch.full_like(worth, torch.inf)).argmin(1)
        return torch.where(valid.any(1), least + 1, torch.zeros_like(least))

    def _as_input(self, actions: Tensor) -> Tensor:
        """Actions ``(..., B, *space.shape)`` as the networks see them, ``(..., B, a)``."""
        actors = self._actors
        if isinstance(actors, MLPPolicy) and (finite := actors.finite) is not None:
            return finite.one_hot(finite.index(finite.choices(actions)))
        components = len(self.action_space.shape or ())
        return actions.flatten(actions.dim() - components) if components else actions.unsqueeze(-1)

    def stacked_memory(self, policies: int, batch: int) -> Memory:
        return self.monitor.memory(policies, batch, self.parameters["thresholds"].device)

    def observe_stacked(self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, done: Tensor) -> Memory:
        del rewards
        return self.monitor.observe(memory, self._encoder(observations), self._as_input(actions), done)

    def config(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
            "actor": self.actor,
            "critic": self.critic,
            "monitor": self.monitor.config(),
        }

    def tensors(self) -> dict[str, Tensor]:
        return self.parameters

    @classmethod
    def from_parts(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> CompositePolicy:
        return cls(
            observation_space=space_from_json(config["observation_space"]),
            action_space=space_from_json(config["action_space"]),
            actor=config["actor"],
            critic=config["critic"],
            monitor=monitor_from(config["monitor"]),
            parameters=tensors,
        )
