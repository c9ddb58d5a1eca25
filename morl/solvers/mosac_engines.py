"""The losses of MOSAC and their gradients, by autograd: the reference, and the same recorded as CUDA graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from morl.action_spaces import FiniteActions
from morl.functional import discrete_sac_target, factored_sac_target, sac_target
from morl.nn.captured import Captured
from morl.nn.distributions import tanh_gaussian
from morl.nn.stacked import Parameters, StackedMLP

Batch = dict[str, Tensor]


class ActionModel(NamedTuple):
    """What the losses need to know of the action space."""

    is_discrete: bool
    num_actions: int
    """Outputs of a head over finite actions (``|A|`` if they are listed), or ``dim(A)``."""
    scale: Tensor
    """Half-width of the box, ``(a,)``; empty if finite."""
    offset: Tensor
    """Centre of the box, ``(a,)``; empty if finite."""
    target_entropy: float
    finite: FiniteActions | None = None
    """The choices of finite actions."""


class Update(NamedTuple):
    """What one update of some members is computed from; all tensors have them on axis 0."""

    actor: Parameters
    critic: Parameters
    target: Parameters
    alpha: Tensor
    """Temperatures, ``(n,)``."""
    weights: Tensor
    """By which is judged, ``(n, B, m)``, or ``(n, 1, m)`` where all of a batch are the same."""
    batch: Batch
    """From the store, ``(n, B, width)`` each."""
    noise: Tensor
    """Standard normal ``(2, n, B, a)``: for the target's and for the actor's actions."""


class UpdateEngine(Protocol):
    """Computes the gradients of one update."""

    def critic_gradients(self, update: Update) -> tuple[Parameters, Tensor]:
        """Gradients of the critics' loss and the loss ``(n,)``."""
        ...

    def actor_gradients(self, update: Update) -> tuple[Parameters, Tensor, Tensor]:
        """Gradients of the actor's loss, the loss ``(n,)`` and the mean log-density (negative entropy) ``(n,)``."""
        ...


class AutogradEngine:
    """The reference: losses as the paper writes them, differentiated by autograd."""

    def __init__(self, actor_net: StackedMLP, critic_net: StackedMLP, actions: ActionModel, m: int) -> None:
        """Keep the shapes of the networks."""
        self.actor_net, self.critic_net, self.actions, self.m = actor_net, critic_net, actions, m

    def critic_gradients(self, update: Update) -> tuple[Parameters, Tensor]:
        """See :meth:`UpdateEngine.critic_gradients`."""
        batch = update.batch
        with torch.no_grad():
            y = self._target(update)
        leaves = [p.detach().requires_grad_() for p in update.critic]
        if (finite := self.actions.finite) is not None:
            q = self.critic_net(leaves, batch["observation"]).unflatten(-1, (finite.width, self.m))
            taken = finite.stored_index(batch["action"]).unsqueeze(1).expand(-1, q.shape[1], -1, -1)
            q = finite.total_values(q, taken)
        else:
            q = self.critic_net(leaves, torch.cat([batch["observation"], batch["action"]], -1))
        loss = (q - y.unsqueeze(1)).square().mean((-2, -1)).sum(-1)
        return list(torch.autograd.grad(loss.sum(), leaves)), loss.detach()

    def _target(self, update: Update) -> Tensor:
        target, alpha, batch, weights = update.target, update.alpha, update.batch, update.weights
        outputs = self.actor_net(update.actor, batch["next_observation"])
        if (finite := self.actions.finite) is not None:
            next_q = self.critic_net(target, batch["next_observation"]).unflatten(-1, (finite.width, self.m))
            reward, discount = batch["reward"], batch["discount"]
            if finite.is_joint:
                return discrete_sac_target(reward, discount, next_q, outputs.softmax(-1), alpha, weights)
            return factored_sac_target(reward, discount, next_q, finite.log_softmax(outputs), alpha, weights)
        next_actions, log_prob = tanh_gaussian(outputs, update.noise[0], self.actions.scale, self.actions.offset)
        next_q = self.critic_net(target, torch.cat([batch["next_observation"], next_actions], -1))
        return sac_target(batch["reward"], batch["discount"], next_q, log_prob, alpha, weights)

    def actor_gradients(self, update: Update) -> tuple[Parameters, Tensor, Tensor]:
        """See :meth:`UpdateEngine.actor_gradients`. The critics are constants here: their gradients are never computed."""
        critic, alpha, batch, weights = update.critic, update.alpha, update.batch, update.weights
        leaves = [p.detach().requires_grad_() for p in update.actor]
        outputs = self.actor_net(leaves, batch["observation"])
        if (finite := self.actions.finite) is not None:
            log_probs = finite.log_softmax(outputs)
            probs = log_probs.exp()
            with torch.no_grad():
                q = self.critic_net(critic, batch["observation"]).unflatten(-1, (finite.width, self.m))
                utilities = (q * weights[:, None, :, None, :]).sum(-1)
                if finite.is_joint:
                    utility = utilities.amin(1)
                else:  # as in the target: the critic that expects least of the policy, (n, 1, B, 1)
                    least = (probs.unsqueeze(1) * utilities).sum(-1, keepdim=True).argmin(1, keepdim=True)
                    utility = utilities.gather(1, least.expand(-1, -1, -1, finite.width)).squeeze(1)
            loss = (probs * (alpha[:, None, None] * log_probs - utility)).sum(-1).mean(-1)
            log_density = (probs * log_probs).sum(-1).mean(-1)
        else:
            actions, log_prob = tanh_gaussian(outputs, update.noise[1], self.actions.scale, self.actions.offset)
            q = self.critic_net(critic, torch.cat([batch["observation"], actions], -1))
            utility = (q * weights.unsqueeze(1)).sum(-1).amin(1)
            loss = (alpha[:, None] * log_prob - utility).mean(-1)
            log_density = log_prob.mean(-1)
        return list(torch.autograd.grad(loss.sum(), leaves)), loss.detach(), log_density.detach()


class CapturedEngine:
    """:class:`AutogradEngine` on a CUDA device, its two passes recorded as CUDA graphs."""

    def __init__(self, engine: AutogradEngine) -> None:
        """Keep the engine whose passes are recorded when they are first needed."""

        def update_of(groups: Sequence[Parameters], tensors: Mapping[str, Tensor]) -> Update:
            batch = {name.removeprefix("batch/"): t for name, t in tensors.items() if name.startswith("batch/")}
            actor, critic, target = groups
            return Update(actor, critic, target, tensors["alpha"], tensors["weights"], batch, tensors["noise"])

        self._critic = Captured(lambda groups, tensors: engine.critic_gradients(update_of(groups, tensors)))
        self._actor = Captured(lambda groups, tensors: engine.actor_gradients(update_of(groups, tensors)))

    def critic_gradients(self, update: Update) -> tuple[Parameters, Tensor]:
        """See :meth:`UpdateEngine.critic_gradients`."""
        return self._critic(*self._parts(update))

    def actor_gradients(self, update: Update) -> tuple[Parameters, Tensor, Tensor]:
        """See :meth:`UpdateEngine.actor_gradients`."""
        return self._actor(*self._parts(update))

    @staticmethod
    def _parts(update: Update) -> tuple[tuple[Parameters, ...], dict[str, Tensor]]:
        batch = {f"batch/{name}": tensor for name, tensor in update.batch.items()}
        tensors = {"alpha": update.alpha, "noise": update.noise, "weights": update.weights, **batch}
        return (update.actor, update.critic, update.target), tensors
