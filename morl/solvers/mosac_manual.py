"""The hand-written update engine of MOSAC: continuous actions, plain perceptrons, CPU.

Same losses as :class:`morl.solvers.mosac_engines.AutogradEngine`, differentiated by hand. What makes it faster: nothing of the
batch's size is allocated, twin critics are one axis of one batched product, the actor's loss takes no gradient of a critic's
parameters or of its observation columns, and narrow matrices are multiplied with the batch last.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from morl.nn.distributions import LOG_STD_MAX, LOG_STD_MIN
from morl.nn.manual_mlp import ManualMLP, Workspaces
from morl.nn.stacked import Packed, Parameters, StackedMLP
from morl.solvers.mosac_engines import ActionModel, Update

HALF_RANGE = 0.5 * (LOG_STD_MAX - LOG_STD_MIN)


class ManualEngine:
    """Gradients of MOSAC's losses by hand; see :class:`morl.solvers.mosac_engines.UpdateEngine`.

    Returned gradients are views of workspaces: use them before the next call.
    """

    def __init__(self, actor_net: StackedMLP, critic_net: StackedMLP, actions: ActionModel, m: int) -> None:
        """Keep the shapes of the networks.

        Args:
            actor_net: ``d -> 2 a`` (means and raw log standard deviations).
            critic_net: ``d + a -> m`` with copies.
            actions: A continuous action model.
            m: Number of objectives.
        """
        self.actor_net, self.critic_net, self.actions, self.m = actor_net, critic_net, actions, m
        self._workspaces = Workspaces(lambda n, batch, dtype: _Workspace(self, n, batch, dtype))

    def critic_gradients(self, update: Update) -> tuple[Parameters, Tensor]:
        """See :meth:`morl.solvers.mosac_engines.UpdateEngine.critic_gradients`."""
        batch, noise, alpha = update.batch, update.noise[0], update.alpha
        w = self._workspace(noise, update.actor[0].dtype)
        actions, log_density = w.act(update.actor, batch["next_observation"], noise)
        next_q, chosen, _ = w.judge(w.networks(update.target), batch["next_observation"], actions, update.weights)
        y = torch.gather(next_q, 1, chosen[:, None, None].expand(-1, 1, self.m, -1), out=w.y)
        y.addcmul_(alpha[:, None, None, None], log_density[:, None, None], value=-1)
        y.mul_(batch["discount"].mT.unsqueeze(1)).add_(batch["reward"].mT.unsqueeze(1))

        networks = w.networks(update.critic)
        error = w.values(networks, batch["observation"], batch["action"].mT).sub_(y)
        torch.mul(error, 2.0 / y[0].numel(), out=w.d_q)
        loss = torch.mul(error, w.d_q, out=w.scratch).sum((1, 2, 3)).mul_(0.5)
        return w.critic.backward(networks, w.critic_inputs), loss

    def actor_gradients(self, update: Update) -> tuple[Parameters, Tensor, Tensor]:
        """See :meth:`morl.solvers.mosac_engines.UpdateEngine.actor_gradients`."""
        noise, alpha, observations = update.noise[1], update.alpha, update.batch["observation"]
        w = self._workspace(noise, update.actor[0].dtype)
        actions, log_density = w.act(update.actor, observations, noise)
        networks = w.networks(update.critic)
        _, chosen, utility = w.judge(networks, observations, actions, update.weights)
        # Of the loss's -w.Q / B only the critic that gave the minimum passes a gradient on.
        torch.mul(
            (chosen.unsqueeze(1) == w.copy_index).unsqueeze(2), (update.weights / -noise.shape[1]).mT.unsqueeze(1), out=w.d_q
        )
        d_actions = w.critic.input_gradient(networks, observations.shape[2]).view(w.action_shape)
        w.gaussian.backward(
            torch.sum(d_actions, 1, out=w.d_actions), (alpha / noise.shape[1])[:, None, None], w.actor.d_outputs
        )
        mean_log_density = log_density.mean(1)
        loss = torch.addcmul(-utility.mean(1), alpha, mean_log_density)
        return w.actor.backward(update.actor, observations), loss, mean_log_density

    def _workspace(self, noise: Tensor, dtype: torch.dtype) -> _Workspace:
        return self._workspaces(noise.shape[0], noise.shape[1], dtype)


class _Workspace:
    """The passes of both losses for one member count ``n`` and batch size ``B``; values have the batch last."""

    def __init__(self, engine: ManualEngine, n: int, batch: int, dtype: torch.dtype) -> None:
        critic_net, a = engine.critic_net, engine.actions.num_actions
        copies = critic_net.copies or 1
        self.actor = ManualMLP(engine.actor_net, n, batch, dtype)
        self.critic = ManualMLP(critic_net, n, batch, dtype)
        self.gaussian = _SquashedGaussian(engine.actions, n, batch, dtype)
        self.action_shape = (n, copies, a, batch)
        self.q = self.critic.outputs.view(n, copies, engine.m, batch)
        self.d_q = self.critic.d_outputs.view_as(self.q)
        self.scratch = torch.empty_like(self.q)
        self.y = torch.empty(n, 1, engine.m, batch, dtype=dtype)
        self.d_actions = torch.empty(n, a, batch, dtype=dtype)
        self.copy_index = torch.arange(copies).view(1, copies, 1)
        inputs = torch.empty(n, copies, batch, critic_net.inputs, dtype=dtype)
        self.critic_inputs = inputs.flatten(0, 1)
        self._observation_slot, action_slot = inputs.split([critic_net.inputs - a, a], -1)
        self._action_slot = action_slot.transpose(2, 3)
        self._seen: list[tuple[Packed, Parameters]] = []

    def networks(self, parameters: Parameters) -> Parameters:
        """Critics with members and copies as one axis; of packed ones, which stay where they are, the views are made once."""
        if not isinstance(parameters, Packed):
            return self.critic.networks(parameters)
        for known, views in self._seen:
            if known is parameters:
                return views
        views = self.critic.networks(parameters)
        # Live and target critics of the present population.
        self._seen = [*self._seen[-1:], (parameters, views)]
        return views

    def act(self, actor: Parameters, observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Sampled actions ``(n, a, B)`` and their log-densities ``(n, B)``."""
        return self.gaussian.sample(self.actor.forward(actor, observations), noise.mT)

    def values(self, networks: Parameters, observations: Tensor, actions: Tensor) -> Tensor:
        """Values of all critics, ``(n, copies, m, B)``; actions ``(n, a, B)``."""
        self._observation_slot.copy_(observations.unsqueeze(1))
        self._action_slot.copy_(actions.unsqueeze(1))
        self.critic.forward(networks, self.critic_inputs)
        return self.q

    def judge(
        self, networks: Parameters, observations: Tensor, actions: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values of all critics, and which critic has the smallest scalarised value, ``(n, B)``, and that value ``(n, B)``."""
        q = self.values(networks, observations, actions)
        utility, chosen = torch.mul(q, weights.mT.unsqueeze(1), out=self.scratch).sum(2).min(1)
        return q, chosen, utility


class _SquashedGaussian:
    """:func:`morl.nn.distributions.tanh_gaussian` and its derivative, with the batch last."""

    def __init__(self, actions: ActionModel, n: int, batch: int, dtype: torch.dtype) -> None:
        self.a = a = actions.num_actions
        shape = (n, a, batch)
        self.noise, self.gate, self.log_std, self.spread, self.squashed, self.slope, self.width, self.actions, self.terms = (
            torch.empty(shape, dtype=dtype) for _ in range(9)
        )
        # Elementwise operations are twice as fast on full, contiguous operands.
        self.scale, self.offset = (t.view(a, 1).expand(shape).contiguous() for t in (actions.scale, actions.offset))
        self.one = torch.ones((), dtype=dtype)
        self.tiny = torch.full((), 1e-6, dtype=dtype)
        self.log_std_centre = torch.full((), LOG_STD_MIN + HALF_RANGE, dtype=dtype)
        self.log_normaliser = torch.full((), -0.5 * a * math.log(2 * math.pi), dtype=dtype)

    def sample(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions ``(n, a, B)``, a workspace, and log-densities ``(n, B)``."""
        mean, raw = outputs.split(self.a, 1)
        noise = self.noise.copy_(noise)
        torch.tanh(raw, out=self.gate)
        torch.add(self.log_std_centre, self.gate, alpha=HALF_RANGE, out=self.log_std)
        torch.exp(self.log_std, out=self.spread).mul_(noise)
        torch.add(mean, self.spread, out=self.squashed).tanh_()
        torch.addcmul(self.offset, self.squashed, self.scale, out=self.actions)
        torch.addcmul(self.one, self.squashed, self.squashed, value=-1, out=self.slope)
        torch.addcmul(self.tiny, self.slope, self.scale, out=self.width)
        torch.log(self.width, out=self.terms).add_(self.log_std).addcmul_(noise, noise, value=0.5)
        return self.actions, self.log_normaliser - self.terms.sum(1)

    def backward(self, d_actions: Tensor, d_log_density: Tensor, d_outputs: Tensor) -> None:
        r"""Write the gradient of the outputs of the last :meth:`sample`.

        With :math:`u = \mu + \sigma \epsilon`, :math:`t = \tanh u`, :math:`a = s t + o` and :math:`c = s (1 - t^2)`:

        .. math:: \partial a / \partial u = c, \quad \partial \log \pi / \partial u = 2 t c / (c + 10^{-6}),
            \quad \partial u / \partial \log\sigma = \sigma \epsilon, \quad \partial \log \pi / \partial \log\sigma |_u = -1

        Args:
            d_actions: ``(n, a, B)``.
            d_log_density: ``(n, 1, 1)``.
            d_outputs: Where to write, ``(n, 2 a, B)``.
        """
        d_mean, d_raw = d_outputs.split(self.a, 1)
        torch.div(self.squashed, self.width, out=self.terms).mul_(2 * d_log_density).add_(d_actions)
        torch.mul(self.slope.mul_(self.scale), self.terms, out=d_mean)
        torch.addcmul(-HALF_RANGE * d_log_density, d_mean, self.spread, value=HALF_RANGE, out=d_raw)
        torch.ops.aten.tanh_backward.grad_input(d_raw, self.gate, grad_input=d_raw)
