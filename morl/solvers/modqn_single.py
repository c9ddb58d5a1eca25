"""The hand-written update engine of MODQN for a single network: as few operations as there can be, CPU.

Same loss as :class:`morl.solvers.modqn_engines.AutogradEngine` under :class:`morl.bootstrapping.DoubleQ` with listed actions.
One small network is all launches: here the live network sees a batch before and after in one pass, biases are rows of the
weights (they lie behind them in :class:`morl.nn.stacked.Packed`), products are torch's, and everything of the size of the batch
is numpy's, whose operations begin in a fraction of the time.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.bootstrapping import DoubleQ
from morl.nn.manual_mlp import relu_backward_, tanh_backward_
from morl.nn.stacked import Packed, Parameters, StackedMLP
from morl.solvers.modqn_engines import DeepQLoss, Update

Array = npt.NDArray[Any]


class SingleEngine:
    """Gradients for one network by hand; see :class:`morl.solvers.modqn_engines.UpdateEngine`.

    Returned gradients are a workspace: use them before the next call.
    """

    def __init__(self, loss: DeepQLoss) -> None:
        """Keep the loss."""
        self.loss = loss
        self.is_able = isinstance(loss.bootstrap, DoubleQ) and loss.finite.is_joint and loss.net.copies is None
        self._workspace: _Workspace | None = None

    def applies(self, update: Update) -> bool:
        """Whether an update is of one network that lies in one piece on the host."""
        online, target = update.online, update.target
        is_packed = isinstance(online, Packed) and isinstance(target, Packed)
        return self.is_able and is_packed and online[0].shape[0] == 1 and update.batch["observation"].is_cpu

    def gradients(self, update: Update) -> Parameters:
        """See :meth:`morl.solvers.modqn_engines.UpdateEngine.gradients`."""
        w, batch_size, dtype = self._workspace, update.batch["reward"].shape[1], update.online[0].dtype
        if w is None or (w.batch, w.dtype) != (batch_size, dtype):
            w = self._workspace = _Workspace(self.loss, batch_size, dtype)
        return w.gradients(update)

    def errors(self) -> Tensor:
        """See :meth:`morl.solvers.modqn_engines.UpdateEngine.errors`."""
        assert self._workspace is not None
        return torch.from_numpy(np.abs((self._workspace.error * self._workspace.weights).sum(-1))[None])

    def statistics(self) -> dict[str, Tensor]:
        """See :meth:`morl.solvers.modqn_engines.UpdateEngine.statistics`."""
        assert self._workspace is not None
        return self._workspace.statistics()


class _Layers:
    """A network whose parameters lie in one piece, as views: biases are the last rows of the weights before the head."""

    def __init__(self, net: StackedMLP, flat: Tensor) -> None:
        self.flat = flat
        self.weights: list[Tensor] = []
        start = 0
        for before, size in pairwise((net.inputs, *net.hidden)):
            end = start + (before + 1) * size
            self.weights.append(flat[start:end].view(before + 1, size))
            start = end
        self.transposed = [w.t() for w in self.weights]
        self.head = flat[start : -net.outputs].view(net.outputs, -1)
        self.head_bias = flat[-net.outputs :].numpy()
        self.head_column = self.head_bias[:, None]


class _Pass:
    """Activations of one network with the batch last, and a last row of ones."""

    def __init__(self, net: StackedMLP, rows: int, dtype: torch.dtype) -> None:
        self.inputs = torch.ones(net.inputs + 1, rows, dtype=dtype)
        self.hidden = [torch.ones(width + 1, rows, dtype=dtype) for width in net.hidden]
        self.bare = [h[:-1] for h in self.hidden]
        self.outputs = torch.empty(net.outputs, rows, dtype=dtype)
        self.q: Array = self.outputs.numpy()
        self.activate_ = torch.relu_ if net.activation == "relu" else torch.tanh_

    def __call__(self, layers: _Layers) -> Array:
        """Outputs ``(outputs, rows)``."""
        h = self.inputs
        for transposed, after, bare in zip(layers.transposed, self.hidden, self.bare, strict=True):
            self.activate_(torch.mm(transposed, h, out=bare))
            h = after
        torch.mm(layers.head, self.bare[-1], out=self.outputs)
        self.q += layers.head_column
        return self.q


class _Workspace:
    """The passes for one batch size ``B``; what has a number per objective is ``(B, m)``."""

    error: Array
    weights: Array

    def __init__(self, loss: DeepQLoss, batch: int, dtype: torch.dtype) -> None:
        net = loss.net
        self.net, self.m, self.batch, self.dtype = net, loss.m, batch, dtype
        self.is_huber = loss.kind == "huber"
        self.online, self.target = _Pass(net, 2 * batch, dtype), _Pass(net, batch, dtype)
        self.seen: Array = self.online.inputs.numpy()[:-1]
        self.following: Array = self.target.inputs.numpy()[:-1]
        self.each = np.arange(batch)
        self.gradient = Packed([torch.empty(1, *shape, dtype=dtype) for shape in net.shapes])
        self.d = _Layers(net, self.gradient.flat)
        self.d_outputs = torch.empty(net.outputs, batch, dtype=dtype)
        self.d_q: Array = self.d_outputs.numpy().reshape(-1, loss.m, batch)
        self.deltas = [torch.empty(width, batch, dtype=dtype) for width in net.hidden]
        self.deltas_t = [delta.t() for delta in self.deltas]
        # Of the pass over the batch before and after, the half before.
        self.before = [h[:, :batch] for h in (self.online.inputs, *self.online.hidden)]
        self.active = [h[:-1, :batch] for h in self.online.hidden]
        self.last_t = self.active[-1].t()
        self.backward_ = relu_backward_ if net.activation == "relu" else tanh_backward_
        self._layers: tuple[_Layers, _Layers] | None = None

    def _networks(self, online: Packed, target: Packed) -> tuple[_Layers, _Layers]:
        known = self._layers
        if known is None or known[0].flat is not online.flat or known[1].flat is not target.flat:
            known = self._layers = _Layers(self.net, online.flat), _Layers(self.net, target.flat)
        return known

    def gradients(self, update: Update) -> Parameters:
        """Gradients; keeps what errors and statistics are made of."""
        assert isinstance(update.online, Packed)
        assert isinstance(update.target, Packed)
        batch = {name: tensor.numpy()[0] for name, tensor in update.batch.items()}
        online, target = self._networks(update.online, update.target)
        half = self.batch
        self.following[:] = batch["next_observation"].T
        self.seen[:, :half] = batch["observation"].T
        self.seen[:, half:] = self.following
        self.weights = weights = update.weights.numpy()[0]

        q = self.online(online).reshape(-1, self.m, 2 * half)
        following = q[:, :, half:]
        utility = following[:, 0] * weights[:, 0] if self.m == 1 else (following * weights.T).sum(1)
        chosen = self.target(target).reshape(-1, self.m, half)[utility.argmax(0), :, self.each]
        chosen *= batch["discount"]
        chosen += batch["reward"]

        taken = batch["action"][:, 0].astype(np.int64)
        self.taken_values = q[taken, :, self.each]
        self.error = self.taken_values - chosen
        d = self._differentiate(batch.get("importance"))
        self.d_q.fill(0.0)
        self.d_q[taken, :, self.each] = d
        return self._backward(online)

    def _differentiate(self, importance: Array | None) -> Array:
        """Gradient of the loss with respect to the error."""
        scale = 1.0 / self.error.size
        if self.is_huber:
            slope = self.error.clip(-1.0, 1.0)
            d = slope * scale
            self._loss = (d, self.error - 0.5 * slope)
        else:
            d = self.error * (2.0 * scale)
            self._loss = (d, 0.5 * self.error)
        if importance is not None:
            d *= importance[:, None]
        return d

    def _backward(self, online: _Layers) -> Parameters:
        torch.mm(self.d_outputs, self.last_t, out=self.d.head)
        self.d_outputs.numpy().sum(1, out=self.d.head_bias)
        above, weights = self.d_outputs, online.head.t()
        for i in reversed(range(len(self.deltas))):
            delta = torch.mm(weights, above, out=self.deltas[i])
            self.backward_(delta, self.active[i])
            torch.mm(self.before[i], self.deltas_t[i], out=self.d.weights[i])
            above, weights = delta, online.weights[i][:-1]
        return self.gradient

    def statistics(self) -> dict[str, Tensor]:
        """See :meth:`morl.solvers.modqn_engines.UpdateEngine.statistics`."""
        d, terms = self._loss
        value = (self.taken_values * self.weights).sum() / self.batch
        loss, mean_value = (torch.from_numpy(np.array([x], d.dtype)) for x in (np.vdot(d, terms), value))
        return {"loss": loss, "mean_value": mean_value}
