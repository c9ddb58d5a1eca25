"""Networks behind stochastic policies, with and without memory; all stacked over members."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from morl.errors import CapabilityError
from morl.nn.policy_networks.attention import Attention
from morl.nn.policy_networks.gru import GRU
from morl.nn.policy_networks.network import PolicyNetwork
from morl.nn.policy_networks.perceptron import Perceptron
from morl.nn.policy_networks.table import Table

NetworkKind: TypeAlias = Literal["perceptron", "table", "gru", "attention"]
"""Which network."""

_SEQUENCES = {cls.name: cls for cls in (Perceptron, GRU, Attention)}


def make_network(
    name: str, *, inputs: int, sizes: tuple[int, ...] | None, hidden: tuple[int, ...], outputs: int
) -> PolicyNetwork:
    """Make a network.

    Args:
        name: See :data:`NetworkKind`.
        inputs: Number of components of an input.
        sizes: How many values each component can take, for integral observations; None for real numbers.
        hidden: Width of each hidden layer; a table has none.
        outputs: Output width.

    Returns:
        The network.

    Raises:
        CapabilityError: A table of real numbers.
    """
    if name == "table":
        if sizes is None:
            raise CapabilityError("a table needs integral observations; use a perceptron")
        return Table(inputs, sizes, outputs)
    return _SEQUENCES[name](inputs, sizes, hidden, outputs)


def network_from(config: dict[str, Any]) -> PolicyNetwork:
    """Make a network from its :meth:`PolicyNetwork.config`."""
    return make_network(
        config["name"],
        inputs=config["inputs"],
        sizes=None if config["sizes"] is None else tuple(config["sizes"]),
        hidden=tuple(config.get("hidden", ())),
        outputs=config["outputs"],
    )


__all__ = ["GRU", "Attention", "NetworkKind", "Perceptron", "PolicyNetwork", "Table", "make_network", "network_from"]
