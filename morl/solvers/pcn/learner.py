"""Pareto conditioned networks: the live learner."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from morl.action_spaces import box_actions, supported_actions
from morl.determinism import found_chance
from morl.errors import CapabilityError
from morl.functional.bounded_front import bounded_front
from morl.functional.commands import episode_labels, next_command
from morl.functional.imitation import choice_errors, squared_errors
from morl.members import Counter, Owns, PerRow, Shared, SharedPart
from morl.nn.population_adam import PopulationAdam
from morl.nn.return_conditioned import ReturnConditionedNetwork
from morl.nn.running_moments import RunningMoments
from morl.policies.return_conditioned import Condition, ReturnConditionedPolicy, scaled_condition
from morl.policies.tracking import naming_weights
from morl.protocols import Candidate, EnvFactory, Policy, Rows, Transition
from morl.seeding import stream, torch_stream
from morl.solvers.pcn.archive import EpisodeArchive, Episodes
from morl.solvers.pcn.commands import drawn_commands
from morl.solvers.whole_episodes import WholeEpisodes
from morl.stores import Rollout
from morl.task import Task

if TYPE_CHECKING:
    from morl.solvers.pcn.solver import PCN

Array = npt.NDArray[np.float64]

TAKES: tuple[Condition, ...] = ("returns", "horizon")
_TRIAL_STEPS = 200
_log = logging.getLogger(__name__)


class PCNLearner(WholeEpisodes):
    """One network and one memory, fed by all environment rows; members are groups of rows, and their weights play no part."""

    owns: Owns = (
        Counter("batches"),
        Counter("collected"),
        PerRow("desired"),
        PerRow("horizon"),
        SharedPart("archive"),
        SharedPart("moments"),
        Shared("condition_centre"),
        Shared("condition_scale"),
        Shared("network_parameters"),
        SharedPart("adam"),
    )
    serves_preferences = False
    solver: PCN

    def __init__(self, solver: PCN, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build network and memory; see :meth:`morl.protocols.Solver.make`.

        Raises:
            CapabilityError: Actions are of a kind that it cannot take, or a few steps show that chance plays a part.
        """
        space = env.spec.action_space
        self.finite = supported_actions(space, "PCN", boxes="any", joint="never")
        self.box = box_actions(space, device) if isinstance(space, spaces.Box) and self.finite is None else None
        super().__init__(
            env=env, task=task, gamma=solver.gamma, rows_per_member=solver.rows_per_member, seed=seed, device=device
        )
        self.solver = solver
        self._look_for_chance()
        self._action_width = len(self.finite.sizes) if self.finite else int(np.prod(space.shape or ()))
        outputs = self.finite.width if self.finite else self._action_width
        self.network = ReturnConditionedNetwork(self.encoder.width, self.m + 1, solver.hidden, outputs)
        self.network_parameters = self.network.init([torch_stream(seed, "init/network")], device)
        self.adam = PopulationAdam(self.network_parameters, learning_rate=solver.learning_rate)
        self.moments = RunningMoments(1, self.encoder.width, device=device, followed=self.encoder.numbers)
        self.condition_centre = torch.zeros(1, self.m + 1, dtype=torch.float64, device=device)
        self.condition_scale = torch.ones_like(self.condition_centre)
        self.archive = EpisodeArchive(
            self.encoder.width, self._action_width, self.m, capacity=solver.archive_size, dominance=solver.dominance,
            crowding_distance=solver.crowding_distance, crowding_penalty=solver.crowding_penalty, device=device,
        )  # fmt: skip
        self.batches = self.collected = 0
        """Batches of episodes that were learned from, and episodes in them."""
        count = len(self._all_rows)
        self.desired = torch.zeros(count, self.m, dtype=torch.float64, device=device)
        """What is still asked for in each row, ``(R, m)``, return units."""
        self.horizon = torch.ones(count, 1, dtype=torch.float64, device=device)
        """In how many steps, ``(R, 1)``."""
        self.declare_statistics("policy_loss", "front_vectors")
        fields: dict[str, tuple[int, ...]] = {
            "input": (self.encoder.width,), "action": (self._action_width,), "reward": (self.m,)
        }  # fmt: skip
        horizon = min(self.spec.max_episode_steps or 128, 1024)
        self.rollout = Rollout(fields, horizon=horizon, num_rows=count, device=device, grow=True)
        self.waiting = np.zeros(count, dtype=np.bool_)

    def _look_for_chance(self) -> None:
        """Refuse worlds where chance plays a part, or say what comes of it."""
        host = torch.device("cpu")
        box = None if self.box is None else box_actions(self.spec.action_space, host)  # type: ignore[arg-type]

        def draw(generator: torch.Generator) -> Tensor:
            if self.finite is not None:
                return self.finite.actions(self.finite.random(1, generator, host))
            assert box is not None
            shape = self.spec.action_space.shape or ()
            flat = torch.rand((1, len(box.scale)), generator=generator) * 2 - 1
            return box.clip(flat * box.scale + box.offset).reshape(1, *shape)

        found = found_chance(self.env, draw, seed=self.seed, steps=_TRIAL_STEPS)
        if not found:
            return
        text = (
            f"PCN learns what an episode returned, which is luck where chance plays a part, and {found}; use MORLD with "
            "another solver inside"
        )
        if self.solver.stochastic == "refuse":
            raise CapabilityError(f"{text}, or set stochastic: warn in PCN to try it anyway")
        _log.warning("%s; candidates may return less than they were asked for", text)

    # ------------------------------------------------------------------ acting

    def _reset_ended(self, rows: Rows) -> None:
        began = rows[self.ended[rows]]
        super()._reset_ended(rows)
        if not len(began) or self.is_warming_up:
            return
        front = self.archive.best
        rng = stream(self.seed, "commands", int(began[0]), int(self.episodes[began[0]]))
        desired, horizon = drawn_commands(
            self.archive.returns[front],
            self.archive.lengths[front],
            self.archive.spread,
            haste=float(self.archive.lengths.std()),
            count=len(began),
            trade=self.solver.trade,
            rng=rng,
        )
        index = torch.from_numpy(began).to(self.device)
        self.desired[index] = torch.from_numpy(desired).to(self.device)
        self.horizon[index] = torch.from_numpy(horizon).to(self.device)

    @property
    def is_warming_up(self) -> bool:
        """Whether actions are still random."""
        return self.collected < self.solver.warm_up_episodes

    def _act(self, rows: Rows, observations: Tensor) -> Tensor:
        self._inputs = self.encoder(observations)
        count = len(rows)
        if self.finite is not None:
            uniform = torch.rand(self.finite.noise_shape((count,)), generator=self.acting, device=self.device)
            logits = self._outputs(rows)
            explores = torch.rand(count, generator=self.acting, device=self.device) < self.solver.epsilon
            choices = self.finite.sample(logits.masked_fill(explores.unsqueeze(1), 0.0), uniform)
            self._taken = choices.reshape(count, -1).to(torch.float32)
            return self.finite.actions(choices)
        assert self.box is not None
        if self.is_warming_up:
            flat = torch.rand((count, self._action_width), generator=self.acting, device=self.device) * 2 - 1
        else:
            noise = torch.randn((count, self._action_width), generator=self.acting, device=self.device)
            flat = self._outputs(rows) + self.solver.action_noise * noise
        actions = self.box.clip(flat * self.box.scale + self.box.offset)
        # What was done, not what was meant: clipped.
        self._taken = (actions - self.box.offset) / self.box.scale
        return actions.reshape(count, *(self.spec.action_space.shape or ()))

    def _outputs(self, rows: Rows) -> Tensor:
        """Of the network in some rows, ``(r, S)``; equal logits while warming up."""
        if self.is_warming_up:
            return torch.zeros(len(rows), self.network.outputs, device=self.device)
        index = torch.from_numpy(rows).to(self.device)
        with torch.no_grad():
            return self.evaluate_network(self.network_parameters, self._inputs, self.desired[index], self.horizon[index])

    def evaluate_network(self, parameters: list[Tensor], inputs: Tensor, desired: Tensor, horizon: Tensor) -> Tensor:
        """Outputs for encoded observations ``(B, d)`` and commands ``(B, m)``, ``(B, 1)``: ``(B, S)``."""
        normalised = self.moments.normalise(inputs.unsqueeze(0), slice(0, 1))
        condition = scaled_condition([desired, horizon], self.condition_centre, self.condition_scale, like=inputs)
        return self.network(parameters, normalised, condition.unsqueeze(0))[0]

    def _remember(self, step: Transition) -> None:
        self.rollout.add(step.rows, input=self._inputs, action=self._taken, reward=step.rewards)
        index = torch.from_numpy(step.rows).to(self.device)
        self.desired[index], self.horizon[index] = next_command(
            self.desired[index], self.horizon[index], step.rewards, self.gamma
        )
        self.waiting[step.rows] = step.done.cpu().numpy()

    # ------------------------------------------------------------------ learning

    def _update(self, members: list[int]) -> None:
        self._archive(self.rows_of(members))
        index = torch.tensor(members)
        front = torch.full((len(members),), float(self.archive.best.sum()), device=self.device)
        self.note_statistics(index, front_vectors=front)
        if not self.is_warming_up:
            loss = self.learn_from_archive(self.solver.updates_per_batch)
            self.note_statistics(index, policy_loss=loss.expand(len(members)))

    def _archive(self, rows: Rows) -> None:
        """Offer the finished episodes of some rows to the memory, and see where its data lies now."""
        index = torch.from_numpy(rows).to(self.device)
        mask, rewards = self.rollout.mask[:, index], self.rollout["reward"][:, index]
        steps = torch.arange(len(mask), device=self.device).unsqueeze(1)
        desired, left = episode_labels(rewards, steps == mask.sum(0) - 1, self.gamma)
        # Row by row, so that the steps of an episode follow each other.
        order = mask.T
        inputs = self.rollout["input"][:, index].transpose(0, 1)[order]
        self.archive.add(
            Episodes(
                inputs=inputs,
                actions=self.rollout["action"][:, index].transpose(0, 1)[order],
                desired=desired.transpose(0, 1)[order],
                left=left.T[order].unsqueeze(1),
            )
        )
        self.batches += 1
        self.collected += len(rows)
        self.moments.follow(inputs.unsqueeze(0), torch.ones(1, len(inputs), dtype=torch.bool, device=self.device), slice(0, 1))
        labels = torch.cat([self.archive.steps.desired, self.archive.steps.left], 1)
        low, high = labels.amin(0, keepdim=True), labels.amax(0, keepdim=True)
        self.condition_centre.copy_((low + high) / 2)
        self.condition_scale.copy_(torch.where(high > low, (high - low) / 2, torch.ones_like(low)))

    def learn_from_archive(self, updates: int) -> Tensor:
        """Take gradient steps on what is remembered.

        Args:
            updates: How many.

        Returns:
            Mean loss of the last one.
        """
        loss = torch.zeros((), device=self.device)
        for _ in range(updates):
            inputs, actions, desired, left = self.archive.sample(
                self.solver.batch_size, self.learning, front_share=self.solver.front_share
            )
            leaves = [p.detach().requires_grad_() for p in self.network_parameters]
            outputs = self.evaluate_network(leaves, inputs, desired, left)
            errors = squared_errors(outputs, actions) if self.finite is None else choice_errors(outputs, actions, self.finite)
            loss = errors.mean()
            self.adam.step(list(torch.autograd.grad(loss, leaves)))
        return loss.detach()

    # ------------------------------------------------------------------ what was found

    def policies(self) -> list[Policy]:
        """One policy for all commands; see :class:`~morl.policies.ReturnConditionedPolicy`."""
        archive = self.archive
        best = np.flatnonzero(archive.best)
        if len(best) > self.solver.max_candidates:
            chosen, _ = bounded_front(archive.returns[best], unit=archive.unit, resolution=0.0, most=self.solver.max_candidates)
            best = best[chosen]
        front = archive.returns[best]
        names = naming_weights(front) if len(front) else front
        extras = {
            "condition_centre": self.condition_centre.clone(),
            "condition_scale": self.condition_scale.clone(),
            "mean": self.moments.mean.clone(),
            "std": self.moments.std,
        }
        if self.finite is None:
            noise = max(self.solver.action_noise, 1e-9)
            extras["log_std"] = torch.full((1, self._action_width), float(np.log(noise)), device=self.device)
        return [
            ReturnConditionedPolicy.unbound(
                self.spec.observation_space, self.spec.action_space, self.network,
                [p.clone() for p in self.network_parameters],
                gamma=self.gamma, num_objectives=self.m, takes=TAKES,
                menu=(torch.from_numpy(names), torch.from_numpy(front), torch.from_numpy(archive.lengths[best])),
                **extras,
            ).at(np.full(self.m, 1.0 / self.m))
        ]  # fmt: skip

    def candidates(self) -> list[Candidate]:
        """One for each return that is not dominated; see :class:`morl.capabilities.HasCandidates`."""
        policy = self.policies()[0]
        assert isinstance(policy, ReturnConditionedPolicy)
        names = policy.extras["menu_weights"][0].cpu().numpy()
        return [Candidate(policy, w, self.uids[0]) for w in (names if len(names) else np.full((1, self.m), 1.0 / self.m))]
