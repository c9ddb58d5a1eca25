r"""A Q-network at one observation: a function of the action alone.

Once the observation is known, whatever the network computes from it is a constant. What is left is

.. math::
    h_k = \max(0, p_k), \quad p_k = R_k h_{k-1} + D_k a + c_k, \qquad q(a) = R\, h_K + D a + c

with :math:`h_0` empty. A plain ReLU network has :math:`D_k = 0` beyond the first layer; an input-concave one has
:math:`R_k \ge 0` and :math:`R \le 0`; a network that is linear in the action has no hidden layer at all. The same integer
program, the same bounds and the same heuristics serve all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: what it takes from the layer before, from the action, and its constant."""

    recurrent: Array
    """:math:`R_k`, ``(h_k, h_{k-1})``; ``(h_1, 0)`` in the first layer."""
    direct: Array
    """:math:`D_k`, ``(h_k, N)``."""
    constant: Array
    """:math:`c_k`, ``(h_k,)``; holds the observation."""

    def __call__(self, hidden: Array, actions: Array) -> Array:
        """Outputs before any activation: ``(B, h_{k-1})`` and ``(B, N)`` give ``(B, h_k)``."""
        return np.asarray(hidden @ self.recurrent.T + actions @ self.direct.T + self.constant)


@dataclass(frozen=True, eq=False)
class FoldedNetwork:
    """A Q-network with ``m`` outputs at one observation; float64."""

    hidden: tuple[Layer, ...]
    """Hidden layers, first one first; may be empty."""
    output: Layer
    """The last, linear layer: ``m`` outputs."""

    @property
    def num_actions(self) -> int:
        """``N``."""
        return int(self.output.direct.shape[1])

    @property
    def num_outputs(self) -> int:
        """``m``."""
        return len(self.output.constant)

    def __call__(self, actions: npt.NDArray[Any]) -> Array:
        """Values of actions: ``(B, N)`` gives ``(B, m)``."""
        return self.output(self.activations(actions)[-1], np.asarray(actions, np.float64))

    def activations(self, actions: npt.NDArray[Any]) -> list[Array]:
        """What each hidden layer puts out, ``(B, h_k)``, after an empty one that stands for the layer before the first."""
        given = np.asarray(actions, np.float64)
        found = [np.zeros((len(given), 0))]
        for layer in self.hidden:
            found.append(np.maximum(layer(found[-1], given), 0.0))
        return found


@dataclass(frozen=True, eq=False)
class ReLUNetwork:
    """A network of Linear and ReLU layers on ``concat(action, observation)``, read from torch once and checked."""

    weights: tuple[Array, ...]
    """``(out, in)`` each."""
    biases: tuple[Array, ...]
    """``(out,)`` each."""

    @classmethod
    def from_torch(cls, network: Any, *, name: str = "network") -> ReLUNetwork:
        """Read a ``torch.nn.Sequential``.

        Args:
            network: Linear layers with ReLU between them (Identity, Flatten and Dropout in evaluation mode change nothing
                and are passed over); ends with a Linear layer.
            name: What to call it in errors.

        Raises:
            ConfigurationError: It holds another layer, two Linear or two ReLU layers in a row, or a parameter that is
                not finite.
            ShapeError: Widths of consecutive layers differ.
        """
        import torch

        if not isinstance(network, torch.nn.Sequential):
            raise ConfigurationError(
                f"{name} is {type(network).__name__}; expected a torch.nn.Sequential of Linear and ReLU layers on "
                "concat(action, observation), or a list of such networks"
            )
        weights: list[Array] = []
        biases: list[Array] = []
        last = ""
        for position, layer in enumerate(_flattened(network)):
            if isinstance(layer, (torch.nn.Identity, torch.nn.Flatten)) or (
                isinstance(layer, torch.nn.Dropout) and not layer.training
            ):
                continue
            if isinstance(layer, torch.nn.Linear):
                kind = "Linear"
                weights.append(layer.weight.detach().cpu().numpy().astype(np.float64))
                bias: Any = layer.bias
                biases.append(np.zeros(layer.out_features) if bias is None else bias.detach().cpu().numpy().astype(np.float64))
            elif isinstance(layer, torch.nn.ReLU):
                kind = "ReLU"
            else:
                hint = "; call network.eval() first" if isinstance(layer, torch.nn.Dropout) else ""
                raise ConfigurationError(
                    f"{name}[{position}] is {type(layer).__name__}, which a mixed-integer linear program cannot hold{hint}: "
                    "use Linear and ReLU layers only"
                )
            if (kind, last) in {("ReLU", "ReLU"), ("ReLU", ""), ("Linear", "Linear")}:
                raise ConfigurationError(f"{name}: Linear and ReLU layers must alternate, beginning and ending with Linear")
            last = kind
        if last != "Linear":
            raise ConfigurationError(f"{name} must end with a Linear layer, found {last or 'no layer at all'}")
        for before, after in itertools.pairwise(weights):
            if before.shape[0] != after.shape[1]:
                raise ShapeError(f"{name}: a layer puts out {before.shape[0]} numbers, the next one takes {after.shape[1]}")
        if not all(np.isfinite(part).all() for part in (*weights, *biases)):
            raise ConfigurationError(f"{name} holds parameters that are NaN or infinite; training has diverged")
        return cls(tuple(weights), tuple(biases))

    def fold(self, observation: Array, num_actions: int) -> FoldedNetwork:
        """Fix the observation ``(d,)``.

        Raises:
            ShapeError: The network does not take ``num_actions + d`` inputs.
        """
        width = self.weights[0].shape[1]
        if width != num_actions + observation.size:
            raise ShapeError(
                f"the network takes {width} inputs; expected {num_actions} of the action and {observation.size} of the "
                f"observation, {num_actions + observation.size} in all"
            )
        first = self.weights[0]
        layers = [
            Layer(np.zeros((len(first), 0)), first[:, :num_actions], self.biases[0] + first[:, num_actions:] @ observation)
        ]
        layers += [Layer(w, np.zeros((len(w), num_actions)), b) for w, b in zip(self.weights[1:], self.biases[1:], strict=True)]
        return FoldedNetwork(tuple(layers[:-1]), layers[-1])


def _flattened(network: Any) -> list[Any]:
    import torch

    layers: list[Any] = []
    for layer in network:
        layers += _flattened(layer) if isinstance(layer, torch.nn.Sequential) else [layer]
    return layers


def check_networks(networks: Sequence[FoldedNetwork]) -> None:
    """Check that networks can stand in one program: same actions, same outputs, finite numbers and outputs.

    Raises:
        ConfigurationError: There is none, or one holds a number that is not finite.
        ShapeError: They differ in actions or outputs.
    """
    if not networks:
        raise ConfigurationError("the list of networks is empty; give at least one")
    shapes = {(network.num_actions, network.num_outputs) for network in networks}
    if len(shapes) > 1:
        raise ShapeError(f"networks differ in (actions, outputs): {sorted(shapes)}; expected the same for all")
    for network in networks:
        largest = np.zeros(0)
        for layer in (*network.hidden, network.output):
            if not all(np.isfinite(part).all() for part in (layer.recurrent, layer.direct, layer.constant)):
                raise ConfigurationError("the network or the observation holds numbers that are NaN or infinite")
            with np.errstate(over="ignore"):
                largest = np.abs(layer.recurrent) @ largest + np.abs(layer.direct).sum(1) + np.abs(layer.constant)
        if not np.isfinite(largest).all():
            raise ConfigurationError("the network may put out numbers that are infinite in float64; training has diverged")
