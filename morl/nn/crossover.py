"""Networks made of the hidden units of two parents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from morl.nn.stacked import Parameters, StackedMLP


def unit_masks(network: StackedMLP, generator: torch.Generator, device: torch.device) -> list[Tensor]:
    """Draw a parent for every hidden unit, each with the same chance.

    Args:
        network: Shape of the parents.
        generator: Source of randomness, on that device.
        device: Where the masks live.

    Returns:
        One mask for each hidden layer, ``(width,)`` or ``(copies, width)`` bool; True is the second parent.
    """
    lead = () if network.copies is None else (network.copies,)
    return [torch.rand((*lead, width), generator=generator, device=device) < 0.5 for width in network.hidden]


def crossed(first: Parameters, second: Parameters, masks: Sequence[Tensor]) -> Parameters:
    """Make a network of two parents' units.

    What comes into a unit, its bias included, is its parent's; so is what goes out of the last hidden layer. In between, what
    goes out of a unit is what comes into the next ones. The biases of the outputs are shared out in proportion to the units of
    the last hidden layer.

    Args:
        first: Parameters of one :class:`~morl.nn.stacked.StackedMLP`, in its order, without the axis of members.
        second: Of another one of the same shape.
        masks: See :func:`unit_masks`: nothing but False gives the first parent, nothing but True the second, to the bit.

    Returns:
        Parameters of the child.
    """
    child: Parameters = []
    for i, mask in enumerate(masks):
        weight, bias = 2 * i, 2 * i + 1
        child += [torch.where(mask.unsqueeze(-2), second[weight], first[weight]), torch.where(mask, second[bias], first[bias])]
    last = masks[-1]
    share = last.to(first[-1].dtype).mean(-1, keepdim=True).expand_as(first[-1])
    return [*child, torch.where(last.unsqueeze(-2), second[-2], first[-2]), torch.lerp(first[-1], second[-1], share)]
