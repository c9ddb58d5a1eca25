r"""SEQUOIA: Q-learning over combinatorial actions, whose argmax is solved instead of listed.

The network takes the action as an *input*, :math:`Q(s, a) \in \mathbb R^m`, and an action optimiser finds
:math:`\arg\max_{a \in \mathcal A} w^\top Q(s, a)`: for the behaviour, for the target, and for the policy that comes out.

1. act at random (feasible actions only); then fit the network to immediate rewards: the *myopic* warm start;
2. act greedily up to exploration, which holds a random action for several steps; store transitions;
3. target :math:`y = r + \gamma\, Q'(s', a^*)`, :math:`a^* = \arg\max_{a'} w^\top Q'(s', a')`, with a target network
   :math:`Q'` that is copied from the online network every ``target_period`` updates. Between two copies each next state is
   solved once.

Where the environment says what each arm added to the reward, a ``factored`` network learns a value of every arm from the target
of that arm alone, :math:`y_p = r_p + \gamma\, Q'_p(s'_p, a^*)`, with the same :math:`a^*`.

References:
    L. Xu, B. Wilder, E. Khalil, M. Tambe, "Reinforcement learning with combinatorial actions for coupled restless bandits",
    ICLR 2025, arXiv 2503.01919.
    S. Russell, A. Zimdars, "Q-Decomposition for Reinforcement Learning Agents", ICML 2003 (targets of arms).

Deviations: see the page of SEQUOIA in the documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import other_solvers, shown
from morl.actions import MIP, ActionOptimizer, ActionProblem, LocalSearch
from morl.errors import CapabilityError
from morl.experiments.result import Report
from morl.fields import (
    BatchSize,
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    PositiveShare,
    Range,
    RepeatsOrNone,
    Share,
    UpdatesPerStep,
    Widths,
)
from morl.nn.action_values import ActionValueNet, FoldedValues, QModel
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Parameters, Selection, blend_, member_slice, restore_, select, write_
from morl.policies.mip import MIPPolicy
from morl.population import default_task, require_ser
from morl.protocols import EnvFactory, Policy, Rows, State, prefixed, unprefixed
from morl.registry import component_field
from morl.seeding import torch_stream
from morl.solvers.base import RunnableSolver, require
from morl.solvers.off_policy import OffPolicyLearner
from morl.task import Task

Batch = dict[str, Tensor]

_GAPS = (1e-3, 0.1)
"""Least and largest relative gap of the schedule (dynamic tolerance: Ryu et al., CAQL, ICLR 2020, arXiv 1909.12397)."""

_SCALE_SAMPLE = 4_096
"""Transitions by which values are put on a scale, once."""


@dataclass(frozen=True, kw_only=True)
class SEQUOIA(RunnableSolver):
    """Q-learning over binary actions from a combinatorial set.

    Utility: any weighted sum; a non-linear scalarization under SER is replaced by its linearisation, as in ``MODQN``.
    """

    hidden: Widths = (16, 32)
    """Width of each hidden layer; small, because every unit may cost the integer program a binary."""
    q_model: QModel = "mlp"
    """``mlp``; ``factored``, a sum of values of single arms, each of which depends on the arm's state and the whole action, and
    learns from what that arm pays if the environment reports it (:class:`envs.protocols.RewardParts`, one objective);
    ``concave`` (no binaries, no complementary actions); or ``linear`` in the action."""
    product_inputs: Literal["own", "all", "none"] = "own"
    """Give the network products of each action component and one-hot states: of its own arm (where components are arms, else
    none), or of all arms. They cost an integer program nothing. The values of a ``factored`` network depend on their own
    component, or else on all."""
    additive: bool = True
    """Let the last layer of an ``mlp`` see action and state too: a sum over action components, nearly all there is to know
    where arms only meet in the action set, to which the hidden layers add what components are worth together."""
    training_optimizer: ActionOptimizer = component_field("action_optimizer", default=LocalSearch())
    """Finds the best action for behaviour and targets."""
    gap_factor: NonNegative = 0.0
    """Let integer programs in training stop at a gap of this times the mean temporal-difference error of the last update: loose
    while values are wrong, tight once they are right. As a share of the mean value it is kept between 0.001 and 0.1. Needs
    ``mip`` as ``training_optimizer``; 0 for the optimiser's own gap."""
    policy_optimizer: ActionOptimizer = component_field("action_optimizer", default=LocalSearch(rounds=4, swaps=4))
    """Finds the best action for the policies that come out."""
    learning_rate: Positive = 1e-3
    """Of the network at the first update."""
    final_learning_rate: Positive = 1e-4
    """Of the network after ``learning_rate_decay`` updates; linear in between."""
    learning_rate_decay: Count = 4_000
    """Updates of a member until its learning rate has fallen."""
    batch_size: BatchSize = 256
    """Transitions per member and update."""
    learning_starts: CountOrZero = 640
    """Random environment steps per member before the first update."""
    warm_start_updates: RepeatsOrNone = 1_000
    """Updates towards immediate rewards before the first one towards returns; 0 for none."""
    updates_per_step: UpdatesPerStep = 0.25
    """Gradient updates per member and environment step of that member."""
    gamma: Share = 0.95
    """Discount factor."""
    tau: PositiveShare = 1.0
    """Blend of the target network per target update."""
    target_period: Count = 50
    """Updates between target updates."""
    double_q: bool = False
    """Let the online network choose the action that the target network values; every update then solves anew."""
    epsilon_start: Share = 0.5
    """Probability of a random action after the warm-up."""
    epsilon_end: Share = 0.05
    """Probability of a random action after the decay."""
    exploration_steps: Annotated[float, Range(ge=1.0)] = 4.0
    """Steps, on average, for which a random action is held once it was drawn (Dabney et al., ICLR 2021); 1 draws anew in every
    step. Arms that pay only after several steps of treatment are else hardly ever seen to. ``epsilon`` counts steps, not
    draws."""
    epsilon_decay_steps: Count = 8_000
    """Environment steps per member over which the probability falls linearly."""
    capacity: Count = 50_000
    """Transitions kept: of each member, or of all together if shared."""
    replay: Literal["per_member", "shared"] = "per_member"
    """Whether members learn from their own transitions or from everybody's."""
    prioritised: bool = False
    """Draw transitions in proportion to their last scalarised temporal-difference error instead of uniformly."""
    n_step: Count = 1
    """Length of the return before bootstrapping, environment steps; beyond 1, exploring actions inside it bias the values."""
    loss: Literal["huber", "mse"] = "huber"
    """Of each objective's temporal-difference error, in units of the values' scale; ``mse`` for values of single arms, whose
    targets are far from symmetric."""
    l1: NonNegative = 0.0
    """Factor of the mean absolute weight in the loss."""
    stability: NonNegative = 0.0
    r"""Factor of the mean of :math:`-\tanh(1 + l u)` over units with bounds :math:`[l, u]`, which makes units stable."""
    max_gradient_norm: Positive = 10.0
    """Each member's gradient is clipped to this Euclidean norm."""
    rows_per_member: Count = 16
    """Environment rows of each member."""
    comparison_episodes: RepeatsOrNone = 0
    """Episodes in which the final policies are compared with baselines that know the model, for restless bandits with a scalar
    reward; 0 for no comparison."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.epsilon_end <= self.epsilon_start,
            f"SEQUOIA needs epsilon_end <= epsilon_start, found {self.epsilon_end} and {self.epsilon_start}",
        )
        require(
            self.final_learning_rate <= self.learning_rate,
            f"SEQUOIA.final_learning_rate must be in (0, learning_rate], found {self.final_learning_rate}",
        )
        require(
            not self.gap_factor or isinstance(self.training_optimizer, MIP),
            f"SEQUOIA.gap_factor is {self.gap_factor}, but {type(self.training_optimizer).__name__} has no gap; use "
            "training_optimizer.name=mip, or gap_factor=0",
        )

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> SEQUOIALearner:
        """Build the live learner; see :meth:`morl.protocols.Solver.make`."""
        task = default_task(task, env.spec.num_objectives, device)
        require_ser(task, "SEQUOIA")
        return SEQUOIALearner(self, env=env, task=task, seed=seed, device=device)


class SEQUOIALearner(OffPolicyLearner):
    """A live SEQUOIA population."""

    solver: SEQUOIA

    def __init__(self, solver: SEQUOIA, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build networks, optimisers and store; see :meth:`morl.protocols.Solver.make`."""
        space = env.spec.action_space
        if not isinstance(space, spaces.MultiBinary) or len(space.shape) != 1:
            raise CapabilityError(
                f"SEQUOIA needs a MultiBinary action space of one axis, found {shown(space)}; {other_solvers(space)}"
            )
        self.constraint = _constraint(env)
        super().__init__(solver, env=env, task=task, seed=seed, device=device, finite=None)
        self.net = ActionValueNet(
            self.num_actions, self.encoder.width, solver.hidden, self.m, solver.q_model,
            self._product_width(), solver.additive, self.parts,
        )  # fmt: skip
        self.online = self.net.init([torch_stream(seed, "init/online", uid) for uid in self.uids], device)
        self.target = [p.clone() for p in self.online]
        self.adam = PopulationAdam(self.online, learning_rate=solver.learning_rate, max_gradient_norm=solver.max_gradient_norm)
        self.maximizer = solver.training_optimizer.make(self.constraint)
        solver.policy_optimizer.make(self.constraint)  # refuses now what it would refuse after the training
        self.gap = _GAPS[1]
        if solver.gap_factor:
            self._set_gap(self.gap)
        self.updates = torch.zeros(self.n, dtype=torch.int64)
        self.warm = np.zeros(self.n, dtype=np.bool_)
        self.scale = torch.ones(self.n, self.m, device=device)
        self.offset = torch.zeros(self.n, self.parts, self.m, device=device)
        # Values of next states under the present target network, one table per member, and for which weights they hold.
        self.cache: list[dict[bytes, np.ndarray[Any, Any]]] = [{} for _ in self.uids]
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
        per_member = self.rows_per_member if len(rows) % self.rows_per_member == 0 else 1
        owners = self.row_member[rows[::per_member]]
        members = member_slice(owners.tolist(), self.n)
        with torch.no_grad():
            folded = self._folded(self.online, members, encoded.view(len(owners), per_member, -1))
            return self.maximizer(ActionProblem(folded, self.linear_weights[members])).flatten(0, 1)

    def _folded(self, parameters: Parameters, members: Selection, encoded: Tensor) -> FoldedValues:
        """Values in return units as functions of the action."""
        return self.net.fold(select(parameters, members), encoded).in_units(self.scale[members], self.offset[members].sum(1))

    # ------------------------------------------------------------------ learning

    def _remember(self, rows: Rows, observations: Tensor, actions: Tensor, rewards: Tensor, *rest: Tensor) -> None:
        if self.parts > 1:
            batched: Any = self.rows
            rewards = batched.reward_parts(rows, rewards)
        super()._remember(rows, observations, actions, rewards, *rest)

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
        if self.solver.gap_factor:
            following = following.unflatten(-1, (self.parts, self.m)).sum(2)
            size = float((following * self.linear_weights[chosen].unsqueeze(1)).sum(-1).abs().mean())
            self._set_gap(float(np.clip(self.solver.gap_factor * float(errors.mean()) / max(size, 1e-9), *_GAPS)))
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

    def _set_gap(self, gap: float) -> None:
        """Let integer programs stop at this relative gap from now on."""
        self.gap = gap
        maximizer: Any = self.maximizer
        maximizer.settings = replace(maximizer.settings, gap=gap)

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
                self.cache[i], self.cache_weights[i] = {}, self.linear_weights[i]
        host = encoded.detach().cpu().numpy()
        keys = [[row.tobytes() for row in states] for states in host]
        missing = [
            {key: b for b, key in enumerate(found) if key not in self.cache[i]}
            for i, found in zip(everybody, keys, strict=True)
        ]
        most = max(len(part) for part in missing)
        self.note_statistics(members, solved=torch.tensor([float(len(part)) for part in missing], device=self.device))
        if most:
            # All are solved in one batch: members with fewer open states get the first one again.
            picks = torch.tensor([[*part.values(), *[0] * (most - len(part))] for part in missing]).to(self.device)
            solved = self._solved(self.target, members, torch.take_along_dim(encoded, picks.unsqueeze(-1), 1)).cpu().numpy()
            for member, part, values in zip(everybody, missing, solved, strict=True):
                self.cache[member].update(zip(part, values, strict=False))
        found = np.stack([[self.cache[i][key] for key in part] for i, part in zip(everybody, keys, strict=True)])
        return torch.from_numpy(found).to(self.device)

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
            self.cache[member] = {}

    # ------------------------------------------------------------------ values, policies, state

    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Vector values by each member's network; see :class:`morl.protocols.HasValues`."""
        encoded = self.encoder(observations.to(self.device)).expand(self.n, -1, -1)
        chosen = actions.to(self.device).expand(self.n, -1, -1)
        with torch.no_grad():
            return self._folded(self.online, slice(0, self.n), encoded)(chosen.unsqueeze(2)).squeeze(2)

    def policies(self, weights: Tensor | None = None) -> list[Policy]:
        """One greedy snapshot per member, with the weights it was trained for."""
        del weights
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

    def transfer(self, source: int, target: int, *, payload: Literal["actor", "all"] = "actor") -> None:
        """Overwrite a member's network by another's and start its optimiser anew.

        Args:
            source: Member to copy from.
            target: Member to overwrite.
            payload: Makes no difference: the network is actor and critic at once, and its scale and target belong to it.
        """
        del payload
        for parameter in (*self.online, *self.target, self.scale, self.offset):
            parameter[target] = parameter[source]
        self.warm[target] = self.warm[source]
        self.adam.reset(target)
        self.cache[target] = {}

    def _reindex_networks(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        super()._reindex_networks(source, fresh)
        index = torch.as_tensor(list(source))
        self.online, self.target = ([p[index].clone() for p in group] for group in (self.online, self.target))
        self.adam = self.adam.reindexed(self.online, source, fresh)
        self.updates, self.scale, self.offset = self.updates[index].clone(), self.scale[index], self.offset[index]
        self.warm = self.warm[index.numpy()].copy()
        rows = (index.numpy()[:, None] * self.rows_per_member + np.arange(self.rows_per_member)).reshape(-1)
        self.explored, self.explored_steps = self.explored[rows], self.explored_steps[rows]
        self.explored_steps[np.repeat(np.asarray(fresh), self.rows_per_member)] = 0
        self.cache, self.cache_weights = [dict(self.cache[i]) for i in source], self.cache_weights[index].clone()

    def _own_state(self) -> State:
        state = super()._own_state()
        for name in ("online", "target"):
            state |= {f"{name}/{i}": p for i, p in enumerate(getattr(self, name))}
        for i, table in enumerate(self.cache):
            keys = np.frombuffer(b"".join(table), np.float32).reshape(len(table), self.encoder.width).copy()
            values = np.array(list(table.values()), np.float32).reshape(len(table), self._reward_width)
            state |= {f"cache/{i}/states": torch.from_numpy(keys), f"cache/{i}/values": torch.from_numpy(values)}
        own = {"updates": self.updates, "warm": torch.from_numpy(self.warm.copy()), "scale": self.scale, "offset": self.offset}
        own["cache_weights"] = self.cache_weights
        own["gap"] = torch.tensor(self.gap, dtype=torch.float64)
        own |= {name: torch.from_numpy(getattr(self, name).copy()) for name in ("explored", "explored_steps")}
        return {**state, **own, **prefixed("adam", self.adam.state())}

    def _load_own_state(self, state: State) -> None:
        super()._load_own_state(state)
        for name in ("online", "target"):
            for i, p in enumerate(getattr(self, name)):
                restore_(p, state[f"{name}/{i}"])
        for name in ("updates", "scale", "offset", "cache_weights"):
            restore_(getattr(self, name), state[name])
        self.warm = state["warm"].numpy().copy()
        if self.solver.gap_factor:
            self._set_gap(float(state["gap"]))
        self.explored, self.explored_steps = (state[name].numpy().copy() for name in ("explored", "explored_steps"))
        self.adam.load_state(unprefixed("adam", state))
        for i in range(self.n):
            states, values = (state[f"cache/{i}/{part}"].cpu().numpy() for part in ("states", "values"))
            self.cache[i] = {row.tobytes(): value for row, value in zip(states, values, strict=True)}


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
