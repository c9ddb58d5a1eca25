r"""Multi-objective proximal policy optimisation (MOPPO): a population of on-policy learners with vector values.

Each member :math:`i` maximises :math:`w_i^\top V`. Its value function is a vector, :math:`V(s) \in \mathbb{R}^m`, so it stays
valid when weights move: vector advantages are weighed by :math:`w_i`, normalised, and enter the clipped surrogate. With
``network="conditioned"`` one actor and one critic see the weights and stand for all preferences
(:mod:`morl.solvers.one_network`). How members improve, with sources and deviations: :mod:`morl.solvers.proximal`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from morl.critics import StateValueCritic
from morl.errors import CapabilityError
from morl.fields import CountOrZero
from morl.members import Owns, Store
from morl.policies.mlp import MLPPolicy
from morl.protocols import EnvFactory, Experience, Policy, Transition
from morl.solvers.one_network import Conditionable
from morl.solvers.proximal import Proximal, ProximalLearner
from morl.stores import Ring
from morl.task import Task
from morl.transfer import Transfers

RECORDED_STEPS = 10_000
"""Steps that are kept where somebody is going to ask for them."""


@dataclass(frozen=True, kw_only=True)
class MOPPO(Proximal, Conditionable):
    """Multi-objective proximal policy optimisation, for real-valued boxes (also unbounded ones) and finite actions.

    With several components (MultiDiscrete, MultiBinary, boxes of integers) the policy is a product of independent categorical
    distributions: log-probabilities and entropies add up.

    Utility: any weighted sum; a non-linear scalarization under SER is replaced by its linearisation at each member's
    running return (a Frank-Wolfe step): its stationary points include mixtures, and stochastic policies can realise them.
    ESR with a non-linear utility is refused. Data are used once, so replay cannot be shared.
    """

    recorded_steps: CountOrZero = 0
    """Latest environment steps of each member that are kept for who asks for its experience (IWOCS); 0 for none."""

    def learner_type(self) -> type[ProximalLearner]:
        if not self.is_conditioned:
            return MOPPOLearner
        from morl.solvers.conditioned_moppo import ConditionedMOPPOLearner

        return ConditionedMOPPOLearner

    def with_comparable_critics(self) -> MOPPO:
        """Values are plain returns already; experience is kept. See :class:`morl.capabilities.HasComparableCritics`."""
        self.require_separate()
        return self if self.recorded_steps else replace(self, recorded_steps=RECORDED_STEPS)


class RecordingLearner(ProximalLearner):
    """A learner that keeps the latest steps beyond a rollout where the solver says so."""

    owns: Owns = (Store("record"),)
    solver: MOPPO

    def __init__(self, solver: MOPPO, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build everything; see :meth:`morl.protocols.Solver.make`."""
        super().__init__(solver, env=env, task=task, seed=seed, device=device)
        self.record = self._make_record()

    def _make_record(self) -> Ring | None:
        """The latest steps, which rollouts forget; actions in the environment's units."""
        if not self.solver.recorded_steps:
            return None
        d, count = self.encoder.width, len(self._all_rows)
        return Ring(
            {"observation": d, "action": self._action_width, "next_observation": d},
            capacity=max(self.solver.recorded_steps, count), num_groups=self.n, shared=False, num_rows=count,
            device=self.device,
        )  # fmt: skip

    def _remember(self, step: Transition) -> None:
        super()._remember(step)
        if self.record is not None:
            done = step.actions if self.finite is None else self._pending["action"]
            self.record.add(
                step.rows, self.row_member[step.rows], observation=self._pending["observation"],
                action=done.reshape(len(step.rows), -1), next_observation=self.encoder(step.next_observations),
                terminated=step.terminated, truncated=step.truncated,
            )  # fmt: skip

    def experience(self, member: int) -> Experience:
        """The steps that were kept; see :class:`morl.capabilities.HasExperience`.

        Raises:
            CapabilityError: None are, as ``recorded_steps`` is 0.
        """
        if self.record is None:
            raise CapabilityError("MOPPO keeps no experience beyond a rollout; set recorded_steps")
        stored = self.record.stored(member)
        actions = stored["action"]
        if self.finite is not None:
            actions = self.finite.one_hot(self.finite.stored_index(actions))
        return Experience(stored["observation"], actions, stored["next_observation"])


class MOPPOLearner(Transfers, RecordingLearner):
    """A live MOPPO population, each member with networks of its own."""

    def critics(self) -> StateValueCritic:
        """The value functions, with the moments they rely on; see :class:`morl.capabilities.HasCritics`."""
        parts = {str(i): p.clone() for i, p in enumerate(self.critic)}
        if self.follows_observations:
            parts |= {"mean": self.observation_moments.mean.clone(), "std": self.observation_moments.std}
        if self.solver.normalise_values:
            parts |= {"value_mean": self.value_moments.mean.clone(), "value_std": self.value_moments.std}
        spec = self.spec
        return StateValueCritic(
            observation_space=spec.observation_space, action_space=spec.action_space, num_objectives=self.m,
            network=self.critic_net, parts=parts,
        )  # fmt: skip

    def policies(self) -> list[Policy]:
        """One snapshot per member."""
        snapshots = (self._snapshot(i) for i in range(self.n))
        return [
            MLPPolicy(self.spec.observation_space, self.spec.action_space, self.actor_net, self.head, parameters, extras)
            for parameters, extras in snapshots
        ]
