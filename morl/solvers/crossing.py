"""Crossover of members that learn from stored transitions, followed by behaviour cloning."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from morl.nn.crossover import crossed, unit_masks
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, StackedMLP, select
from morl.seeding import torch_stream
from morl.solvers.off_policy import OffPolicyLearner


class Actors(NamedTuple):
    """The networks by which members act."""

    network: StackedMLP
    parameters: Parameters
    adam: PopulationAdam


class CrossesActors(OffPolicyLearner):
    """Mixin of off-policy learners whose members have networks of their own."""

    @property
    @abstractmethod
    def actors(self) -> Actors:
        """The members' networks that are crossed."""

    @abstractmethod
    def imitation_loss(self, outputs: Tensor, taught: Tensor) -> Tensor:
        """How far outputs of :attr:`actors` are from a teacher's, ``(..., B, o)`` each -> ``(..., B)``."""

    def _crossed(self, target: int) -> None:
        """Follow in what else depends on a child's network."""

    def cross(self, source: int, target: int, *, occasion: int, clone_steps: int) -> bool:
        """Replace a member by a child of itself and another one; see :class:`morl.capabilities.CrossesParameters`."""
        if not self.ring.can_sample(members=[source, target]):
            return False
        network, parameters, adam = self.actors
        purpose = f"crossover/{self.uids[source]}"
        chance = torch_stream(self.seed, purpose, self.uids[target], occasion, device=self.device)
        parents = [p[[source, target]] for p in parameters]
        child = crossed([p[0] for p in parents], [p[1] for p in parents], unit_masks(network, chance, self.device))
        for parameter, value in zip(parameters, child, strict=True):
            parameter[target] = value
        adam.reset(target)
        place = slice(target, target + 1)
        for _ in range(clone_steps):
            seen = self.ring.sample(self.solver.batch_size, generator=chance, members=[source, target])["observation"]
            with torch.no_grad():
                # One after the other along the batch: the child sees what both of them saw.
                taught = torch.cat(network(parents, seen).split(1), -2)
            leaves = [p.detach().requires_grad_() for p in select(parameters, place)]
            loss = self.imitation_loss(network(leaves, seen.flatten(0, 1).unsqueeze(0)), taught).mean(-1).sum()
            adam.step(list(torch.autograd.grad(loss, leaves)), place)
        adam.reset(target)
        if self.actor_family[source] != self.actor_family[target]:
            # Half of its units are each parent's: to either of them it is a stranger.
            self.actor_family[target] = self.actor_family.max() + 1
        self._crossed(target)
        return True
