"""The contracts that the parts of the framework meet through.

Letters used in shapes, here and everywhere: ``n`` members, ``R`` rows, ``m`` objectives, ``k`` dynamics parameters,
``d`` encoded observation size, ``B`` batch, ``p`` policies, ``K`` transition models (kernels), ``E`` episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from morl.problem_spec import ProblemSpec
    from morl.task import Task

State: TypeAlias = dict[str, Any]
"""Flat state of a live object: tensors, and what JSON can hold; keys use ``/`` as separator."""

Memory: TypeAlias = dict[str, Tensor]
"""What a non-Markov policy carries through an episode: tensors ``(B, ...)``; empty for a Markov policy."""

Rows: TypeAlias = npt.NDArray[np.int64]
"""Indices of environment rows."""

Payload: TypeAlias = Literal["actor", "all"]
"""What a transfer of parameters takes along: how to act, or everything that was learned."""


class Transition(NamedTuple):
    """One step of some environment rows."""

    rows: Rows
    """Which, ``(r,)``."""
    observations: Tensor
    """Raw ones that were acted on, ``(r, *space.shape)``."""
    actions: Tensor
    """In the environment's units, ``(r, ...)``."""
    rewards: Tensor
    """``(r, m)``."""
    next_observations: Tensor
    """True ones, also of a last step, ``(r, *space.shape)``."""
    terminated: Tensor
    """``(r,)`` bool."""
    truncated: Tensor
    """``(r,)`` bool."""

    @property
    def done(self) -> Tensor:
        """Whose episode ended, ``(r,)`` bool."""
        return self.terminated | self.truncated


@runtime_checkable
class EpisodeListener(Protocol):
    """Whoever is told of every training step, row by row."""

    def begin(self, rows: Rows, weights: Tensor, policies: Sequence[int]) -> None:
        """Episodes begin; what these rows had not finished is given up.

        Args:
            rows: In which rows, ``(r,)``.
            weights: Preferences that they act by, ``(r, m)``.
            policies: Identities of the members that act, ``(r,)``.
        """
        ...

    def step(self, transition: Transition) -> None:
        """A step was taken in some rows."""
        ...

    def reindex(self, rows: Rows, fresh: npt.NDArray[np.bool_]) -> None:
        """The rows changed: each is a copy of an old one, ``(R',)``, and those of new individuals, ``(R',)``, begin anew."""
        ...


@dataclass(frozen=True)
class Experience:
    """What a member went through, encoded as its networks see it."""

    observations: Tensor
    """``(N, d)``, in the order in which they were met."""
    actions: Tensor
    """``(N, a)``, in the environment's units; for finite actions a one for every choice."""
    next_observations: Tensor
    """``(N, d)``."""

    @property
    def inputs(self) -> Tensor:
        """Observations and actions side by side, ``(N, d + a)``."""
        return torch.cat([self.observations, self.actions], -1)


