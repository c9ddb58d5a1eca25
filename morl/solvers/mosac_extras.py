"""What can be attached to MOSAC and is trained beside it: twin critics of the plain return, without the entropy term.

They have a random stream of their own, and change nothing else: the population's acting, batches, noise and parameters stay
bitwise what they are without.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Self

import torch
from torch import Tensor

from morl.functional import pessimistic_values
from morl.members import Change, Declared, Optimiser, Owns, PerMember, Stream
from morl.nn.distributions import tanh_gaussian
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, StackedMLP, blend_, select, write_
from morl.protocols import State
from morl.solvers.mosac_engines import ActionModel, Batch

EXTRAS = ("unregularised_critic",)
"""Names of what can be attached."""


class UnregularisedCritic(Declared):
    """Twin critics of the plain return of every member's policy."""

    owns: Owns = (PerMember("critic"), PerMember("target"), Optimiser("critic_adam", of="critic"), Stream("noise"))
    owns_under = ""

    def __init__(
        self,
        network: StackedMLP,
        parameters: Parameters,
        *,
        tau: float,
        learning_rate: float,
        eps: float,
        noise: torch.Generator,
    ) -> None:
        """Start with fresh critics.

        Args:
            network: Shape of the population's own critics.
            parameters: Of these critics, ``(n, 2, ...)``.
            tau: Blend of the targets.
            learning_rate: Adam's step size.
            eps: Adam's epsilon.
            noise: Source of the target's actions.
        """
        self.network, self.critic, self.tau, self.noise = network, parameters, tau, noise
        self.target = [p.clone() for p in parameters]
        self.critic_adam = PopulationAdam(parameters, learning_rate=learning_rate, eps=eps)

    def gradient_step(
        self, members: Selection, batch: Batch, next_outputs: Tensor, actions: ActionModel, weights: Tensor
    ) -> Tensor:
        """One step on the batch that the population just used.

        Args:
            members: Who is updated.
            batch: ``(n', B, width)`` each.
            next_outputs: Of the actors at the batch's next observations, ``(n', B, ...)``.
            actions: The population's.
            weights: ``(n', m)`` or ``(n', 1, m)``.

        Returns:
            Loss of each member, ``(n',)``.
        """
        target = select(self.target, members)
        with torch.no_grad():
            y = batch["reward"] + batch["discount"] * self._next_values(target, batch, next_outputs, actions, weights)
        leaves = [p.detach().requires_grad_() for p in select(self.critic, members)]
        if (finite := actions.finite) is not None:
            q = self._table(leaves, batch["observation"], finite.width, weights)
            q = finite.total_values(q, finite.stored_index(batch["action"]).unsqueeze(1).expand(-1, q.shape[1], -1, -1))
        else:
            q = self.network(leaves, torch.cat([batch["observation"], batch["action"]], -1))
        loss = (q - y.unsqueeze(1)).square().mean((-2, -1)).sum(-1)
        self.critic_adam.step(list(torch.autograd.grad(loss.sum(), leaves)), members)
        blend_(target, select(self.critic, members), self.tau)
        if not isinstance(members, slice):
            write_(self.target, members, target)
        return loss

    def _table(self, critic: Parameters, encoded: Tensor, width: int, weights: Tensor) -> Tensor:
        """Values of all choices of finite actions, ``(n', 2, B, S, m)``."""
        table: Tensor = self.network(critic, encoded).unflatten(-1, (width, weights.shape[-1]))
        return table

    def _next_values(self, target: Parameters, batch: Batch, outputs: Tensor, actions: ActionModel, weights: Tensor) -> Tensor:
        """Plain-return values of the policies at the next observations, ``(n', B, m)``."""
        encoded = batch["next_observation"]
        if (finite := actions.finite) is not None:
            table = self._table(target, encoded, finite.width, weights)
            if finite.is_joint:
                return (outputs.softmax(-1).unsqueeze(-1) * pessimistic_values(table, weights)).sum(-2)
            return pessimistic_values((finite.log_softmax(outputs).exp()[:, None, :, :, None] * table).sum(-2), weights)
        noise = torch.randn((*encoded.shape[:2], actions.num_actions), generator=self.noise, device=encoded.device)
        next_actions, _ = tanh_gaussian(outputs, noise, actions.scale, actions.offset)
        return pessimistic_values(self.network(target, torch.cat([encoded, next_actions], -1)), weights)

    def reindexed(self, source: Sequence[int], fresh: Sequence[bool]) -> Self:
        """Those of a changed population; see :class:`morl.members.MemberPart`."""
        other = copy(self)
        other.reindex_owned(Change(source, fresh, 1))
        return other

    def copy(self, source: int, target: int) -> None:
        """Nothing: a transfer leaves them as they are, for they follow the new policy soon enough."""

    def state(self) -> State:
        """Networks, optimiser and noise."""
        return self.owned_state()

    def load_state(self, state: State) -> None:
        """Restore :meth:`state`."""
        self.load_owned(state)
