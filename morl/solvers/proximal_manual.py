"""The hand-written update engine of proximal policy optimisation: plain perceptrons, CPU.

Same losses as :class:`morl.solvers.proximal_engines.AutogradEngine`, differentiated by hand. At the widths and minibatches that
are usual here, the number of operations costs more than the arithmetic: no graph is recorded, nothing of the batch's size is
allocated, and statistics are computed only where somebody asks. Values have the batch last, see :mod:`morl.nn.manual_mlp`.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from morl.nn.manual_mlp import ManualMLP, Workspaces
from morl.nn.stacked import Parameters, StackedMLP
from morl.solvers.proximal_engines import Batch, ProximalLoss


class ManualEngine:
    """Gradients of the losses by hand; see :class:`morl.solvers.proximal_engines.UpdateEngine`.

    Actions are boxes, or finite with one component. Returned gradients are views of workspaces: use them before the next call.
    """

    def __init__(self, loss: ProximalLoss) -> None:
        """Keep the losses."""
        self.loss = loss
        self._workspaces = Workspaces(lambda n, batch, dtype: _Workspace(loss, n, batch, dtype))
        self._last: _Workspace | None = None

    @staticmethod
    def applies(loss: ProximalLoss) -> bool:
        """Whether these losses can be differentiated here: not those of actions with several finite components."""
        return loss.finite is None or len(loss.finite.sizes) == 1

    def actor_gradients(self, actor: Parameters, batch: Batch) -> Parameters:
        """See :meth:`morl.solvers.proximal_engines.UpdateEngine.actor_gradients`."""
        return self._workspace(actor, batch).actor_gradients(actor, batch)

    def critic_gradients(self, critic: Parameters, batch: Batch) -> Parameters:
        """See :meth:`morl.solvers.proximal_engines.UpdateEngine.critic_gradients`."""
        return self._workspace(critic, batch).critic_gradients(critic, batch)

    def statistics(self) -> dict[str, Tensor]:
        """See :meth:`morl.solvers.proximal_engines.UpdateEngine.statistics`; after both gradients of one batch."""
        assert self._last is not None
        return self._last.statistics()

    def _workspace(self, parameters: Parameters, batch: Batch) -> _Workspace:
        n, size = batch["input"].shape[:2]
        self._last = self._workspaces(n, size, parameters[0].dtype)
        return self._last


class _Workspace:
    """The passes of both losses for one member count ``n`` and batch size ``B``."""

    def __init__(self, loss: ProximalLoss, n: int, batch: int, dtype: torch.dtype) -> None:
        more = [(loss.actor_net.outputs,)] if loss.finite is None else []
        self.actor = ManualMLP(loss.actor_net, n, batch, dtype, more=more)
        self.critic = ManualMLP(loss.critic_net, n, batch, dtype)
        self.head: _Head = (_Gaussian if loss.finite is None else _Categorical)(loss.actor_net, n, batch, dtype)
        self.low, self.high, self.coefficient = 1 - loss.clip, 1 + loss.clip, loss.entropy_coefficient
        self.fall, self.ratio, self.gain, self.clipped, self.d_log_prob = (torch.empty(n, batch, dtype=dtype) for _ in range(5))
        self.rewarded = torch.empty(n, batch, dtype=torch.bool)
        self.error = torch.empty_like(self.critic.outputs)
        self.even = self.share = torch.full((n, batch), 1 / batch, dtype=dtype)

    def actor_gradients(self, actor: Parameters, batch: Batch) -> Parameters:
        r"""By a row's log-density its loss has the derivative :math:`-\rho A / B`, or 0 where the ratio is clipped."""
        inputs, advantages = batch["input"], batch["advantage"].squeeze(-1)
        networks = self.head.networks(actor)
        log_prob = self.head.log_prob(actor, self.actor.forward(networks, inputs), batch["action"])
        torch.sub(batch["log_prob"].squeeze(-1), log_prob, out=self.fall)
        self.share = self.even
        if "mask" in batch:
            padding = self._follow_mask(batch["mask"])
            # Before the exponential: an infinite ratio of a padded step would turn its zero gradient into NaN.
            self.fall.masked_fill_(padding, 0.0)
            advantages = advantages.masked_fill(padding, 0.0)
        torch.neg(self.fall, out=self.ratio).exp_()
        torch.mul(self.ratio, advantages, out=self.gain)
        torch.mul(self.ratio.clamp_(self.low, self.high), advantages, out=self.clipped)
        torch.le(self.gain, self.clipped, out=self.rewarded)
        torch.mul(self.gain, self.rewarded, out=self.d_log_prob).mul_(self.share).neg_()
        further = self.actor.gradients[len(networks) :]
        self.head.backward(self.d_log_prob, self.coefficient, self.share, self.actor.d_outputs, further)
        return self.actor.backward(networks, inputs)

    def critic_gradients(self, critic: Parameters, batch: Batch) -> Parameters:
        inputs, d_values = batch["input"], self.critic.d_outputs
        torch.sub(self.critic.forward(critic, inputs), batch["target"].mT, out=self.error)
        if "mask" in batch:
            self.error.masked_fill_(self._follow_mask(batch["mask"]).unsqueeze(1), 0.0)
            torch.mul(self.error, self.share.unsqueeze(1), out=d_values).mul_(2 / d_values.shape[1])
        else:
            torch.mul(self.error, 2 / d_values[0].numel(), out=d_values)
        return self.critic.backward(critic, inputs)

    def _follow_mask(self, mask: Tensor) -> Tensor:
        """Set each row's share of a mean; returns which entries are not valid, ``(n, B)``."""
        valid = mask.squeeze(-1) > 0
        self.share = valid / valid.sum(1, keepdim=True).clamp_min(1).to(self.even.dtype)
        return ~valid

    def statistics(self) -> dict[str, Tensor]:
        return {
            "actor_loss": -(torch.minimum(self.gain, self.clipped) * self.share).sum(1),
            "critic_loss": (self.error * self.critic.d_outputs).sum((1, 2)) / 2,
            "entropy": (self.head.entropy() * self.share).sum(1),
            "kl": (self.fall * self.share).sum(1),
        }


