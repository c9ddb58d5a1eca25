"""The hand-written update engine of MODQN: any bootstrap and any finite actions, CPU.

Same loss as :class:`morl.solvers.modqn_engines.AutogradEngine`, differentiated by hand. At small widths a graph costs more than
its numbers: here nothing is recorded, activations and gradients are workspaces, and values have the batch last, where products
with a narrow head and the choice among few actions are fast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from morl.bootstrapping import DoubleQ
from morl.nn.manual_mlp import ManualMLP, Workspaces
from morl.nn.stacked import Parameters
from morl.solvers.modqn_engines import DeepQLoss, Update


class ManualEngine:
    """Gradients of MODQN's loss by hand; see :class:`morl.solvers.modqn_engines.UpdateEngine`.

    Returned gradients are workspaces: use them before the next call.
    """

    def __init__(self, loss: DeepQLoss) -> None:
        """Keep the loss."""
        self.loss = loss
        self._workspaces = Workspaces(lambda n, batch, dtype: _Workspace(loss, n, batch, dtype))

    def applies(self, update: Update) -> bool:
        """Whether everything is on the host."""
        return update.batch["observation"].is_cpu

    def gradients(self, update: Update) -> Parameters:
        """See :meth:`morl.solvers.modqn_engines.UpdateEngine.gradients`."""
        n, batch_size, _ = update.batch["observation"].shape
        self._last = w = self._workspaces(n, batch_size, update.online[0].dtype)
        if isinstance(self.loss.bootstrap, DoubleQ):
            y = w.double_q_target(update)
        else:
            y = self.loss.targets(update).mT
        return w.gradients(update, y)

    def errors(self) -> Tensor:
        """See :meth:`morl.solvers.modqn_engines.UpdateEngine.errors`."""
        return self._last.utility_errors().abs().amax(1)

    def statistics(self) -> dict[str, Tensor]:
        """See :meth:`morl.solvers.modqn_engines.UpdateEngine.statistics`."""
        return {"loss": self._last.loss, "mean_value": self._last.mean_value()}


class _Workspace:
    """The passes for one member count ``n`` and batch size ``B``; ``c`` networks side by side, values have the batch last."""

    loss: Tensor
    """Of the last update, ``(n,)``."""

    def __init__(self, loss: DeepQLoss, n: int, batch: int, dtype: torch.dtype) -> None:
        finite, m = loss.finite, loss.m
        self.copies = copies = loss.net.copies or 1
        self.batch, self.m, self.finite = batch, m, finite
        self.is_huber, self.share = loss.kind == "huber", loss.bootstrap.utility_share
        self.mlp = ManualMLP(loss.net, n, batch, dtype)
        self.values = self.mlp.outputs.view(n, copies, finite.width, m, batch)
        self.d_values = self.mlp.d_outputs.view_as(self.values)
        self.single_values = self.values[:, 0]
        self.error, self.d_error, self.scratch = (torch.empty(n, copies, m, batch, dtype=dtype) for _ in range(3))

    def double_q_target(self, update: Update) -> Tensor:
        """:class:`morl.bootstrapping.DoubleQ`'s targets, ``(n, m, B)``."""
        batch, finite, q = update.batch, self.finite, self.single_values
        following = batch["next_observation"]
        self.mlp.forward(update.online, following)
        # Of several largest the first, as argmax has it, which is slow along an axis with a stride.
        best = finite.spread(_weighed(q, update.weights.mT.unsqueeze(1)), -2).max(-2, keepdim=True).indices
        self.mlp.forward(update.target, following)
        index = best.unsqueeze(-2)
        chosen = finite.spread(q, -3).gather(-3, index.expand(*index.shape[:-2], self.m, self.batch)).squeeze(-3)
        if not finite.is_joint:
            chosen = chosen.sum(1)
        return torch.addcmul(batch["reward"].mT, batch["discount"].mT, chosen)

    def gradients(self, update: Update, y: Tensor) -> Parameters:
        """Gradients for targets ``(n, m, B)``; keeps what errors and statistics are made of."""
        batch = update.batch
        self.weights = update.weights.mT.unsqueeze(1)
        inputs, networks = batch["observation"], self.mlp.networks(update.online)
        if self.copies > 1:
            inputs = inputs.unsqueeze(1).expand(-1, self.copies, -1, -1).flatten(0, 1)
        self.mlp.forward(networks, inputs)
        index = self.finite.stored_index(batch["action"]).mT[:, None, :, None].expand(-1, self.copies, -1, self.m, -1)
        taken = self.values.gather(2, index)
        self.q = taken.squeeze(2) if self.finite.is_joint else taken.sum(2)
        error = torch.sub(self.q, y.unsqueeze(1), out=self.error)
        self._differentiate(error, batch.get("importance"))
        self.d_values.zero_().scatter_(2, index, self.d_error.unsqueeze(2).expand_as(index))
        return self.mlp.backward(networks, inputs)

    def _differentiate(self, error: Tensor, importance: Tensor | None) -> None:
        """The loss and its gradient with respect to the error, both ``(n, c, m, B)``."""
        share, scale = self.share, 1.0 / (self.m * self.batch)
        d = self.d_error
        # Where the gradient is g, the loss is g e / 2 for a square, and g (e - g / 2) for Huber's with its ends.
        if self.is_huber:
            torch.clamp(error, -1.0, 1.0, out=d)
            terms = torch.sub(error, d, alpha=0.5, out=self.scratch).mul_(d).mul_((1.0 - share) * scale)
            d.mul_((1.0 - share) * scale)
        else:
            torch.mul(error, 2.0 * (1.0 - share) * scale, out=d)
            terms = torch.mul(error, d, out=self.scratch).mul_(0.5)
        if share:
            along = self.utility_errors().unsqueeze(2)
            terms.addcmul_(along, along, value=share * scale)
            d.addcmul_(along, self.weights, value=2.0 * share / self.batch)
        if importance is not None:
            each = importance[:, None, None]
            terms.mul_(each)
            d.mul_(each)
        self.loss = terms.sum((1, 2, 3))

    def utility_errors(self) -> Tensor:
        """Errors of the weighed values, ``(n, c, B)``."""
        return _weighed(self.error, self.weights)

    def mean_value(self) -> Tensor:
        """Weighed value of the taken actions, averaged over the batch, ``(n,)``."""
        return _weighed(self.q[:, :1], self.weights).mean((1, 2))


def _weighed(values: Tensor, weights: Tensor) -> Tensor:
    """Weighed sums over objectives, ``(n, k, m, B), (n, 1, m, B or 1) -> (n, k, B)``."""
    weighed = values * weights
    return weighed.squeeze(2) if weighed.shape[2] == 1 else weighed.sum(2)
