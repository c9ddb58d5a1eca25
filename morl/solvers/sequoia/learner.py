"""The live form of SEQUOIA: Q-learning whose argmax is solved, for behaviour, targets and policies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import other_solvers, shown
from morl.actions import ActionProblem
from morl.critics import FoldedCritic
from morl.errors import CapabilityError
from morl.evaluation import Report
from morl.members import Optimiser, Owns, Part, PerMember, PerRow
from morl.nn.action_values import ActionValueNet, FoldedValues
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, blend_, member_slice, select, write_
from morl.policies.mip import MIPPolicy
from morl.protocols import EnvFactory, Policy, Rows, Transition
from morl.solvers.off_policy import OffPolicyLearner
from morl.solvers.sequoia.cache import SolvedStates
from morl.solvers.sequoia.solver import SEQUOIA
from morl.task import Task
from morl.transfer import Transfers

Batch = dict[str, Tensor]

_SCALE_SAMPLE = 4_096
"""Transitions by which values are put on a scale, once."""


class SEQUOIALearner(Transfers, OffPolicyLearner):
    """A live SEQUOIA population."""

    owns: Owns = (
        PerMember("online", goes_with="actor"),
        PerMember("target", goes_with="actor"),
        Optimiser("adam", of="online"),
        PerMember("updates"),
        PerMember("warm", goes_with="actor"),
        PerMember("scale", goes_with="actor"),
        PerMember("offset", goes_with="actor"),
        Part("cache"),
        PerMember("cache_weights"),
        PerRow("explored"),
        PerRow("explored_steps", fresh=0),
    )
    solver: SEQUOIA

    def __init__(self, solver: SEQUOIA, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimisers and store; see :meth:`morl.protocols.Solver.make`."""
        space = env.spec.action_space
        if not isinstance(space, spaces.MultiBinary) or len(space.shape) != 1:
            raise CapabilityError(
                f"SEQUOIA needs a MultiBinary action space of one axis, found {shown(space)}; {other_solvers(space)}"
            )
        self.constraint = _constraint(env)
        super().__init__(solver, env=env, task=task, seed=seed, device=device, finite=None, prioritised=solver.prioritised)
        self.net = ActionValueNet(
            self.num_actions, self.encoder.width, solver.hidden, self.m, solver.q_model,
            self._product_width(), solver.additive, self.parts,
        )  # fmt: skip
        self.online = self.net.init(self._init_streams("online"), device)
        self.target = [p.clone() for p in self.online]
        self.adam = PopulationAdam(self.online, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        self.maximizer = solver.training_optimizer.make(self.constraint)
        solver.policy_optimizer.make(self.constraint)  # refuses now what it would refuse after the training
        self.updates = torch.zeros(self.n, dtype=torch.int64)
        self.warm = np.zeros(self.n, dtype=np.bool_)
        self.scale = torch.ones(self.n, self.m, device=device)
        self.offset = torch.zeros(self.n, self.parts, self.m, device=device)
        # Values of next states under the present target network, and for which weights they hold.
        self.cache = SolvedStates(self.n, self.encoder.width, self._reward_width)
        self.cache_weights = self.linear_weights.clone()
        # The random action that each row holds, and for how many steps more.
        self.explored = np.zeros((len(self._all_rows), self.num_actions), np.bool_)
        self.explored_steps = np.zeros(len(self._all_rows), np.int64)
        self.declare_statistics("loss", "mean_value", "solved", "open_units")

    @cached_property
    def parts(self) -> int:
        """Parts ``P`` of the reward that are learned each on its own; 1 for the reward as a whole."""
        rows: Any = self.rows
        splits = self.solver.q_model == "factored" and self.m == 1 and self.encoder.is_one_hot
        count = int(rows.num_reward_parts) if splits else 1
        return count if self.encoder.width % count == 0 and _categories(self.spec.observation_space, count, self.encoder) else 1

    @property
    def _reward_width(self) -> int:
        return self.parts * self.m

    def _product_width(self) -> int:
        if self.solver.product_inputs == "all":
            return self.encoder.width
        own = self.solver.product_inputs == "own"
        return _categories(self.spec.observation_space, self.num_actions, self.encoder) if own else 0

    # ------------------------------------------------------------------ acting

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        self._encoded = encoded = self.encoder(observations)
        steps = self.member_steps[self.row_member[rows]]
        fall = np.minimum(steps / self.solver.epsilon_decay_steps, 1.0)
        epsilon = self.solver.epsilon_start + (self.solver.epsilon_end - self.solver.epsilon_start) * fall
        epsilon[steps < self.solver.learning_starts] = 1.0
        self._explore(rows, epsilon)
        exploring = self.explored_steps[rows] > 0
        self.explored_steps[rows] -= exploring
        drawn = torch.from_numpy(self.explored[rows]).to(self.device)
        if exploring.all():
            return drawn
        return torch.where(torch.from_numpy(exploring).to(self.device).unsqueeze(1), drawn, self._policy_actions(rows, encoded))

    def _explore(self, rows: Rows, epsilon: np.ndarray[Any, Any]) -> None:
        """Let free rows begin to explore, so often that ``epsilon (r,)`` of their steps are exploring ones."""
        mean = self.solver.exploration_steps
        # Steps of exploration per free step: chance * mean / (1 - chance) = epsilon / (1 - epsilon).
        chance = epsilon / (mean * (1.0 - epsilon) + epsilon)
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=self.acting, device=self.device)))
        begins = rows[(rng.random(len(rows)) < chance) & (self.explored_steps[rows] == 0)]
        if len(begins):
            self.explored[begins] = self._random_feasible(rng, len(begins))
            self.explored_steps[begins] = rng.geometric(1.0 / mean, len(begins))

    def _random_feasible(self, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
        """Random feasible actions ``(count, N)``: half from the set's own sampler, half best for random linear functions.

        Samplers reach every action, but may hardly ever pull an arm that asks much of the rest, such as the far end of a graph;
        a linear function often does.
        """
        drawn = self.constraint.sample(rng, count)
        far = np.flatnonzero(rng.random(count) < 0.5)
        if len(far):
            drawn[far] = self.constraint.maximize_linear(rng.normal(size=(len(far), self.num_actions)))
        return np.asarray(drawn)

    def _policy_actions(self, rows: Rows, encoded: Tensor) -> Tensor:
        members, per_member = self._grouped(rows)
        with torch.no_grad():
            folded = self._folded(self.online, members, encoded.view(-1, per_member, encoded.shape[-1]))
            return self.maximizer(ActionProblem(folded, self.linear_weights[members])).flatten(0, 1)

    def _folded(self, parameters: Parameters, members: Selection, encoded: Tensor) -> FoldedValues:
        """Values in return units as functions of the action."""
        return self.net.fold(select(parameters, members), encoded).in_units(self.scale[members], self.offset[members].sum(1))

    # ------------------------------------------------------------------ learning

    def _remember(self, step: Transition) -> None:
        if self.parts > 1:
            batched: Any = self.rows
            step = step._replace(rewards=batched.reward_parts(step.rows, step.rewards))
        super()._remember(step)

    def gradient_update(self, members: Sequence[int] | None) -> None:
        """One step towards returns of some members, the first time after the warm start; None for all."""
        everybody = list(range(self.n)) if members is None else list(members)
        cold = [i for i in everybody if not self.warm[i]]
        if cold:
            self._warm_start(cold)
        chosen = member_slice(members, self.n)
        batch = self.ring.sample(self.solver.batch_size, generator=self.learning, members=members)
        following = self._next_values(everybody, chosen, batch["next_observation"])
        errors = self.gradient_step(chosen, batch, batch["reward"] + batch["discount"] * following)
        if self.solver.prioritised:
            self.ring.update_priorities(batch["index"], errors)
        self.updates[chosen] += 1
        due = [i for i in everybody if int(self.updates[i]) % self.solver.target_period == 0]
        if due:
            self._move_target(due)
            self._count_open_units(chosen, batch["observation"])

    def _count_open_units(self, members: Selection, encoded: Tensor) -> None:
        """Note how many units could go either way, as far as intervals say, at observations ``(n', B, d)``."""
        bounds = self.net.fold(select(self.online, members), encoded).bounds()
        open_ = [((low < 0) & (up > 0)).float().sum(-1).mean(1) for low, up in bounds]
        self.note_statistics(members, open_units=torch.stack(open_).sum(0) if open_ else torch.zeros(len(encoded)))

    def _warm_start(self, members: list[int]) -> None:
        """Put values on a scale, and fit immediate rewards."""
        chosen = member_slice(members, self.n)
        rewards = self.ring.sample(_SCALE_SAMPLE, generator=self.learning, members=members)["reward"]
        rewards = rewards.unflatten(-1, (self.parts, self.m))
        spread = rewards.sum(2).std(1)
        steps = min(1.0 / max(1.0 - self.gamma, 1e-9), float(self.spec.max_episode_steps or 1_000))
        self.scale[chosen] = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
        self.offset[chosen] = mean = rewards.mean(1)
        for _ in range(self.solver.warm_start_updates):
            batch = self.ring.sample(self.solver.batch_size, generator=self.learning, members=members)
            self.gradient_step(chosen, batch, batch["reward"])
        # The same differences between actions, at the level of returns.
        self.offset[chosen] = mean * steps
        self.warm[members] = True
        self._move_target(members)

    def gradient_step(self, members: Selection, batch: Batch, targets: Tensor) -> Tensor:
        """The update as tensor operations: nothing is read back to the host.

        Args:
            members: Who is updated.
            batch: From the store, ``(n', B, width)`` each.
            targets: In return units, ``(n', B, P m)``.

        Returns:
            Size of the scalarised temporal-difference errors, ``(n', B)``, return units.
        """
        weights, scale, offset = (
            self.linear_weights[members],
            self.scale[members].unsqueeze(1),
            self.offset[members].unsqueeze(1),
        )
        leaves = [p.detach().requires_grad_() for p in select(self.online, members)]
        folded = self.net.fold(leaves, batch["observation"])
        if self.parts > 1:
            q = self.net.part_values(leaves, batch["observation"], batch["action"])
        else:
            q = folded(batch["action"].unsqueeze(2))
        y = (targets.unflatten(-1, (self.parts, self.m)) - offset) / scale.unsqueeze(2)
        if self.solver.loss == "huber":
            errors = torch.nn.functional.smooth_l1_loss(q, y, reduction="none")
        else:
            errors = (q - y).square()
        errors = errors.sum(2).mean(-1)
        loss = (errors * batch["importance"] if self.solver.prioritised else errors).mean(-1)
        total = loss
        if self.solver.l1:
            total = total + self.solver.l1 * torch.stack([p.abs().flatten(1).mean(1) for p in leaves]).mean(0)
        if self.solver.stability and (bounds := folded.bounds()):
            total = total - self.solver.stability * torch.cat([torch.tanh(1 + low * up) for low, up in bounds], -1).mean((1, 2))
        self.adam.learning_rate = self._learning_rate(members)
        self.adam.step(list(torch.autograd.grad(total.sum(), leaves)), members)
        whole = q.detach().sum(2)
        self.note_statistics(members, loss=loss, mean_value=((whole * scale + offset.sum(2)).mean(1) * weights).sum(-1))
        sizes: Tensor = ((whole - y.sum(2)) * scale * weights.unsqueeze(1)).sum(-1).abs()
        return sizes

    def _learning_rate(self, members: Selection) -> float:
        done = min(float(self.updates[members].max()) / self.solver.learning_rate_decay, 1.0)
        return self.solver.learning_rate + (self.solver.final_learning_rate - self.solver.learning_rate) * done

    def _next_values(self, everybody: list[int], members: Selection, encoded: Tensor) -> Tensor:
        """Target values of the best actions at next states ``(n', B, d)``, in return units, ``(n', B, P m)``.

        Each state is solved once per target network, unless the online network chooses.
        """
        if self.solver.double_q:
            self.note_statistics(members, solved=torch.full((len(encoded),), float(encoded.shape[1]), device=self.device))
            return self._solved(self.online, members, encoded)
        for i in everybody:
            if not torch.equal(self.cache_weights[i], self.linear_weights[i]):
                self.cache.forget(i)
                self.cache_weights[i] = self.linear_weights[i]
        found, solved = self.cache(everybody, encoded, lambda states: self._solved(self.target, members, states))
        self.note_statistics(members, solved=solved)
        return found

    def _solved(self, chooser: Parameters, members: Selection, encoded: Tensor) -> Tensor:
        """Target values ``(n', B, P m)`` of the actions that are best under some networks."""
        with torch.no_grad():
            folded = self._folded(chooser, members, encoded)
            best = self.maximizer(ActionProblem(folded, self.linear_weights[members]))
            if self.parts > 1:
                worth = self.net.part_values(select(self.target, members), encoded, best)
                scale, offset = self.scale[members], self.offset[members]
                best_values: Tensor = (worth * scale[:, None, None] + offset.unsqueeze(1)).flatten(2)
                return best_values
            values = folded if chooser is self.target else self._folded(self.target, members, encoded)
            return values(best.unsqueeze(2)).squeeze(2)

    def _move_target(self, members: list[int]) -> None:
        index = torch.as_tensor(members)
        blended = [p[index] for p in self.target]
        blend_(blended, [p[index] for p in self.online], self.solver.tau)
        write_(self.target, index, blended)
        for member in members:
            self.cache.forget(member)

    # ------------------------------------------------------------------ values, policies, state

    def critics(self) -> FoldedCritic:
        """The networks; see :class:`morl.capabilities.HasCritics`."""
        parts = {str(i): p.clone() for i, p in enumerate(self.online)}
        return FoldedCritic(
            observation_space=self.spec.observation_space, action_space=self.spec.action_space, num_objectives=self.m,
            network=self.net, parts={**parts, "scale": self.scale.clone(), "offset": self.offset.sum(1)},
        )  # fmt: skip

    def policies(self) -> list[Policy]:
        """One greedy snapshot per member, with the weights it was trained for."""
        return [
            MIPPolicy(
                self.spec.observation_space, self.spec.action_space, self.net, self.solver.policy_optimizer, self.constraint,
                [p[i : i + 1].clone() for p in self.online],
                {
                    "weights": self.linear_weights[i : i + 1].clone(),
                    "scale": self.scale[i : i + 1].clone(),
                    "offset": self.offset[i : i + 1].sum(1),
                },
            )
            for i in range(self.n)
        ]  # fmt: skip

    def report(self, kept: Sequence[Policy] = ()) -> Report:
        """Compare kept policies, or else those of the moment, with the baselines; see :mod:`morl.cormab.comparison`."""
        bandit = getattr(self.rows, "batch", None)
        instance = getattr(bandit, "instance", None)
        if not self.solver.comparison_episodes or instance is None or self.m > 1 or not self.warm.all():
            return Report()
        from morl.cormab import BASELINES, compare
        from morl.cormab.baselines import Learned

        found = kept or self.policies()
        names = ["sequoia"] if len(found) == 1 else [f"sequoia {number}" for number in range(len(found))]
        trained = {name: Learned(policy) for name, policy in zip(names, found, strict=True)}
        horizon = self.spec.max_episode_steps or getattr(bandit, "max_episode_steps", None) or 20
        return compare(
            {**BASELINES, **trained}, [instance], episodes=self.solver.comparison_episodes, horizon=horizon, seed=self.seed
        ).report()


def _constraint(env: EnvFactory) -> Any:
    """The feasible actions of an environment: of its action space, of itself, or all of them."""
    from envs.cormab.constraints import Budget

    space: Any = env.spec.action_space
    found = getattr(space, "constraint", None)
    if found is None and hasattr(env, "make_env"):
        made = env.make_env()
        found = getattr(made.unwrapped, "constraint", None)
        made.close()
    return Budget(int(space.shape[0]), int(space.shape[0])) if found is None else found


def _categories(space: Any, num_actions: int, encoder: Any) -> int:
    """Categories of each observed component, if there is one component per action and all have equally many; else 0."""
    if not isinstance(space, spaces.MultiDiscrete) or not encoder.is_one_hot or space.shape != (num_actions,):
        return 0
    return int(space.nvec[0]) if (space.nvec == space.nvec[0]).all() else 0
