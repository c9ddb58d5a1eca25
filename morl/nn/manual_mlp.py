"""Hand-written passes of stacked perceptrons: no graph is recorded and no large tensor is allocated after the first call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from morl.nn.stacked import Packed, Parameters, StackedMLP

_W = TypeVar("_W")
MAX_WORKSPACES = 4
"""Pairs of member count and batch size whose workspaces are kept; a turn-by-turn schedule, or a short last batch, uses two."""


class Workspaces(Generic[_W]):
    """Workspaces by number of members, batch size and type of the parameters; the oldest go where there are too many."""

    def __init__(self, make: Callable[[int, int, torch.dtype], _W]) -> None:
        """Keep what makes one."""
        self._make = make
        self._made: dict[tuple[int, int, torch.dtype], _W] = {}

    def __len__(self) -> int:
        return len(self._made)

    def __call__(self, n: int, batch: int, dtype: torch.dtype) -> _W:
        """The one for ``n`` members and ``batch`` rows of each."""
        key = (n, batch, dtype)
        if key not in self._made:
            if len(self._made) == MAX_WORKSPACES:
                self._made.pop(next(iter(self._made)))
            self._made[key] = self._make(*key)
        return self._made[key]


class ManualMLP:
    """Workspaces of one network shape, one number of networks and one batch size, and the passes that fill them.

    Everything returned is a view of a workspace and is overwritten by the next pass. Outputs have the batch last: products
    with narrow matrices run several times faster in that layout.
    """

    def __init__(
        self, net: StackedMLP, n: int, batch: int, dtype: torch.dtype, *, more: Sequence[tuple[int, ...]] = ()
    ) -> None:
        """Allocate.

        Args:
            net: Shape of one network.
            n: Members.
            batch: Rows per network, ``B``.
            dtype: Of the parameters.
            more: Shapes of parameters that members have beside the network, ``(n, ...)`` each: places for their gradients
                follow those of the network in ``gradients``.
        """
        networks = n * (net.copies or 1)
        self.depth = len(net.hidden)
        self.has_copies = net.copies is not None
        self._backward_activation_ = relu_backward_ if net.activation == "relu" else tanh_backward_
        self._activation_ = torch.relu_ if net.activation == "relu" else torch.tanh_
        self.hidden = [torch.empty(networks, batch, width, dtype=dtype) for width in net.hidden]
        # A layer's activations are dead once its own gradient is known: the gradient of the layer before takes their place
        # where it fits, which keeps more of the workspaces in the cache.
        following = [*self.hidden[1:], None]
        self.deltas = [
            after if after is not None and after.shape == h.shape else torch.empty_like(h)
            for h, after in zip(self.hidden, following, strict=True)
        ]
        self.outputs = torch.empty(networks, net.outputs, batch, dtype=dtype)
        self.d_outputs = torch.empty_like(self.outputs)
        self.d_inputs = torch.empty(networks, net.inputs, batch, dtype=dtype)
        lead = (n,) if net.copies is None else (n, net.copies)
        shapes = [*((*lead, *shape) for shape in net.shapes), *((n, *shape) for shape in more)]
        self.gradients = Packed([torch.empty(shape, dtype=dtype) for shape in shapes])
        self._gradients = [g.view(networks, *shape) for g, shape in zip(self.gradients, net.shapes, strict=False)]
        # Views are made once: at small widths making them costs as much as using them.
        self._hidden_t = [h.mT for h in self.hidden]
        self._deltas_t = [delta.mT for delta in self.deltas]
        self._d_outputs_t = self.d_outputs.mT

    def networks(self, parameters: Parameters) -> Parameters:
        """Parameters with members and copies as one axis; no copy for contiguous parameters."""
        return [p.flatten(0, 1) for p in parameters] if self.has_copies else parameters

    def forward(self, networks: Parameters, inputs: Tensor) -> Tensor:
        """Evaluate.

        Args:
            networks: As :meth:`networks` gives them, ``N`` networks.
            inputs: ``(N, B, inputs)``; rows may be strided.

        Returns:
            ``(N, outputs, B)``, a workspace.
        """
        h = inputs
        for i, workspace in enumerate(self.hidden):
            weights, biases = networks[2 * i], networks[2 * i + 1]
            h = self._activation_(torch.baddbmm(biases.unsqueeze(1), h, weights, out=workspace))
        return torch.baddbmm(networks[-1].unsqueeze(2), networks[-2], self._hidden_t[-1], out=self.outputs)

    def backward(self, networks: Parameters, inputs: Tensor) -> Parameters:
        """Gradients of the parameters, for the output gradient in ``d_outputs`` ``(N, outputs, B)``.

        Follows a forward pass and uses up its activations.

        Args:
            networks: Those of the forward pass.
            inputs: Those of the forward pass.

        Returns:
            In the shapes of the parameters that :meth:`networks` was given, then what ``gradients`` has more; workspaces.
        """
        gradients = self._gradients
        torch.bmm(self.d_outputs, self.hidden[-1], out=gradients[-2])
        torch.sum(self.d_outputs, 2, out=gradients[-1])
        for i in reversed(range(self.depth)):
            delta = self._delta(networks, i)
            before = self._hidden_t[i - 1] if i else inputs.mT
            torch.bmm(before, delta, out=gradients[2 * i])
            torch.sum(delta, 1, out=gradients[2 * i + 1])
        return self.gradients

    def input_gradient(self, networks: Parameters, first: int) -> Tensor:
        """Gradient of the inputs from column ``first`` on; no gradient of a parameter or of another column is computed.

        Follows a forward pass and uses up its activations, like :meth:`backward`.

        Args:
            networks: Those of the forward pass.
            first: First input column.

        Returns:
            ``(N, inputs - first, B)``, a workspace.
        """
        for i in reversed(range(self.depth)):
            self._delta(networks, i)
        columns = networks[0][:, first:]
        # The leading part of the flat workspace, so that the result is contiguous.
        shape = (columns.shape[0], columns.shape[1], self.d_inputs.shape[2])
        result = self.d_inputs.view(-1)[: shape[0] * shape[1] * shape[2]].view(shape)
        return torch.bmm(columns, self._deltas_t[0], out=result)

    def _delta(self, networks: Parameters, i: int) -> Tensor:
        """Gradient of what enters the activation function of hidden layer ``i``; those of later layers come first."""
        delta = self.deltas[i]
        if i == self.depth - 1:
            torch.bmm(self._d_outputs_t, networks[-2], out=delta)
        else:
            torch.bmm(self.deltas[i + 1], networks[2 * i + 2].mT, out=delta)
        self._backward_activation_(delta, self.hidden[i])
        return delta


def relu_backward_(delta: Tensor, activated: Tensor) -> None:
    """Turn the gradient of what left a ReLU into that of what entered it, in place."""
    torch.ops.aten.threshold_backward.grad_input(delta, activated, 0, grad_input=delta)


def tanh_backward_(delta: Tensor, activated: Tensor) -> None:
    """Turn the gradient of what left a hyperbolic tangent into that of what entered it, in place."""
    torch.ops.aten.tanh_backward.grad_input(delta, activated, grad_input=delta)
