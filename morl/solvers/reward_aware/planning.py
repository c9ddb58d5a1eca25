"""The best policies for the utilities of a population in a known world: reward-aware value iteration for all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from envs.tabular.tables import Tables
from morl.oracles.reward_aware_value_iteration import Layer, layers_of
from morl.task import Utility

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_FINE = 1e-9
"""Accrued rewards that differ by less are the same; share of the largest reward."""
_SHORTEST = 16
"""Entries that a policy's table has at least: their number doubles, so that few lengths occur."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What each of ``n`` members does, in every situation that it may come into; up to ``N`` of them."""

    state: Indices
    """``(n, N)``; -1 for entries that are not used."""
    step: Indices
    """Steps played so far, ``(n, N)``."""
    accrued: Array
    """Discounted rewards so far, ``(n, N, m)``."""
    action: Indices
    """``(n, N)``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Expanded:
    """A world with what can be accrued in it, step by step."""

    tables: Tables
    layers: list[Layer]

    def is_of(self, tables: Tables) -> bool:
        """Whether it is the expansion of a world with the same numbers."""
        names = ("successors", "probabilities", "rewards", "terminal", "starts", "start_probabilities")
        return all(np.array_equal(getattr(tables, name), getattr(self.tables, name)) for name in names)


def expanded(tables: Tables, *, gamma: float, horizon: int, spacing: float, limit: int) -> Expanded:
    """What can be the case in a world after each number of steps.

    Args:
        tables: The world.
        gamma: Discount.
        horizon: Steps after which an episode is cut.
        spacing: Side of a cell to which accrued rewards are rounded, return units; 0 for none.
        limit: Largest number of states with accrued rewards in one step.

    Raises:
        ConfigurationError: There are more than ``limit`` states with accrued rewards.
    """
    largest = np.abs(tables.rewards).max((0, 1, 2))
    cell = np.maximum(spacing, _FINE * np.where(largest > 0, largest, 1.0))
    layers = layers_of(tables, gamma, horizon, cell, np.full(len(cell), spacing > 0), limit)
    return Expanded(tables=tables, layers=layers)


def plan(world: Expanded, usable: npt.NDArray[np.bool_], utility: Utility) -> Plan:
    r"""Maximise each member's expected utility of an episode's return.

    .. math:: V_t(s, z) = \max_a \mathbb{E}\,[V_{t+1}(s', z + \gamma^t r)], \qquad V(\text{end}, z) = u(z)

    Args:
        world: The world.
        usable: Actions to choose from, ``(S, A)``; at least one in every state.
        utility: Of the members, on the CPU.

    Returns:
        The situations in which the members may come by what they do.
    """
    n = len(utility.weights)
    choices: list[Indices] = []
    after = np.zeros((n, 1))
    for layer in reversed(world.layers):
        worth = _utilities(utility, layer.ended, n)
        child = np.where(layer.child >= 0, after[:, layer.child], worth[:, np.maximum(layer.outcome, 0)])
        values = np.where(usable[layer.state], (child * layer.chance).sum(-1), -np.inf)
        choices.append(values.argmax(2))
        # The last entry is what -1 points at.
        after = np.concatenate([values.max(2), np.zeros((n, 1))], axis=1)
    return _reached(world.layers, choices[::-1], n, world.tables)


def _utilities(utility: Utility, returns: Array, n: int) -> Array:
    """Of every member, ``(n, max(1, k))``."""
    if not len(returns):
        return np.zeros((n, 1))
    worth: Array = utility(torch.from_numpy(returns).expand(n, *returns.shape)).numpy()
    return worth


def _reached(layers: list[Layer], choices: list[Indices], n: int, tables: Tables) -> Plan:
    """What can happen to each member if it does what it chose."""
    here = np.ones((n, len(layers[0].state)), np.bool_)
    found: list[tuple[Indices, ...]] = []
    accrued: list[Array] = []
    for step, (layer, choice) in enumerate(zip(layers, choices, strict=True)):
        member, node = np.nonzero(here)
        taken = choice[member, node]
        found.append((member, tables.observations[layer.state[node]], np.full(len(member), step), taken))
        accrued.append(layer.accrued[node])
        child = layer.child[node, taken]
        goes_on = (child >= 0) & (layer.chance[node, taken] > 0)
        here = np.zeros((n, len(layers[step + 1].state) if step + 1 < len(layers) else 0), np.bool_)
        here[np.broadcast_to(member[:, None], child.shape)[goes_on], child[goes_on]] = True
    member, state, steps, action = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(member, kind="stable")
    counts = np.bincount(member, minlength=n)
    length = max(_SHORTEST, 1 << int(counts.max() - 1).bit_length())
    place = (member[order], np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts))
    flat = np.concatenate(accrued)[order]
    result = Plan(
        state=np.full((n, length), -1), step=np.zeros((n, length), np.int64),
        accrued=np.zeros((n, length, flat.shape[1])), action=np.zeros((n, length), np.int64),
    )  # fmt: skip
    result.state[place], result.step[place], result.action[place] = state[order], steps[order], action[order]
    result.accrued[place] = flat
    return result
