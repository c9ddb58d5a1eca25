"""The live form of SubPO: whole episodes, their marginal gains, and the step that is learnt from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from morl.action_spaces import supported_actions
from morl.coverage import walk_report
from morl.errors import CapabilityError
from morl.evaluation.report import Report
from morl.functional.marginal_gains import balance_heuristic, credited_gains, utility_gains
from morl.functional.natural_gradient import axpy, natural_step
from morl.members import Optimiser, Owns, Part, PerMember
from morl.nn.policy_networks import make_network
from morl.nn.population_adam import PopulationAdam
from morl.nn.running_moments import RunningMoments
from morl.nn.stacked import Parameters, Selection, member_slice, select, write_
from morl.policies.network import NetworkPolicy
from morl.population import RETURN_SMOOTHING
from morl.protocols import EnvFactory, Policy
from morl.solvers.subpo.advantages import critic_advantages, others_in_the_same_model, spread_of
from morl.solvers.subpo.batches import Batch
from morl.solvers.subpo.best import BestEpisodes
from morl.solvers.subpo.episodes import planned
from morl.solvers.subpo.rounds import EpisodeSource
from morl.spaces import ComponentEncoder
from morl.task import Task, Utility

if TYPE_CHECKING:
    from morl.solvers.subpo.solver import SubPO


class SubPOLearner(EpisodeSource):
    """A live SubPO population: what is learned from its episodes."""

    owns: Owns = (
        PerMember("actor", goes_with="actor"),
        PerMember("critic", goes_with="all"),
        Optimiser("adam", of="actor"),
        Optimiser("critic_adam", of="critic", goes_with="all"),
        PerMember("value_scale", goes_with="all"),
        PerMember("first_spread"),
        PerMember("batch_returns"),
        PerMember("kernel_values"),
        PerMember("batches"),
        Part("observation_moments"),
        Part("best"),
    )

    def __init__(self, solver: SubPO, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks and stores; see :meth:`morl.protocols.Solver.make`."""
        space = env.spec.action_space
        self.finite = supported_actions(space, "SubPO", boxes="any", joint="always")
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver = solver
        if solver.reward == "modular" and not hasattr(self._world, "modular_rewards"):
            raise CapabilityError(
                f"reward='modular' needs an environment that says what a visit is worth alone (modular_rewards), which "
                f"{env.spec.env_id} does not; use a coverage environment, or reward='gain'"
            )
        self.head = self._make_head(space)
        self.components = ComponentEncoder(env.spec.observation_space)
        sizes = self.components.sizes
        shape: dict[str, Any] = {"inputs": self.components.width, "sizes": sizes, "hidden": solver.hidden}
        self.network = make_network(solver.network, outputs=self.head.width, **shape)
        self.critic_network = make_network(solver.network, outputs=self.m, **shape)
        self.form = self._make_form()
        self.actor = self.network.init(self._init_streams("actor"), device) + self.head.start(self.n, device)
        self.adam = PopulationAdam(self.actor, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        has_critic = solver.baseline == "critic"
        self.critic = self.critic_network.init(self._init_streams("critic"), device) if has_critic else []
        self.critic_adam = PopulationAdam(self.critic, learning_rate=solver.critic_learning_rate) if has_critic else None
        self.value_scale = torch.zeros(self.n, self.m, device=device)
        self.first_spread = torch.zeros(self.n, 1, device=device)
        self.follows_observations = solver.normalise_observations and sizes is None
        self.observation_moments = RunningMoments(
            self.n, self.components.width, device=device, followed=self.components.numbers
        )
        self.batches = np.zeros(self.n, dtype=np.int64)
        self.batch_returns = torch.zeros(self.n, self.rows_per_member, self.m, device=device)
        """Values of the episodes of each member's latest batch, ``(n, E, m)``, return units."""
        self.kernel_values = torch.full((self.n, max(len(solver.kernels), 1)), float("nan"), device=device)
        """Running value of each member under each of the kernels, ``(n, K)``, utility units."""
        self.declare_statistics("policy_loss", "entropy", "entropy_coefficient", "utility", "spread")
        self.best = BestEpisodes(self.n, device)
        self._make_store()
        if solver.warm_start:
            for member, weights in enumerate(self.task.utility.weights.tolist()):
                modular = solver.reward == "modular"
                episode = planned(
                    solver.warm_start, weights, self._world, env, self.form, self.components, modular=modular, device=device
                )
                self.best.show(member, episode)

    # ------------------------------------------------------------------ learning from a batch

    def _learn(self, members: list[int], fields: Batch) -> None:
        """One step of some members on their episodes, fields ``(n', E, T, ...)``."""
        chosen = member_slice(members, self.n)
        utility = self.task.utility.select(torch.tensor(members))
        self.batch_returns[chosen] = returns = credited_gains(fields["value"], "total", self.gamma)[:, :, 0]
        batch = self._batch(members, utility, fields)
        self.gradient_step(chosen, batch, self._entropy_coefficients(members), self._rate_shares(members))
        if self.critic_adam is not None:
            for _ in range(self.solver.critic_updates):
                self.critic_step(chosen, batch)
        if self.follows_observations:
            self.observation_moments.follow(fields["input"].flatten(1, 2), fields["mask"].flatten(1, 2), chosen)
        self.batches[members] += 1
        is_esr = utility.criterion == "esr"
        self.note_statistics(chosen, utility=utility(returns).mean(1) if is_esr else utility(returns.mean(1)))

    def _batch(self, members: list[int], utility: Utility, fields: Batch) -> Batch:
        """What a gradient step needs of some members' episodes."""
        chosen = member_slice(members, self.n)
        if self.solver.imitation:
            fields = self.best.join(chosen, fields, lambda values: self._scores(values, utility, chosen))
        gains = fields["reward"]
        episodes = self.form.episodes(fields, lambda inputs: self._normalised(inputs, chosen))
        ratio = None
        if self.solver.share_rollouts and len(members) > 1:
            n = len(gains)

            def everybody(part: Tensor) -> Tensor:
                """Every member gets the episodes of all, ``(n', n' E, T, ...)``."""
                return part.flatten(0, 1).unsqueeze(0).expand(n, -1, *part.shape[2:])

            episodes, gains = self.form.shared(episodes, everybody), everybody(gains)
            with torch.no_grad():
                ratio = balance_heuristic(self._log_probs(select(self.actor, chosen), episodes), episodes["mask"])
        episodes |= self._credited(chosen, utility, episodes, gains, ratio)
        return self.form.batch(episodes, self.head.width)

    def _scores(self, values: Tensor, utility: Utility, chosen: Selection) -> Tensor:
        """What is maximised, of values ``(n', E, m)``: ``(n', E)``."""
        if utility.criterion == "esr":
            return utility(values)
        return (values * self.linear_weights[chosen].unsqueeze(1)).sum(-1)

    def _log_probs(self, parameters: Parameters, episodes: Batch) -> Tensor:
        """Log-probability of every action of every episode, ``(n', E, T)``."""
        outputs = self.form.at_steps(self._outputs(parameters, episodes), episodes)
        return self.head.taken_and_entropy(outputs, parameters, episodes["action"])[0]

    def _credited(self, chosen: Selection, utility: Utility, episodes: Batch, gains: Tensor, ratio: Tensor | None) -> Batch:
        """Advantages ``(n', E, T)``, how much each step counts ``(n', E, T)``, and value targets ``(n', E, T, m)``."""
        solver, mask = self.solver, episodes["mask"]
        gamma, weights = self.gamma, self.linear_weights[chosen]
        if utility.criterion == "esr" and not utility.scalarization.is_linear:
            # One number per step; in equal parts, so that a critic predicts the same numbers for either criterion.
            gains = torch.where(mask.unsqueeze(-1), utility_gains(gains, utility, gamma), 0.0).expand(*mask.shape, self.m)
            gamma, weights = 1.0, torch.full_like(weights, 1.0 / self.m)
        spread_weights = weights.view(len(weights), 1, 1, -1)
        whole = (credited_gains(gains, "total", gamma)[:, :, 0] * spread_weights[:, 0]).sum(-1) if solver.imitation else None
        counts = mask.to(torch.float32) if ratio is None else ratio * mask
        extra: Batch = {}
        if solver.baseline == "critic":
            advantages, extra["target"] = self._critic_advantages(chosen, episodes, gains, gamma)
            advantages = (advantages * spread_weights).sum(-1)
        else:
            gains = (gains * spread_weights).sum(-1, keepdim=True)
            credited = credited_gains(gains if ratio is None else gains * ratio.unsqueeze(-1), solver.credit, gamma).squeeze(-1)
            models = max(len(solver.kernels), 1)
            baseline = others_in_the_same_model(credited, mask, models) if solver.baseline == "leave_one_out" else 0.0
            advantages = credited - baseline * counts
        advantages = torch.where(mask, advantages, 0.0)
        if solver.kernels:
            advantages = advantages * self._kernel_weights(chosen, utility)
        if whole is not None:
            # The last episode is the best one. All its actions are right, also where others still had more to gain.
            advantages[:, -1] = (whole[:, -1] - whole[:, :-1].mean(1)).unsqueeze(1) * mask[:, -1]
        advantages = self._scaled(advantages, mask, chosen)
        if whole is not None:
            advantages[:, -1] *= solver.imitation * self.rows_per_member
        return {"advantage": advantages, "count": counts, **extra}

    def _kernel_weights(self, chosen: Selection, utility: Utility) -> Tensor:
        r"""How much the episodes of each transition model count, ``(n', E, 1)``, 1 on average.

        The gradient of a smooth minimum of the values :math:`J_k`:
        :math:`\lambda_k \propto \exp(-J_k / (t \lvert \bar J \rvert))`, at running values.
        """
        kernels = len(self.solver.kernels)
        returns = self.batch_returns[chosen].unflatten(1, (-1, kernels))
        found = utility(returns).mean(1) if utility.criterion == "esr" else utility(returns.mean(1))
        before = self.kernel_values[chosen]
        values = torch.where(before.isnan(), found, before.lerp(found, RETURN_SMOOTHING))
        self.kernel_values[chosen] = values
        temperature = self.solver.kernel_temperature * values.mean(1, keepdim=True).abs().clamp_min(1e-6)
        shares = kernels * (-values / temperature).softmax(1)
        return shares.repeat(1, self.rows_per_member // kernels).unsqueeze(-1)

    def _scaled(self, advantages: Tensor, mask: Tensor, chosen: Selection) -> Tensor:
        """Divide by the standard deviation over a batch."""
        deviation, floor = spread_of(advantages, mask)
        self.note_statistics(chosen, spread=deviation.squeeze(1))
        if not self.solver.normalise_advantages:
            return advantages
        unit = torch.maximum(deviation, floor)
        if self.solver.entropy_unit == "first_batch":
            before = self.first_spread[chosen]
            self.first_spread[chosen] = torch.where(before > 0, before, unit)
        return advantages / unit.unsqueeze(-1)

    def _critic_advantages(self, chosen: Selection, episodes: Batch, gains: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
        """Advantages, and value targets in units of the value scale, ``(n', E, T, q)`` each."""
        with torch.no_grad():
            outputs = self.form.outputs(self.critic_network, select(self.critic, chosen), episodes)
            values = self.form.at_steps(outputs, episodes) * self.value_scale[chosen][:, None, None]
        advantages, targets = critic_advantages(gains, values, episodes["mask"], gamma, self.solver.gae_lambda)
        # The unit of the critic's outputs is the spread of the first targets it ever saw.
        scale, spread = self.value_scale[chosen], targets.flatten(1, 2).square().mean(1).sqrt().clamp_min(1e-6)
        scale = torch.where(scale > 0, scale, spread)
        self.value_scale[chosen] = scale
        return advantages, targets / scale[:, None, None]

    def _entropy_coefficients(self, members: list[int]) -> Tensor:
        solver = self.solver
        factor: Any = np.ones(len(members))
        if solver.entropy_schedule in ("linear", "cubic"):
            left = np.clip(1.0 - self.member_steps[members] / solver.entropy_steps, 0.0, 1.0)
            factor = left if solver.entropy_schedule == "linear" else left**3
        elif solver.entropy_schedule == "inverse":
            factor = 1.0 / (1.0 + self.batches[members])
        coefficient = torch.as_tensor(solver.entropy_coefficient * factor, dtype=torch.float32, device=self.device)
        if solver.normalise_advantages and solver.entropy_unit == "first_batch":
            index = torch.tensor(members, device=self.device)
            coefficient *= self.first_spread[index, 0] / self.stats["spread"][index].clamp_min(1e-6)
        return coefficient

    def _rate_shares(self, members: list[int]) -> Tensor:
        """Part of the learning rate that is left, ``(n',)``."""
        steps = self.solver.learning_rate_steps
        left = np.ones(len(members)) if steps is None else np.clip(1.0 - self.member_steps[members] / steps, 0.0, 1.0)
        return torch.as_tensor(left, dtype=torch.float32, device=self.device)

    # ------------------------------------------------------------------ gradient steps: tensors only

    def gradient_step(self, members: Selection, batch: Batch, coefficient: Tensor, rate: Tensor) -> None:
        """One step of the policy as tensor operations: nothing is read back to the host.

        Args:
            members: Who is updated.
            batch: As its form says; see :mod:`morl.solvers.subpo.batches`.
            coefficient: Weight of the entropy, ``(n',)``.
            rate: Part of the learning rate that is left, ``(n',)``.
        """
        # Copies: Adam writes to the parameters while the old ones are still needed.
        leaves = [p.detach().clone().requires_grad_() for p in select(self.actor, members)]
        outputs = self._outputs(leaves, batch)
        loss, entropy = self.form.loss_and_entropy(self.head, leaves, outputs, batch)
        is_natural = self.solver.optimiser == "natural"
        gradients = list(torch.autograd.grad((loss - coefficient * entropy).sum(), leaves, retain_graph=is_natural))
        if is_natural:
            self._natural_step(members, leaves, outputs, batch, gradients, rate)
        else:
            self.adam.step(gradients, members)
            if self.solver.learning_rate_steps is not None:
                # As far as a smaller learning rate would have gone; Adam has one for all members.
                moved = axpy(rate, [q - p for p, q in zip(leaves, select(self.actor, members), strict=True)], leaves)
                write_(self.actor, members, [p.detach() for p in moved])
        self.note_statistics(members, policy_loss=loss, entropy=entropy, entropy_coefficient=coefficient)

    def _outputs(self, parameters: Parameters, batch: Batch) -> Tensor:
        """Logits or means, ``(n', U, A)`` or ``(n', E, T, a)``."""
        return self.form.outputs(self.network, self.head.network_part(parameters), batch)

    def _natural_step(
        self, members: Selection, leaves: Parameters, outputs: Tensor, batch: Batch, gradients: Parameters, rate: Tensor
    ) -> None:
        """Move along the natural gradient, no further than the allowed divergence."""
        solver = self.solver
        step = natural_step(
            lambda vectors: self.fisher_product(leaves, outputs, batch, vectors),
            [-gradient for gradient in gradients],
            length=solver.learning_rate * rate,
            max_divergence=solver.max_divergence,
            iterations=solver.iterations,
            damping=solver.damping,
        )
        write_(self.actor, members, [p.detach() + d for p, d in zip(leaves, step, strict=True)])

    def fisher_product(self, leaves: Parameters, outputs: Tensor, batch: Batch, vectors: Parameters) -> Parameters:
        r"""Product of each member's Fisher matrix with a vector.

        The matrix is :math:`\mathbb{E} \nabla \log \pi \nabla \log \pi^\top`, exactly over the actions and on average over the
        visited states.

        Args:
            leaves: Parameters that ``outputs`` were computed from, with a graph.
            outputs: Logits or means.
            batch: See :meth:`gradient_step`.
            vectors: ``(n', ...)`` like the parameters.

        Returns:
            Like ``vectors``.
        """
        return self.head.fisher_product(outputs, leaves, self.form.share(batch), vectors)

    def critic_step(self, members: Selection, batch: Batch) -> None:
        """One step of the critic towards the targets, as tensor operations."""
        assert self.critic_adam is not None
        leaves = [p.detach().requires_grad_() for p in select(self.critic, members)]
        loss = self.form.critic_loss(self.form.outputs(self.critic_network, leaves, batch), batch)
        self.critic_adam.step(list(torch.autograd.grad(loss.sum(), leaves)), members)

    # ------------------------------------------------------------------ reports and policies

    def rollout_values(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Value of every member under any weights, from the episodes of its latest batch: no further step is needed.

        Args:
            weights: Preferences ``(q, m)``.

        Returns:
            Mean weighted value and its standard error, ``(n, q)`` each, return units.
        """
        values = self.batch_returns @ weights.to(self.device).T
        return values.mean(1), values.std(1) / values.shape[1] ** 0.5

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """What the members' walks look like and how the planners compare, where the environment is a walk on a graph."""
        return walk_report(self.env, self._world, self.policies(), self.uids, self.task.utility)

    def policies(self) -> list[Policy]:
        """One snapshot per member."""
        return [self._policy(i) for i in range(self.n)]

    def _policy(self, member: int) -> NetworkPolicy:
        one = slice(member, member + 1)
        parameters = [p[one].clone() for p in self.actor]
        shape = self.head.network_part(parameters)
        extras = {} if len(shape) == len(parameters) else {"log_std": parameters[-1]}
        if self.follows_observations:
            extras |= {"mean": self.observation_moments.mean[one].clone(), "std": self.observation_moments.std[one].clone()}
        return NetworkPolicy(self.spec.observation_space, self.spec.action_space, self.network, self.head.name, shape, extras)