@runtime_checkable
class EnvRows(Protocol):
    """A batch of independent environment instances that never reset themselves.

    Observations are *raw*: what the environment's observation space describes, batched on axis 0, as float32
    (real-valued boxes) or int64 (everything integral); those of a Dict or Tuple are laid out flat
    (:mod:`morl.observations`). Whoever consumes them owns an encoder.
    """

    num_rows: int

    def reset(self, rows: Rows, seeds: Sequence[int], dynamics: Tensor | None = None) -> Tensor:
        """Start a new episode in some rows.

        Args:
            rows: Which rows, ``(r,)``.
            seeds: One environment seed per row, ``(r,)``.
            dynamics: Transition model of each row, ``(r, k)``; None for the nominal one.

        Returns:
            Raw observations ``(r, *space.shape)`` on the rows' device.
        """
        ...

    def step(self, actions: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Advance some rows by one step.

        Args:
            actions: ``(r, a)`` for Box and MultiBinary spaces, ``(r,)`` for Discrete ones, in the environment's units.
            rows: Which rows, ``(r,)``; none of them may have ended without a reset.

        Returns:
            True next observations ``(r, *space.shape)`` (also of a last step), rewards ``(r, m)`` float32, ``terminated``
            and ``truncated`` ``(r,)`` bool.
        """
        ...

    def state(self) -> State:
        """Everything needed to stand at the same step again: each row's episode seed, dynamics and actions so far."""
        ...

    def load_state(self, state: State) -> None:
        """Return to a saved position by replaying the episodes so far."""
        ...

    def replay(self, state: State) -> Tensor | None:
        """Like :meth:`load_state`; returns the raw observations at which the rows stand, None if none ever started."""
        ...


@runtime_checkable
class EnvFactory(Protocol):
    """A problem: makes rows of one environment and says what it looks like."""

    @property
    def spec(self) -> ProblemSpec:
        """What it looks like."""
        ...

    def rows(self, num_rows: int, *, device: torch.device) -> EnvRows:
        """Make ``num_rows`` fresh rows whose tensors live on ``device``."""
        ...


@runtime_checkable
class Policy(Protocol):
    """A light, frozen snapshot of how to act; knows nothing of training.

    Observations are what the environment returns, or raw ones. A single observation (exactly the space's shape) gives a
    single action, a batch gives a batch; numpy in, numpy out; torch in, torch out. What is not in the space is refused.
    """

    kind: ClassVar[str]

    def memory(self, batch: int) -> Memory:
        """Memory at the start of ``batch`` episodes; ``{}`` for a Markov policy."""
        ...

    def act(
        self,
        observations: Any,
        memory: Memory | None = None,
        *,
        weights: Any = None,
        deterministic: bool = True,
        generator: torch.Generator | None = None,
    ) -> Any:
        """Choose actions.

        Args:
            observations: Raw observations ``(B, *space.shape)`` or one of them.
            memory: What :meth:`observe` returned last; None means the start of an episode.
            weights: Preference ``(m,)`` or ``(B, m)``, for policies that take one.
            deterministic: The most likely action instead of a sampled one.
            generator: Source of randomness when not deterministic.

        Returns:
            Actions in the environment's units: ``(B, a)`` or ``(B,)``, without the batch axis for a single observation.
        """
        ...

    def observe(
        self, memory: Memory, observations: Tensor, actions: Tensor, rewards: Tensor, next_observations: Tensor, done: Tensor
    ) -> Memory:
        """Carry the memory over one step; rows that are ``done`` start anew."""
        ...

    def config(self) -> dict[str, Any]:
        """What JSON can hold: enough to rebuild the policy together with :meth:`tensors`."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """The parameters, by name."""
        ...

    def save(self, folder: str | Path, name: str = "policy") -> Path:
        """Write ``NAME.safetensors`` and ``NAME.json``; :func:`morl.policies.load_policy` reads them back."""
        ...


@runtime_checkable
class Critic(Protocol):
    """Frozen critics of ``q`` policies, side by side; see :class:`morl.critics.BaseCritic`."""

    @property
    def action_space(self) -> gym.Space[Any]:
        """Of the environment."""
        ...

    @property
    def parts(self) -> dict[str, Tensor]:
        """Their tensors by name, ``(q, ...)`` each."""
        ...

    def config(self) -> dict[str, Any]:
        """What JSON can hold; with :attr:`parts` and the spaces enough to rebuild them (:func:`morl.critics.critic_from`)."""
        ...

    def values(self, observations: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
        """What actions are worth.

        Args:
            observations: Raw, ``(g, B, *space.shape)`` with ``q`` a multiple of ``g``: each group of ``q / g`` critics in a row
                sees the same.
            actions: As policies return them (Discrete from 0), ``(q, B, ...)``, or ``(1, B, ...)`` for all.
            weights: Preference of each policy, ``(q, m)``.

        Returns:
            ``(q, B, m)``, return units.
        """
        ...

    def select(self, members: Sequence[int] | Tensor) -> Self:
        """Some of them, ``(q',)``; with repetition, if wanted."""
        ...


@dataclass(frozen=True, eq=False)
class Candidate:
    """What is evaluated, archived and handed out: a policy, and the preference that it is to serve.

    Several candidates may share one policy, if that takes weights (:attr:`morl.policies.BasePolicy.takes_weights`): it acts
    for each of them by the candidate's. One that follows a preference through an episode is bound to it beforehand
    (:meth:`morl.policies.BasePolicy.at`).
    """

    policy: Policy
    weights: npt.NDArray[np.float64]
    """``(m,)``."""
    member: int
    """Identity of the member that it comes from."""


@runtime_checkable
class Learner(Protocol):
    """A live population of ``n >= 1`` members that are trained together.

    What only some learners can do is a protocol of its own (:mod:`morl.capabilities`), asked for where parts are put together.
    """

    @property
    def n(self) -> int:
        """Number of members."""
        ...

    @property
    def task(self) -> Task:
        """What the members work on now."""
        ...

    @property
    def uids(self) -> list[int]:
        """Identity of each member, ``(n,)``; a fresh individual gets a new one."""
        ...

    @property
    def timing(self) -> dict[str, float]:
        """Seconds so far by purpose: ``acting``, ``environment``, ``learning``, ``search``."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether the algorithm came to its own end; most only know budgets."""
        ...

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next indivisible round, if only these members take part; rounds may differ."""
        ...

    def learn(self, env_steps: int, members: Sequence[int] | None = None) -> dict[str, int]:
        """Train for whole rounds, as many as fit into ``env_steps``, summed over the members that take part.

        A round that does not fit waits for the next call, so cutting a budget into pieces (each of at least one round)
        changes nothing. Only a budget below one round is spent on a part of the rows, exactly.

        Args:
            env_steps: Budget of this call, ``>= 1``.
            members: Who acts and learns; everybody by default. The others stay bitwise unchanged.

        Returns:
            Environment steps spent, by purpose (``"training"``, ``"search"``, ``"evaluation"``); training and search
            together at least 1 and at most ``env_steps``.
        """
        ...

    def set_task(self, task: Task, members: Sequence[int] | None = None) -> None:
        """Give members new sub-problems; networks, stores and optimisers stay."""
        ...

    def reindex(self, source: Sequence[int], fresh: Sequence[bool]) -> None:
        """Make a population of ``len(source)`` members, each a copy of an old one.

        Args:
            source: Index of the member to copy, ``(n',)``.
            fresh: Whether the copy is a new individual: new optimiser state, episode stream and identity, ``(n',)``.
        """
        ...

    def policies(self) -> list[Policy]:
        """Snapshots of the current policies: one per member, or one of them all (:class:`~morl.capabilities.HasCandidates`)."""
        ...

    def statistics(self) -> dict[str, float]:
        """Latest training statistics (losses and the like) for the metrics table; same keys at every call, NaN for none yet."""
        ...

    def state(self) -> State:
        """Everything needed to go on exactly."""
        ...

    def load_state(self, state: State) -> None:
        """Go on from a saved state."""
        ...


@runtime_checkable
class Solver(Protocol):
    """The configuration of an algorithm: a frozen dataclass, and a node of a YAML file."""

    @property
    def gamma(self) -> float:
        """Discount factor."""
        ...

    def make(self, env: EnvFactory, task: Task | None, *, seed: int, device: torch.device) -> Learner:
        """Build the live learner.

        Args:
            env: The problem.
            task: What each member works on; None lets the solver choose (equal weights, nominal dynamics).
            seed: Every random stream of the learner derives from it.
            device: Where its tensors live.

        Raises:
            CapabilityError: The solver cannot work on this problem or task; the message says what to use instead.
        """
        ...


def prefixed(prefix: str, state: Mapping[str, Any]) -> State:
    """Put ``prefix/`` before every key of a state."""
    return {f"{prefix}/{key}": value for key, value in state.items()}


def unprefixed(prefix: str, state: Mapping[str, Any]) -> State:
    """Take the part of a state below ``prefix/``."""
    return {key[len(prefix) + 1 :]: value for key, value in state.items() if key.startswith(prefix + "/")}
