"""Acting on graphs: Markov policies evaluated some steps ahead, for all rows that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from morl.nn.policy_networks.network import PolicyNetwork
from morl.nn.stacked import Parameters
from morl.protocols import Rows

if TYPE_CHECKING:
    from envs.coverage.graph_world import GraphWorld

ENOUGH = 500
"""States for which policies are evaluated in one call: fewer would cost nearly as much."""


class WalkActor:
    """Chooses the actions of whole episodes in a graph world, one step after the other.

    Policies are evaluated once per (step, node), some steps ahead, at the nodes that can be reached meanwhile.
    """

    def __init__(
        self, network: PolicyNetwork, parameters: Parameters, world: GraphWorld, owners: Tensor, noise: Tensor
    ) -> None:
        """Start episodes.

        Args:
            network: Of the policies; its inputs are the world's coordinates and the step.
            parameters: Of ``n`` members.
            world: Where they walk.
            owners: Member of each row, ``(r,)``.
            noise: Uniform numbers, ``(H, r)``.
        """
        self.network, self.parameters, self.owners, self.noise = network, parameters, owners, noise
        self.horizon, self.successors, self.coordinates = world.horizon, world.successors, world.coordinates
        self.members = len(parameters[0])
        self.actions: list[Tensor] = []
        """What was chosen at each step so far, ``(r,)`` each."""
        self._where = np.empty((self.horizon, len(self.successors)), dtype=np.int64)
        self._table, self._known = torch.empty(0), 0

    def __call__(self, nodes: Rows, step: int) -> Rows:
        """Actions ``(r,)`` of rows that are at some nodes, ``(r,)``."""
        if step == self._known:
            self._evaluate(nodes, step)
        place = torch.from_numpy(self._where[step][nodes]).to(self.noise.device)
        if self.members > 1:
            place += self.owners * (self._table.shape[1] // self.members)
        cumulative = self._table.index_select(1, place)
        chosen = (self.noise[step] * cumulative[-1] >= cumulative).sum(0).clamp_max_(len(cumulative) - 1)
        self.actions.append(chosen)
        actions: Rows = chosen.cpu().numpy()
        return actions

    def _evaluate(self, nodes: Rows, step: int) -> None:
        """Tabulate the cumulative probabilities of actions ``(A, n U)``; the steps are asked for one after the other."""
        count, parts = 0, []
        while self._known < self.horizon and count < ENOUGH:
            occurs = np.zeros(len(self.successors), dtype=np.bool_)
            occurs[nodes] = True
            found = np.flatnonzero(occurs)
            self._where[self._known, found] = np.arange(count, count + len(found))
            parts.append(found)
            count, nodes = count + len(found), self.successors[found]
            self._known += 1
        # The step is the last component of a state.
        steps = np.repeat(np.arange(step, self._known), [len(part) for part in parts])
        inputs = np.concatenate([self.coordinates[np.concatenate(parts)], steps[:, None]], 1)
        with torch.no_grad():
            places = torch.from_numpy(inputs).to(self.noise.device).unsqueeze(0)
            outputs, _ = self.network.step(self.parameters, places, {})
            # Actions first: few of them, and many states side by side.
            logits = outputs.movedim(2, 0).reshape(outputs.shape[2], -1)
            self._table = logits.softmax(0).cumsum(0)