class _Head(Protocol):
    """A distribution over actions as a function of the actor's outputs ``(n, outputs, B)``."""

    def networks(self, actor: Parameters) -> Parameters:
        """The parameters of the networks among those of the actor."""
        ...

    def log_prob(self, actor: Parameters, outputs: Tensor, actions: Tensor) -> Tensor:
        """Log-density of stored actions ``(n, B, width)``, ``(n, B)``; maybe a workspace."""
        ...

    def backward(self, d_log_prob: Tensor, coefficient: float, share: Tensor, d_outputs: Tensor, further: Parameters) -> None:
        """Write the gradients of the outputs and of the parameters beside the networks.

        Args:
            d_log_prob: Derivative of the loss by the last log-densities, ``(n, B)``.
            coefficient: Of the entropy, which the loss lacks.
            share: Of each row in a mean, ``(n, B)``.
            d_outputs: Where to write that of the outputs, ``(n, outputs, B)``.
            further: Where to write those of the parameters, ``(n, ...)``.
        """
        ...

    def entropy(self) -> Tensor:
        """Entropy of each row at the last outputs, ``(n, B)`` or ``(n, 1)``, nats."""
        ...


class _Gaussian:
    """Diagonal Gaussian with a log standard deviation of each member, the last of the actor's parameters, ``(n, a)``."""

    def __init__(self, net: StackedMLP, n: int, batch: int, dtype: torch.dtype) -> None:
        self.z, self.squares = (torch.empty(n, net.outputs, batch, dtype=dtype) for _ in range(2))
        self.half_square = torch.empty(n, batch, dtype=dtype)
        self.half_log_volume = 0.5 * net.outputs * math.log(2 * math.pi)
        self.half_size = 0.5 * net.outputs

    def networks(self, actor: Parameters) -> Parameters:
        return actor[:-1]

    def log_prob(self, actor: Parameters, outputs: Tensor, actions: Tensor) -> Tensor:
        log_std = actor[-1]
        self.inverse_std = log_std.neg().exp_().unsqueeze(2)
        # The normaliser, (n, 1): minus the log-density at the mean.
        self.peak = log_std.sum(1, keepdim=True).add_(self.half_log_volume)
        z = torch.sub(actions.mT, outputs, out=self.z).mul_(self.inverse_std)
        torch.mul(z, z, out=self.squares)
        return torch.sum(self.squares, 1, out=self.half_square).mul_(-0.5).sub_(self.peak)

    def backward(self, d_log_prob: Tensor, coefficient: float, share: Tensor, d_outputs: Tensor, further: Parameters) -> None:
        torch.mul(self.z, d_log_prob.unsqueeze(1), out=d_outputs).mul_(self.inverse_std)
        (d_log_std,) = further
        torch.bmm(self.squares, d_log_prob.unsqueeze(2), out=d_log_std.unsqueeze(2))
        d_log_std.sub_(d_log_prob.sum(1, keepdim=True))
        if coefficient:
            d_log_std.sub_(coefficient * share.sum(1, keepdim=True))

    def entropy(self) -> Tensor:
        return self.peak + self.half_size


class _Categorical:
    """One choice among finitely many."""

    def __init__(self, net: StackedMLP, n: int, batch: int, dtype: torch.dtype) -> None:
        self.probs = torch.empty(n, net.outputs, batch, dtype=dtype)

    def networks(self, actor: Parameters) -> Parameters:
        return actor

    def log_prob(self, actor: Parameters, outputs: Tensor, actions: Tensor) -> Tensor:
        self.index = actions.long().mT
        self.log_probs = torch.log_softmax(outputs, 1)
        torch.exp(self.log_probs, out=self.probs)
        return self.log_probs.gather(1, self.index).squeeze(1)

    def backward(self, d_log_prob: Tensor, coefficient: float, share: Tensor, d_outputs: Tensor, further: Parameters) -> None:
        slope = d_log_prob.unsqueeze(1)
        torch.mul(self.probs, slope, out=d_outputs).neg_().scatter_add_(1, self.index, slope)
        if coefficient:
            excess = (self.log_probs + self.entropy().unsqueeze(1)).mul_(self.probs)
            d_outputs.addcmul_(excess, share.unsqueeze(1), value=coefficient)

    def entropy(self) -> Tensor:
        return -(self.probs * self.log_probs).sum(1)
