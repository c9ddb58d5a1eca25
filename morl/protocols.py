"""The contracts that the parts of the framework meet through.

Letters used in shapes, here and everywhere: ``n`` members, ``R`` rows, ``m`` objectives, ``k`` dynamics parameters,
``d`` encoded observation size, ``B`` batch, ``p`` policies, ``K`` transition models (kernels), ``E`` episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from morl.problem import ProblemSpec
    from morl.task import Task

State: TypeAlias = dict[str, Any]
"""Flat state of a live object: tensors, and what JSON can hold; keys use ``/`` as separator."""

Memory: TypeAlias = dict[str, Tensor]
"""What a non-Markov policy carries through an episode: tensors ``(B, ...)``; empty for a Markov policy."""

Rows: TypeAlias = npt.NDArray[np.int64]
"""Indices of environment rows."""


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

    def evaluator(self, *, gamma: float, device: torch.device) -> Any:
        """The :class:`morl.experiments.evaluation.Evaluator` by which policies of this problem are judged."""
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
class Learner(Protocol):
    """A live population of ``n >= 1`` members that are trained together."""

    @property
    def round_steps(self) -> int:
        """Environment steps of the next indivisible round; it may differ from round to round."""
        ...

    @property
    def task(self) -> Task:
        """What the members work on now."""
        ...

    @property
    def uids(self) -> list[int]:
        """Identity of each member, ``(n,)``; a fresh individual gets a new one."""
        ...

    def next_round(self, members: Sequence[int] | None = None) -> int:
        """Environment steps of the next round, if only these members take part."""
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

    def policies(self, weights: Tensor | None = None) -> list[Policy]:
        """Snapshots of the current policies (one per member unless the learner says otherwise)."""
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
class HasValues(Protocol):
    """A learner that can say what an action is worth."""

    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Vector values of state-action pairs, by every member's critic.

        Args:
            observations: Raw observations ``(B, *space.shape)``.
            actions: As the environment takes them, ``(B, *space.shape)``.

        Returns:
            ``(n, B, m)``, in return units.
        """
        ...


@runtime_checkable
class HasFirstUpdate(Protocol):
    """A learner that can say why it has not learned anything yet."""

    def waits_for(self) -> str:
        """What the first update waits for, and the remedy, in words; empty text once there was one."""
        ...


@runtime_checkable
class HasAssessor(Protocol):
    """A learner that evaluates its own population as part of its algorithm (MORL/D)."""

    assessor: Any
    """The :class:`morl.experiments.assessment.Assessor` that holds its archive and its latest evaluation."""

    def assess(self) -> Any:
        """The record of the population as it is now; evaluates it if anything was trained since the last one."""
        ...


@runtime_checkable
class Solver(Protocol):
    """The configuration of an algorithm: a frozen dataclass, and a node of a YAML file."""

    gamma: float

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
