"""How the outputs of a policy network become actions: probabilities of finite ones, or the mean of a Gaussian."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from morl.action_spaces import BoxActions, FiniteActions
from morl.functional.natural_gradient import metric_product
from morl.nn.distributions import categorical_sample, gaussian_entropy, gaussian_log_density
from morl.nn.stacked import Parameters


class Head(ABC):
    """What a policy does with the outputs of its network; ``n`` members, any axes ``...`` between members and outputs."""

    name: ClassVar[Literal["categorical", "gaussian"]]
    width: int
    """Outputs of the network, ``A``."""
    stored: tuple[int, ...]
    """Shape of an action in a store."""

    @abstractmethod
    def start(self, members: int, device: torch.device) -> Parameters:
        """Parameters beside the network's, which come last among a policy's, ``(n, ...)`` each."""

    @abstractmethod
    def network_part(self, parameters: Parameters) -> Parameters:
        """A policy's parameters without the head's own."""

    @abstractmethod
    def noise(self, shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
        """Random numbers for actions of some shape."""

    @abstractmethod
    def sample(self, outputs: Tensor, parameters: Parameters, noise: Tensor) -> Tensor:
        """Actions as they are stored, ``(n, B, *stored)``."""

    @abstractmethod
    def for_environment(self, actions: Tensor) -> Tensor:
        """Stored actions ``(r, *stored)`` in the environment's units, ``(r, *space.shape)``."""

    @abstractmethod
    def taken_and_entropy(self, outputs: Tensor, parameters: Parameters, action: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of taken actions and entropy at whole episodes, ``(n, E, T)`` each."""

    @abstractmethod
    def fisher_product(self, outputs: Tensor, leaves: Parameters, share: Tensor, vectors: Parameters) -> Parameters:
        """Fisher matrix times a vector; ``share (n, ..., 1)`` says how much each place counts."""


class CategoricalHead(Head):
    """Finite actions by their logits."""

    name = "categorical"
    stored = ()

    def __init__(self, finite: FiniteActions) -> None:
        """Keep the actions."""
        self.finite, self.width = finite, finite.width

    def start(self, members: int, device: torch.device) -> Parameters:
        return []

    def network_part(self, parameters: Parameters) -> Parameters:
        return parameters

    def noise(self, shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    def sample(self, outputs: Tensor, parameters: Parameters, noise: Tensor) -> Tensor:
        return categorical_sample(outputs, noise)

    def for_environment(self, actions: Tensor) -> Tensor:
        return self.finite.actions(actions)

    def taken_and_entropy(self, outputs: Tensor, parameters: Parameters, action: Tensor) -> tuple[Tensor, Tensor]:
        log_probs = outputs.log_softmax(-1)
        taken = log_probs.gather(-1, action.long().unsqueeze(-1)).squeeze(-1)
        return taken, -(log_probs.exp() * log_probs).sum(-1)

    def fisher_product(self, outputs: Tensor, leaves: Parameters, share: Tensor, vectors: Parameters) -> Parameters:
        probs = outputs.detach().softmax(-1)
        return metric_product(outputs, leaves, lambda v: share * probs * (v - (probs * v).sum(-1, keepdim=True)), vectors)


class GaussianHead(Head):
    """Real numbers in units of half the width of their box; the last parameter of a policy is its log standard deviation."""

    name = "gaussian"

    def __init__(self, box: BoxActions, shape: tuple[int, ...], initial_log_std: float) -> None:
        """Keep the actions.

        Args:
            box: Their units.
            shape: Of one action in the environment.
            initial_log_std: Of new policies.
        """
        self.box, self.shape, self.initial_log_std = box, shape, initial_log_std
        self.width = len(box.scale)
        self.stored = (self.width,)

    def start(self, members: int, device: torch.device) -> Parameters:
        return [torch.full((members, self.width), self.initial_log_std, device=device)]

    def network_part(self, parameters: Parameters) -> Parameters:
        return parameters[:-1]

    def noise(self, shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn((*shape, self.width), generator=generator, device=device)

    def sample(self, outputs: Tensor, parameters: Parameters, noise: Tensor) -> Tensor:
        return outputs + parameters[-1].unsqueeze(1).exp() * noise

    def for_environment(self, actions: Tensor) -> Tensor:
        return self.box.clip(actions * self.box.scale + self.box.offset).view(-1, *self.shape)

    def taken_and_entropy(self, outputs: Tensor, parameters: Parameters, action: Tensor) -> tuple[Tensor, Tensor]:
        log_std = parameters[-1][:, None, None]
        log_density = gaussian_log_density(action, outputs, log_std)
        return log_density, gaussian_entropy(log_std).expand_as(log_density)

    def fisher_product(self, outputs: Tensor, leaves: Parameters, share: Tensor, vectors: Parameters) -> Parameters:
        """See :meth:`Head.fisher_product`; means and log standard deviations do not interact."""
        precision = (-2 * leaves[-1].detach())[:, None, None].exp()
        product = metric_product(outputs, leaves[:-1], lambda v: share * precision * v, vectors[:-1])
        return [*product, 2.0 * share.sum((1, 2)) * vectors[-1]]
