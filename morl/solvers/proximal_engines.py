"""How the gradients of one proximal update are computed: by autograd, which defines them, or by hand.

An engine says nothing about which members are updated, optimisers or random numbers: it maps parameters and a minibatch to
gradients. The hand-written engine is in :mod:`morl.solvers.proximal_manual`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from morl.action_spaces import FiniteActions
from morl.functional import clipped_surrogate
from morl.nn.distributions import gaussian_entropy, gaussian_log_density
from morl.nn.stacked import Parameters, StackedMLP

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class ProximalLoss:
    """What is minimised: the clipped surrogate less the weighed entropy, and the error of values."""

    actor_net: StackedMLP
    """Inputs to means or logits."""
    critic_net: StackedMLP
    """Inputs to (normalised) vector values."""
    finite: FiniteActions | None
    """Finite actions; None for a Gaussian, whose log standard deviations ``(n, a)`` are the actor's last parameter."""
    clip: float
    """Largest change of a probability ratio that is rewarded."""
    entropy_coefficient: float
    """Weight of the entropy, nats."""

    def log_density_and_entropy(self, actor: Parameters, inputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-density of taken actions and entropy, ``(n, B)`` each; inputs ``(n, B, d)``, actions as they are stored."""
        if self.finite is not None:
            log_probs = self.finite.log_softmax(self.actor_net(actor, inputs))
            taken = self.finite.total(log_probs, self.finite.stored_index(actions))
            return taken, -(log_probs.exp() * log_probs).sum(-1)
        log_std = actor[-1].unsqueeze(1)
        log_density = gaussian_log_density(actions, self.actor_net(actor[:-1], inputs), log_std)
        return log_density, gaussian_entropy(log_std).expand_as(log_density)


class UpdateEngine(Protocol):
    """Gradients of the losses, per member: the sum over members has exactly each member's own gradient.

    A batch holds ``input``, ``action``, ``log_prob``, ``advantage`` and ``target`` (normalised), each ``(n, B, width)``, and
    ``mask`` ``(n, B, 1)``, 1 for valid entries, unless all are. What is returned may be a workspace: use it before the next
    call.
    """

    def actor_gradients(self, actor: Parameters, batch: Batch) -> Parameters:
        """Gradient of the actors' loss, in the shapes of the parameters."""
        ...

    def critic_gradients(self, critic: Parameters, batch: Batch) -> Parameters:
        """Gradient of the mean squared error of the critics' values, in the shapes of the parameters."""
        ...

    def statistics(self) -> dict[str, Tensor]:
        """Of the last gradients, ``(n,)`` each: ``actor_loss`` (without the entropy), ``critic_loss``, ``entropy``, ``kl``."""
        ...


class AutogradEngine:
    """Losses as formulas, differentiated by torch: any device, any action space."""

    def __init__(self, loss: ProximalLoss) -> None:
        """Keep the losses."""
        self.loss = loss
        self._statistics: dict[str, Tensor] = {}

    def actor_gradients(self, actor: Parameters, batch: Batch) -> Parameters:
        """See :meth:`UpdateEngine.actor_gradients`."""
        mask, count = _valid(batch)
        old = batch["log_prob"].squeeze(-1)
        leaves = [p.detach().requires_grad_() for p in actor]
        log_probs, entropies = self.loss.log_density_and_entropy(leaves, batch["input"], batch["action"])
        surrogate = clipped_surrogate(log_probs, old, batch["advantage"].squeeze(-1), self.loss.clip, mask)
        entropy = torch.where(mask, entropies, 0.0).sum(1) / count
        gradients = torch.autograd.grad((surrogate - self.loss.entropy_coefficient * entropy).sum(), leaves)
        kl = torch.where(mask, old - log_probs.detach(), 0.0).sum(1) / count
        self._statistics |= {"actor_loss": surrogate.detach(), "entropy": entropy.detach(), "kl": kl}
        return list(gradients)

    def critic_gradients(self, critic: Parameters, batch: Batch) -> Parameters:
        """See :meth:`UpdateEngine.critic_gradients`."""
        mask, count = _valid(batch)
        leaves = [p.detach().requires_grad_() for p in critic]
        errors = (self.loss.critic_net(leaves, batch["input"]) - batch["target"]).square().mean(-1)
        loss = torch.where(mask, errors, 0.0).sum(1) / count
        self._statistics["critic_loss"] = loss.detach()
        return list(torch.autograd.grad(loss.sum(), leaves))

    def statistics(self) -> dict[str, Tensor]:
        """See :meth:`UpdateEngine.statistics`."""
        return self._statistics


def _valid(batch: Batch) -> tuple[Tensor, Tensor]:
    """Which entries are valid, ``(n, B)``, and how many of each member, at least 1, ``(n,)``."""
    mask = batch["mask"].squeeze(-1) > 0 if "mask" in batch else torch.ones_like(batch["log_prob"][..., 0], dtype=torch.bool)
    return mask, mask.sum(1).clamp_min(1)
