"""What every validity model shares: it is fitted to a specialist's experience and then scores the states of an episode."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from morl.fields import CheckedFields
from morl.protocols import Experience, Memory

Parameters = dict[str, Tensor]

ALWAYS = float(torch.finfo(torch.float32).max)
"""A threshold that every score is below."""


@dataclass(frozen=True)
class Fit:
    """A validity model of one specialist."""

    parameters: Parameters
    """By name, each with a leading axis of 1."""
    errors: Tensor
    """Scores of experience that was held out, ``(H,)``."""


class Monitor(ABC):
    """Scores states; knows the shapes of the parameters, which are passed to every call.

    Letters: ``p`` policies, ``J`` specialists of each, ``B`` episodes side by side.
    """

    kind: ClassVar[str]

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What JSON can hold: enough to rebuild it with :func:`monitor_from`."""

    def memory(self, policies: int, batch: int, device: torch.device) -> Memory:
        """What has to be remembered from one step to the next, ``(p, B, ...)``; empty by default."""
        del policies, batch, device
        return {}

    def observe(self, memory: Memory, observations: Tensor, actions: Tensor, done: Tensor) -> Memory:
        """Carry the memory over one step.

        Args:
            memory: Of the step before.
            observations: Encoded, what was acted on, ``(p, B, d)``.
            actions: As the networks see them, ``(p, B, a)``.
            done: Whether the episode ended, ``(p, B)``.
        """
        del observations, actions, done
        return memory

    @abstractmethod
    def scores(self, parameters: Parameters, memory: Memory, observations: Tensor, actions: Tensor) -> Tensor:
        """Score states: a specialist is valid where its score is at most its threshold.

        Args:
            parameters: Each ``(p, J, ...)``.
            memory: See :meth:`memory`.
            observations: Encoded, ``(p, B, d)``.
            actions: What each specialist would do there, as the networks see it, ``(p, J, B, a)``.

        Returns:
            ``(p, J, B)``, nonnegative.
        """


class ValidityModel(CheckedFields, ABC):
    """Configuration of a validity model."""

    @abstractmethod
    def monitor(self, observation_size: int, action_size: int) -> Monitor:
        """The scorer for encoded observations of ``d`` and actions of ``a`` numbers."""

    @abstractmethod
    def fit(self, experience: Sequence[Experience], *, generators: Sequence[torch.Generator]) -> list[Fit]:
        """Fit one model to the experience of each of ``n`` specialists, side by side.

        Args:
            experience: Of each specialist.
            generators: Source of randomness of each.
        """

    @abstractmethod
    def thresholds(self, fits: Sequence[Fit]) -> list[list[float]]:
        """Thresholds to choose from: one list per choice, with a threshold for each of the given specialists.

        With a single choice nothing is searched; with several, the one whose worst case is best wins.
        """


def monitor_from(config: dict[str, Any]) -> Monitor:
    """Rebuild a monitor from :meth:`Monitor.config`."""
    from robust.validity.always_valid import NoMonitor
    from robust.validity.ensemble_disagreement import DisagreementMonitor
    from robust.validity.predictive_coding import PredictionMonitor

    kinds: dict[str, Any] = {cls.kind: cls for cls in (NoMonitor, DisagreementMonitor, PredictionMonitor)}
    made: Monitor = kinds[config["kind"]](**{key: value for key, value in config.items() if key != "kind"})
    return made
