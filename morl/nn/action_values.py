r"""Stacked Q-networks that take a binary action as input, in a form that can be folded at an observation.

Inputs are the action ``a``, the encoded observation ``s`` and, where each component of the action has an observed category of
its own (an arm and its state), the product of both: one weight per component and category. Given ``s`` all of them are linear
in ``a``, so what is left is the function of the action alone that :mod:`morl.mip.folded` describes, for whole batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from morl.errors import ConfigurationError
from morl.memory import require_parameters
from morl.nn.stacked import Parameters

if TYPE_CHECKING:
    from morl.mip.folded import FoldedNetwork

QModel = Literal["mlp", "factored", "concave", "linear"]


@dataclass(frozen=True)
class FoldedLayer:
    """One layer of ``n`` members at ``B`` observations."""

    recurrent: Tensor | None
    """What it takes from the layer before, ``(n, h', h)``, or ``(n, B, h', h)`` where that depends on the observation; None in
    the first layer."""
    direct: Tensor | None
    """What it takes from the action, ``(n, B, N, h)``; None for nothing."""
    constant: Tensor
    """``(n, B, h)``."""

    def __call__(self, hidden: Tensor | None, direct: Tensor | None) -> Tensor:
        """Outputs ``(n, B, C, h)`` from the layer before ``(n, B, C, h')`` and the action's share ``(n, B, C, h)``."""
        out = self.constant.unsqueeze(2)
        if direct is not None:
            out = out + direct
        if hidden is not None and self.recurrent is not None:
            n, batch, count, width = hidden.shape
            if self.recurrent.dim() == 4:
                out = out + hidden @ self.recurrent
            else:
                out = out + (hidden.reshape(n, batch * count, width) @ self.recurrent).view(n, batch, count, -1)
        return out


@dataclass(frozen=True)
class FoldedValues:
    """Q-networks of ``n`` members as functions of the action alone, at ``B`` observations each."""

    hidden: tuple[FoldedLayer, ...]
    output: FoldedLayer
    num_actions: int

    def __call__(self, actions: Tensor) -> Tensor:
        """Vector values of ``C`` actions at each observation: ``(n, B, C, N)`` gives ``(n, B, C, m)``."""
        given = actions.to(self.output.constant.dtype)
        return self._run([None if layer.direct is None else given @ layer.direct for layer in (*self.hidden, self.output)])

    def flips(self, actions: Tensor) -> Tensor:
        """Vector values after changing each component in turn: ``(n, B, N)`` gives ``(n, B, N, m)``."""
        given = actions.to(self.output.constant.dtype).unsqueeze(-2)
        change = 1.0 - 2.0 * given.transpose(-1, -2)
        return self._run(
            [
                None if layer.direct is None else given @ layer.direct + change * layer.direct
                for layer in (*self.hidden, self.output)
            ]
        )

    def _run(self, direct: list[Tensor | None]) -> Tensor:
        h: Tensor | None = None
        for layer, share in zip(self.hidden, direct, strict=False):
            h = torch.relu(layer(h, share))
        out: Tensor = self.output(h, direct[-1])
        return out

    def in_units(self, scale: Tensor, offset: Tensor) -> FoldedValues:
        """The same with outputs ``offset + scale * q``, both ``(n, m)``."""
        last = self.output
        output = FoldedLayer(
            None if last.recurrent is None else last.recurrent * scale.view(len(scale), *[1] * (last.recurrent.dim() - 2), -1),
            None if last.direct is None else last.direct * scale[:, None, None],
            last.constant * scale.unsqueeze(1) + offset.unsqueeze(1),
        )
        return replace(self, output=output)

    def bounds(self) -> list[tuple[Tensor, Tensor]]:
        """Interval bounds of pre-activations over all binary actions, ``(n, B, h)`` each, differentiable."""
        found: list[tuple[Tensor, Tensor]] = []
        low = high = None
        for layer in self.hidden:
            lower = upper = layer.constant
            if layer.direct is not None:
                lower, upper = lower + layer.direct.clamp(max=0).sum(2), upper + layer.direct.clamp(min=0).sum(2)
            if layer.recurrent is not None and low is not None and high is not None:
                positive, negative = layer.recurrent.clamp(min=0), layer.recurrent.clamp(max=0)
                lower, upper = lower + low @ positive + high @ negative, upper + high @ positive + low @ negative
            found.append((lower, upper))
            low, high = torch.relu(lower), torch.relu(upper)
        return found

    def network(self, member: int, observation: int) -> FoldedNetwork:
        """One of them for a mixed-integer program, in float64."""
        from morl.mip.folded import FoldedNetwork, Layer

        layers = []
        before = 0
        for layer in (*self.hidden, self.output):
            size = layer.constant.shape[-1]
            recurrent: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.zeros((size, before))
            if layer.recurrent is not None:
                mine = layer.recurrent[member]
                recurrent = _array(mine[observation] if mine.dim() == 3 else mine).T
            direct = np.zeros((size, self.num_actions)) if layer.direct is None else _array(layer.direct[member, observation]).T
            layers.append(Layer(recurrent, direct, _array(layer.constant[member, observation])))
            before = size
        return FoldedNetwork(tuple(layers[:-1]), layers[-1])


def _array(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return tensor.detach().cpu().numpy().astype(np.float64)


@dataclass(frozen=True)
class ActionValueNet:
    r"""Shape of a stacked Q-network over binary actions; parameters are passed to every call.

    ``mlp``: a ReLU network. ``factored``: a sum over the ``P`` observed components of values of their own,
    :math:`\sum_p v_p(s_p) + g_p(s_p)^\top a + c_p(s_p)^\top h(a)`: tables with one row per category, and one ReLU network ``h``
    of the action alone. ``concave``: minus a convex function of the action, which an integer program holds without a binary
    per unit: hidden-to-hidden weights enter by their absolute values, and every layer sees the inputs again. ``linear``:
    :math:`v(s) + \sum_j a_j g_j(s)` with a ReLU network for ``v`` and ``g``.

    Source:
        Guestrin, Koller, Parr, Venkataraman, Efficient Solution Algorithms for Factored MDPs, JAIR 19 (2003) (``factored``);
        Amos, Xu, Kolter, Input Convex Neural Networks, ICML 2017 (``concave``).
    """

    num_actions: int
    """``N``."""
    observation: int
    """Width of an encoded observation, ``d``."""
    hidden: tuple[int, ...]
    """Width of each hidden layer."""
    outputs: int
    """``m``."""
    model: QModel = "mlp"
    """Kind of network."""
    categories: int = 0
    """Width of the part of the observation that each action component is multiplied with: the whole observation if it is ``d``,
    its own block if observations are ``N`` blocks of this width; 0 for no product inputs."""
    additive: bool = False
    """Let the last layer of an ``mlp`` see the inputs too: a sum over components, which begins at 0, and to which the hidden
    layers add what components are worth together."""
    parts: int = 1
    """Observed components ``P`` of a ``factored`` network: blocks of the encoded observation, equally wide."""

    def __post_init__(self) -> None:
        if self.categories not in (0, self.observation) and self.categories * self.num_actions != self.observation:
            raise ConfigurationError(
                f"{self.num_actions} components of {self.categories} categories are not {self.observation} inputs"
            )
        if self.observation % self.parts:
            raise ConfigurationError(f"{self.observation} inputs cannot be {self.parts} blocks of the same width")

    @property
    def _layers(self) -> list[tuple[int, int, bool]]:
        """Inputs from the layer before, outputs, and whether the layer sees action and observation."""
        outputs = self.outputs * (1 + self.num_actions) if self.model == "linear" else self.outputs
        widths = (0, *self.hidden, outputs)
        layers = [(a, b, a == 0 or self.model == "concave") for a, b in pairwise(widths)]
        if self.additive and self.model == "mlp":
            layers[-1] = (*layers[-1][:2], True)
        return layers

    def init(self, generators: Sequence[torch.Generator], device: torch.device) -> Parameters:
        """Draw parameters.

        Args:
            generators: One CPU generator per member.
            device: Where the parameters live.

        Returns:
            Parameters ``(n, ...)``.
        """
        inputs = self.num_actions + self.observation
        count = sum((before + sees * inputs + 1) * size for before, size, sees in self._layers)
        require_parameters(len(generators) * count, device)
        members = [self._init_member(generator) for generator in generators]
        return [torch.stack(parts).to(device) for parts in zip(*members, strict=True)]

    def _init_member(self, generator: torch.Generator) -> Parameters:
        if self.model == "factored":
            return self._init_factored(generator)

        def normal(*shape: int, fan: int) -> Tensor:
            drawn: Tensor = torch.randn(shape, generator=generator) * (2.0 / max(fan, 1)) ** 0.5
            return drawn

        parameters: Parameters = []
        active = self.num_actions if self.categories else min(self.observation, self.num_actions)
        for before, size, sees in self._layers:
            if before:
                parameters.append(normal(before, size, fan=2 * before))
            if sees:
                inputs = [normal(self.observation, size, fan=2 * active)]
                if self.model != "linear":
                    inputs.append(normal(self.num_actions, size, fan=2 * active))
                    if self.categories:
                        together = active * (self.num_actions if self.categories == self.observation else 1)
                        inputs.append(normal(self.num_actions, self.categories, size, fan=2 * together))
                parameters += [torch.zeros_like(p) for p in inputs] if before and self.model == "mlp" else inputs
            parameters.append(torch.zeros(size))
        return parameters

    def fold(self, parameters: Parameters, encoded: Tensor) -> FoldedValues:
        """Fix observations ``(n, B, d)``; gradients flow to the parameters."""
        if self.model == "factored":
            return self._fold_factored(parameters, encoded)
        left = iter(parameters)
        layers: list[FoldedLayer] = []
        for before, _, sees in self._layers:
            recurrent = next(left) if before else None
            if recurrent is not None and self.model == "concave":
                recurrent = recurrent.abs()
            direct, constant = None, None
            if sees:
                constant = encoded @ next(left)
                if self.model != "linear":
                    direct = next(left).unsqueeze(1)
                    if self.categories == self.observation:
                        weights = next(left)
                        n, _, width, size = weights.shape
                        # One product for all components: (n, B, d) @ (n, d, N h)
                        flat = weights.transpose(1, 2).reshape(n, width, self.num_actions * size)
                        direct = direct + (encoded @ flat).unflatten(-1, (self.num_actions, size))
                    elif self.categories:
                        states = encoded.unflatten(-1, (self.num_actions, self.categories))
                        # (n, N, B, K) @ (n, N, K, h): each component's weights in its category
                        direct = direct + (states.transpose(1, 2) @ next(left)).transpose(1, 2)
                    else:
                        direct = direct.expand(-1, encoded.shape[1], -1, -1)
            bias = next(left).unsqueeze(1)
            constant = bias.expand(-1, encoded.shape[1], -1) if constant is None else constant + bias
            layers.append(FoldedLayer(recurrent, direct, constant))
        if self.model == "linear":
            h: Tensor | None = None
            for layer in layers[:-1]:
                h = torch.relu(layer(None if h is None else h, None))
            last = layers[-1](h, None).squeeze(2).unflatten(-1, (1 + self.num_actions, self.outputs))
            return FoldedValues((), FoldedLayer(None, last[:, :, 1:], last[:, :, 0]), self.num_actions)
        output = layers[-1]
        if self.model == "concave" and output.recurrent is not None:
            output = replace(output, recurrent=-output.recurrent)
        return FoldedValues(tuple(layers[:-1]), output, self.num_actions)

    # ------------------------------------------------------------------ factored

    @property
    def _own(self) -> bool:
        """Whether each observed component is worth more or less only by its own component of the action and by ``h(a)``."""
        return 0 < self.categories < self.observation

    def _init_factored(self, generator: torch.Generator) -> Parameters:
        """Weights and biases of ``h``, then the tables, which begin at 0.

        They are ``v (d, m)``, ``g (d, N, m)`` (its own column only: ``(d, m)``) and ``c (d, h, m)``.
        """
        parameters: Parameters = []
        for before, size in pairwise((self.num_actions, *self.hidden)):
            parameters.append(torch.randn(before, size, generator=generator) * (4.0 / before) ** 0.5)
            parameters.append(torch.zeros(size))
        d, m = self.observation, self.outputs
        parameters += [torch.zeros(d, m), torch.zeros((d, m) if self._own else (d, self.num_actions, m))]
        return [*parameters, torch.zeros(d, self.hidden[-1], m)] if self.hidden else parameters

    def _fold_factored(self, parameters: Parameters, encoded: Tensor) -> FoldedValues:
        batch = encoded.shape[1]
        layers = []
        for i in range(len(self.hidden)):
            weight, bias = parameters[2 * i], parameters[2 * i + 1].unsqueeze(1).expand(-1, batch, -1)
            first = weight.unsqueeze(1).expand(-1, batch, -1, -1) if i == 0 else None
            layers.append(FoldedLayer(weight if i else None, first, bias))
        v, g, *c = parameters[2 * len(self.hidden) :]
        if self._own:
            direct = (encoded.unsqueeze(-1) * g.unsqueeze(1)).unflatten(2, (self.num_actions, -1)).sum(3)
        else:
            direct = (encoded @ g.flatten(2)).unflatten(-1, g.shape[2:])
        recurrent = (encoded @ c[0].flatten(2)).unflatten(-1, c[0].shape[2:]) if c else None
        return FoldedValues(tuple(layers), FoldedLayer(recurrent, direct, encoded @ v), self.num_actions)

    def part_values(self, parameters: Parameters, encoded: Tensor, actions: Tensor) -> Tensor:
        """What each observed component is worth to a ``factored`` network.

        Args:
            parameters: ``(n, ...)`` each.
            encoded: Observations ``(n, B, d)``.
            actions: One for each, ``(n, B, N)``.

        Returns:
            ``(n, B, P, m)``; their sum over ``P`` is the value of :meth:`fold`.
        """
        given = actions.to(encoded.dtype)
        v, g, *c = parameters[2 * len(self.hidden) :]
        features, tables = [torch.ones_like(given[..., :1])], [v.unsqueeze(1)]
        if not self._own:
            features.append(given)
            tables.append(g.transpose(1, 2))
        if c:
            h = given
            for i in range(len(self.hidden)):
                h = torch.relu(h @ parameters[2 * i] + parameters[2 * i + 1].unsqueeze(1))
            features.append(h)
            tables.append(c[0].transpose(1, 2))
        # One product for the tables of all categories, of which those observed are picked: (n, B, f) @ (n, f, d m).
        worth = (torch.cat(features, -1) @ torch.cat(tables, 1).flatten(2)).unflatten(-1, (self.observation, self.outputs))
        if self._own:
            own = given.repeat_interleave(self.categories, -1).unsqueeze(-1) * g.unsqueeze(1)
            worth = worth + own
        seen: Tensor = (encoded.unsqueeze(-1) * worth).unflatten(2, (self.parts, -1)).sum(3)
        return seen
