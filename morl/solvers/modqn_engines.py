"""How the gradients of one update of vector Q-networks are computed: by autograd, which defines them, or by hand.

An engine says nothing about which members are updated, optimisers or random numbers: it maps parameters and a batch to
gradients. The hand-written engine is in :mod:`morl.solvers.modqn_manual`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from morl.action_spaces import FiniteActions
from morl.bootstrapping import Bootstrap, Lookahead
from morl.nn.stacked import Parameters, StackedMLP

Batch = dict[str, Tensor]


class Update(NamedTuple):
    """What one update of some members is computed from; all tensors but the last two have them on axis 0."""

    online: Parameters
    target: Parameters
    weights: Tensor
    """By which is judged, ``(n, B, m)``, or ``(n, 1, m)`` where all of a batch are the same."""
    batch: Batch
    """From the store, ``(n, B, width)`` each; ``importance`` ``(n, B)`` weighs the entries where it is there."""
    support: Tensor
    """Weights of the population's members, ``(k, m)``."""
    returns: Tensor
    """Their running returns, ``(k, m)``."""


@dataclass(frozen=True)
class DeepQLoss:
    """What is minimised: the error of the taken actions' vector values against the bootstrap's targets."""

    net: StackedMLP
    """What the networks see, to the values of all choices; with copies where several are trained side by side."""
    finite: FiniteActions
    m: int
    bootstrap: Bootstrap
    kind: Literal["huber", "mse"]
    """Of each objective's error."""

    def values(self, parameters: Parameters, seen: Tensor, asked: Tensor | None = None) -> Tensor:
        """Vector values of all choices, ``(n, c, B, S, m)``; an action is worth the sum over its choices.

        Args:
            parameters: Of the networks, ``(n, ...)``.
            seen: What they see, ``(n, B, d)``.
            asked: Other weights, ``(n, B, K, m)``, for one network that sees weights: ``(n, c, B, K, S, m)``.
        """
        if asked is not None:
            plain = seen[..., : -self.m].unsqueeze(2).expand(*asked.shape[:3], -1)
            each = self.values(parameters, torch.cat([plain, asked], -1).flatten(1, 2))
            others: Tensor = each.unflatten(2, asked.shape[1:3])
            return others
        q: Tensor = self.net(parameters, seen).unflatten(-1, (self.finite.width, self.m))
        return q.unsqueeze(1) if self.net.copies is None else q

    @torch.no_grad()
    def targets(self, update: Update) -> Tensor:
        """Targets of a batch, ``(n, B, m)``."""
        batch = update.batch
        following = batch["next_observation"]
        return self.bootstrap(
            Lookahead(
                rewards=batch["reward"], discounts=batch["discount"], weights=update.weights, finite=self.finite,
                online=lambda asked: self.values(update.online, following, asked),
                target=lambda asked: self.values(update.target, following, asked),
                support=update.support, returns=update.returns,
            )
        )  # fmt: skip


class UpdateEngine(Protocol):
    """Gradients of the loss, per member: the sum over members has exactly each member's own gradient.

    What is returned may be a workspace: use it before the next call.
    """

    def applies(self, update: Update) -> bool:
        """Whether it can compute an update."""
        ...

    def gradients(self, update: Update) -> Parameters:
        """Gradient of the loss, in the shapes of the parameters."""
        ...

    def errors(self) -> Tensor:
        """Size of the scalarised temporal-difference errors of the last update, ``(n, B)``; of several networks the largest."""
        ...

    def statistics(self) -> dict[str, Tensor]:
        """Of the last update, ``(n,)`` each: ``loss`` and ``mean_value`` (of the taken actions, weighed)."""
        ...


class AutogradEngine:
    """The loss as a formula, differentiated by torch: any device."""

    def __init__(self, loss: DeepQLoss) -> None:
        """Keep the loss."""
        self.loss = loss

    def applies(self, update: Update) -> bool:
        """Always."""
        del update
        return True

    def gradients(self, update: Update) -> Parameters:
        """See :meth:`UpdateEngine.gradients`."""
        batch, weights, finite = update.batch, update.weights, self.loss.finite
        y = self.loss.targets(update).unsqueeze(1)
        leaves = [p.detach().requires_grad_() for p in update.online]
        values = self.loss.values(leaves, batch["observation"])
        taken = finite.stored_index(batch["action"]).unsqueeze(1).expand(-1, values.shape[1], -1, -1)
        q = finite.total_values(values, taken)
        if self.loss.kind == "huber":
            errors = torch.nn.functional.smooth_l1_loss(q, y.expand_as(q), reduction="none").mean(-1)
        else:
            errors = (q - y).square().mean(-1)
        if share := self.loss.bootstrap.utility_share:
            errors = (1.0 - share) * errors + share * ((q - y) * weights.unsqueeze(1)).sum(-1).square()
        loss = (errors * batch["importance"].unsqueeze(1) if "importance" in batch else errors).mean(-1).sum(1)
        gradients = torch.autograd.grad(loss.sum(), leaves)
        self._loss, self._q, self._y, self._weights = loss.detach(), q.detach(), y, weights
        return list(gradients)

    def errors(self) -> Tensor:
        """See :meth:`UpdateEngine.errors`."""
        return ((self._q - self._y) * self._weights.unsqueeze(1)).sum(-1).abs().amax(1)

    def statistics(self) -> dict[str, Tensor]:
        """See :meth:`UpdateEngine.statistics`."""
        return {"loss": self._loss, "mean_value": (self._q[:, 0] * self._weights).sum(-1).mean(1)}
