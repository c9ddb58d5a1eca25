"""What every frozen critic shares: it owns its encoder, is one object for many policies, and can be saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import gymnasium as gym
import torch
from torch import Tensor

from morl.nn.stacked import Parameters
from morl.spaces import ObservationEncoder


@dataclass(frozen=True, eq=False)
class BaseCritic(ABC):
    """Critics of ``q`` policies: every tensor has them on axis 0, so that a whole population is asked at once."""

    form: ClassVar[str]
    """Name of the kind, in files and in the registry."""

    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    num_objectives: int
    parts: dict[str, Tensor]
    """Their tensors by name, ``(q, ...)`` each; the parameters of a network are ``0``, ``1``, ..."""

    @abstractmethod
    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        """What actions are worth; see :meth:`morl.protocols.Critic.values`."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What JSON can hold; with the spaces and :attr:`parts` enough to rebuild them (:func:`morl.critics.critic_from`)."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: dict[str, Any], **given: Any) -> Self:
        """Rebuild from :meth:`config`, the spaces and :attr:`parts`."""

    def __len__(self) -> int:
        """``q``."""
        return len(next(iter(self.parts.values())))

    def select(self, members: Sequence[int] | Tensor) -> Self:
        """Some of them; see :meth:`morl.protocols.Critic.select`."""
        index = members if isinstance(members, Tensor) else torch.as_tensor(list(members))
        return replace(self, parts={name: tensor[index] for name, tensor in self.parts.items()})

    @classmethod
    def stack(cls, critics: Sequence[Self]) -> Self:
        """Critics of the same shape as one object, in their order."""
        return replace(critics[0], parts={name: torch.cat([c.parts[name] for c in critics]) for name in critics[0].parts})

    @cached_property
    def _encoder(self) -> ObservationEncoder:
        return ObservationEncoder(self.observation_space)

    @cached_property
    def _network_parameters(self) -> Parameters:
        return [self.parts[str(i)] for i in range(sum(name.isdigit() for name in self.parts))]

    def _encoded(self, observations: Tensor) -> Tensor:
        """Raw observations ``(g, B, ...)`` as each critic sees them, ``(q, B, d)``."""
        return self._for_each(self._encoder(observations))

    def _for_each(self, part: Tensor) -> Tensor:
        """``(g, B, ...)`` -> ``(q, B, ...)``."""
        groups, count = len(part), len(self)
        if groups == count:
            return part
        spread: Tensor = part.unsqueeze(1).expand(groups, count // groups, *part.shape[1:]).flatten(0, 1)
        return spread

    def _flat(self, actions: Tensor) -> Tensor:
        """Actions ``(q | 1, B, *space.shape)`` as networks see them, ``(q, B, a)``."""
        components = len(self.action_space.shape or ())
        flat = actions.flatten(actions.dim() - components) if components else actions.unsqueeze(-1)
        return self._for_each(flat.to(torch.float32))
