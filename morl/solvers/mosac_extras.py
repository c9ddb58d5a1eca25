"""Networks that can be attached to MOSAC and are trained beside it, with random streams of their own.

Adding them changes nothing else: the population's acting, batches, noise and parameters stay bitwise what they are without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from morl.errors import CapabilityError
from morl.functional import pessimistic_values
from morl.nn.distributions import tanh_gaussian
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, StackedMLP, blend_, restore_, select, write_
from morl.protocols import State, prefixed, unprefixed
from morl.seeding import torch_stream

if TYPE_CHECKING:
    from morl.solvers.mosac import MOSAC, MOSACLearner

EXTRAS = ("unregularised_critic", "next_state_predictor")
"""What can be attached: a twin critic of the plain return (no entropy term), and a model of the next observation."""


class MOSACExtras:
    """The attached networks of a population."""

    def __init__(self, solver: MOSAC, learner: MOSACLearner) -> None:
        """Build what ``solver.extras`` names."""
        if learner.is_discrete and "next_state_predictor" in solver.extras:
            raise CapabilityError("MOSAC's next_state_predictor is for continuous actions; leave it out of extras")
        self.solver, self.learner = solver, learner
        d, a = learner.encoder.width, learner.actions.num_actions
        device = learner.device
        self.has_critic = "unregularised_critic" in solver.extras
        self.has_predictor = "next_state_predictor" in solver.extras
        self.noise = torch_stream(learner.seed, "extras/noise", device=device)
        self.critic_net = learner.critic_net
        self.predictor_net = StackedMLP(d + a, solver.hidden, d)
        self.critic = self._init(self.critic_net, "critic", self.has_critic)
        self.target = [p.clone() for p in self.critic]
        self.predictor = self._init(self.predictor_net, "predictor", self.has_predictor)
        self.critic_adam = self._adam(self.critic)
        self.predictor_adam = self._adam(self.predictor)
        learner.declare_statistics(*(f"{network}_loss" for network in solver.extras))

    def _init(self, net: StackedMLP, name: str, wanted: bool) -> Parameters:
        streams = [torch_stream(self.learner.seed, f"init/extras/{name}", uid) for uid in self.learner.uids]
        return net.init(streams, self.learner.device) if wanted else []

    def _adam(self, parameters: Parameters) -> PopulationAdam | None:
        return (
            PopulationAdam(parameters, learning_rate=self.solver.critic_learning_rate, eps=self.solver.adam_eps)
            if parameters
            else None
        )

    def gradient_step(self, members: Selection, batch: dict[str, Tensor]) -> None:
        """One step of every attached network on the batch that the population just used.

        Args:
            members: Who is updated.
            batch: ``(n', B, width)`` each.
        """
        if self.critic_adam is not None:
            self._critic_step(members, batch)
        if self.predictor_adam is not None:
            inputs = torch.cat([batch["observation"], batch["action"]], -1)
            leaves = [p.detach().requires_grad_() for p in select(self.predictor, members)]
            change = batch["next_observation"] - batch["observation"]
            loss = (self.predictor_net(leaves, inputs) - change).square().mean((-2, -1))
            self.predictor_adam.step(list(torch.autograd.grad(loss.sum(), leaves)), members)
            self.learner.note_statistics(members, next_state_predictor_loss=loss)

    def _critic_step(self, members: Selection, batch: dict[str, Tensor]) -> None:
        assert self.critic_adam is not None
        learner, target = self.learner, select(self.target, members)
        with torch.no_grad():
            y = batch["reward"] + batch["discount"] * self._next_values(target, members, batch["next_observation"])
        leaves = [p.detach().requires_grad_() for p in select(self.critic, members)]
        if (finite := learner.finite) is not None:
            q = self._table(leaves, batch["observation"])
            q = finite.total_values(q, finite.stored_index(batch["action"]).unsqueeze(1).expand(-1, q.shape[1], -1, -1))
        else:
            q = self.critic_net(leaves, torch.cat([batch["observation"], batch["action"]], -1))
        loss = (q - y.unsqueeze(1)).square().mean((-2, -1)).sum(-1)
        self.critic_adam.step(list(torch.autograd.grad(loss.sum(), leaves)), members)
        blend_(target, select(self.critic, members), self.solver.tau)
        if not isinstance(members, slice):
            write_(self.target, members, target)
        learner.note_statistics(members, unregularised_critic_loss=loss)

    def _table(self, critic: Parameters, encoded: Tensor) -> Tensor:
        """Values of all choices of finite actions, ``(n', 2, B, S, m)``."""
        table: Tensor = self.critic_net(critic, encoded).unflatten(-1, (self.learner.actions.num_actions, self.learner.m))
        return table

    def _next_values(self, target: Parameters, members: Selection, encoded: Tensor) -> Tensor:
        """Plain-return values of the policy at encoded observations ``(n', B, d)``, ``(n', B, m)``."""
        learner, actions = self.learner, self.learner.actions
        weights, outputs = learner.linear_weights[members], learner.actor_net(select(learner.actor, members), encoded)
        if (finite := learner.finite) is not None:
            table = self._table(target, encoded)
            if finite.is_joint:
                return (outputs.softmax(-1).unsqueeze(-1) * pessimistic_values(table, weights)).sum(-2)
            return pessimistic_values((finite.log_softmax(outputs).exp()[:, None, :, :, None] * table).sum(-2), weights)
        noise = torch.randn((*encoded.shape[:2], actions.num_actions), generator=self.noise, device=learner.device)
        next_actions, _ = tanh_gaussian(outputs, noise, actions.scale, actions.offset)
        return pessimistic_values(self.critic_net(target, torch.cat([encoded, next_actions], -1)), weights)

    def predict(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Predicted next encoded observations.

        Args:
            observations: Raw, ``(B, *space.shape)``.
            actions: ``(B, a)``.

        Returns:
            ``(n, B, d)``, one prediction per member.
        """
        encoded = self.learner.encoder(observations).expand(self.learner.n, -1, -1)
        flat = actions.reshape(len(actions), -1).to(torch.float32).expand(self.learner.n, -1, -1)
        with torch.no_grad():
            return encoded + self.predictor_net(self.predictor, torch.cat([encoded, flat], -1))

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Follow a change of the population."""
        index = torch.as_tensor(list(source))
        self.critic, self.target, self.predictor = (
            [p[index].clone() for p in g] for g in (self.critic, self.target, self.predictor)
        )
        if self.critic_adam is not None:
            self.critic_adam = self.critic_adam.reindexed(self.critic, source, fresh)
        if self.predictor_adam is not None:
            self.predictor_adam = self.predictor_adam.reindexed(self.predictor, source, fresh)

    def state(self) -> State:
        """Networks, optimisers and the noise stream."""
        state: State = {"noise": self.noise.get_state()}
        for name in ("critic", "target", "predictor"):
            state |= {f"{name}/{i}": p for i, p in enumerate(getattr(self, name))}
        for name in ("critic_adam", "predictor_adam"):
            if (adam := getattr(self, name)) is not None:
                state |= prefixed(name, adam.state())
        return state

    def load_state(self, state: State) -> None:
        """Restore :meth:`state`."""
        self.noise.set_state(state["noise"])
        for name in ("critic", "target", "predictor"):
            for i, p in enumerate(getattr(self, name)):
                restore_(p, state[f"{name}/{i}"])
        for name in ("critic_adam", "predictor_adam"):
            if (adam := getattr(self, name)) is not None:
                adam.load_state(unprefixed(name, state))
