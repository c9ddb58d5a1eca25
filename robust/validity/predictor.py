"""Models of the next observation, fitted to experience: those of several specialists, and copies of each, side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from morl.fields import BatchSize, InnerShare, Positive, Repeats, Share, Widths
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import StackedMLP
from morl.protocols import Experience
from robust.validity.base import Fit, Monitor, Parameters, ValidityModel

_SMALLEST_DEVIATION = 1e-6


@dataclass(frozen=True)
class Split:
    """One specialist's experience, cut in two."""

    fitted: Experience
    held_out: Experience


@dataclass(frozen=True, kw_only=True)
class PredictorValidity(ValidityModel):
    """Base of the validity models that rest on predictors of the next observation."""

    quantile: Share = 0.95
    """Share of held-out experience that is trusted."""
    hidden: Widths = (64, 64)
    """Width of the predictors' hidden layers."""
    updates: Repeats = 2_000
    """Gradient updates of the fit."""
    batch_size: BatchSize = 256
    """Transitions per update and predictor."""
    learning_rate: Positive = 1e-3
    """Of the fit."""
    held_out: InnerShare = 0.1
    """Share of the experience that is held out."""

    @abstractmethod
    def monitor(self, observation_size: int, action_size: int) -> PredictorMonitor: ...

    def _copies(self) -> int:
        """Predictors of each specialist."""
        return 1

    def fit(self, experience: Sequence[Experience], *, generators: Sequence[torch.Generator]) -> list[Fit]:
        splits = [split(e, self.held_out, g) for e, g in zip(experience, generators, strict=True)]
        monitor = self.monitor(experience[0].observations.shape[1], experience[0].actions.shape[1])
        fitted = fit_predictors(
            monitor.network, splits, copies=self._copies(), updates=self.updates, batch_size=self.batch_size,
            learning_rate=self.learning_rate, generators=generators,
        )  # fmt: skip
        return [
            Fit(parameters, monitor.errors({name: value.unsqueeze(1) for name, value in parameters.items()}, part.held_out))
            for parameters, part in zip(fitted, splits, strict=True)
        ]

    def thresholds(self, fits: Sequence[Fit]) -> list[list[float]]:
        return [[float(torch.quantile(fit.errors.double(), self.quantile)) for fit in fits]]


@dataclass(frozen=True)
class PredictorMonitor(Monitor):
    """Base of the monitors that score by predictors."""

    observation_size: int
    action_size: int
    hidden: tuple[int, ...]

    def __post_init__(self) -> None:
        # From JSON it comes as a list.
        object.__setattr__(self, "hidden", tuple(self.hidden))

    @property
    def network(self) -> StackedMLP:
        """Shape of the predictors."""
        return StackedMLP(self.observation_size + self.action_size, self.hidden, self.observation_size)

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, **vars(self), "hidden": list(self.hidden)}

    @abstractmethod
    def errors(self, parameters: Parameters, experience: Experience) -> Tensor:
        """Scores of one specialist on experience of its own, ``(N,)``; parameters ``(1, 1, ...)``."""


def split(experience: Experience, share: float, generator: torch.Generator) -> Split:
    """Hold out a random share of the transitions, at least one."""
    count = len(experience.observations)
    order = torch.randperm(count, generator=generator)
    held = max(1, min(count - 1, round(share * count))) if count > 1 else 0

    def part(index: Tensor) -> Experience:
        return Experience(experience.observations[index], experience.actions[index], experience.next_observations[index])

    return Split(part(order[held:]), part(order[:held] if held else order))


def fit_predictors(
    network: StackedMLP,
    splits: Sequence[Split],
    *,
    copies: int,
    updates: int,
    batch_size: int,
    learning_rate: float,
    generators: Sequence[torch.Generator],
) -> list[Parameters]:
    r"""Fit :math:`\hat T_j(s, a)`, the mean absolute error of standardised changes.

    Args:
        network: ``d + a`` inputs, ``d`` outputs: the change of the observation.
        splits: Experience of each of ``n`` specialists.
        copies: Predictors of each, which differ in their start and in the batches they see.
        updates: Gradient updates.
        batch_size: Transitions per update and predictor.
        learning_rate: Of Adam.
        generators: Source of randomness of each specialist.

    Returns:
        For each specialist ``network/i`` ``(1, copies, ...)`` and, to standardise with, ``input_mean``, ``input_std``
        ``(1, d + a)`` and ``change_std`` ``(1, d)``.
    """
    statistics = []
    for part in splits:
        inputs, change = part.fitted.inputs, part.fitted.next_observations - part.fitted.observations
        statistics.append(
            {
                "input_mean": inputs.mean(0, keepdim=True),
                "input_std": inputs.std(0, keepdim=True, correction=0).clamp_min(_SMALLEST_DEVIATION),
                "change_std": change.std(0, keepdim=True, correction=0).clamp_min(_SMALLEST_DEVIATION),
            }
        )
    device = splits[0].fitted.observations.device
    # One network per specialist and copy; a specialist's networks follow each other.
    parameters = network.init([generator for generator in generators for _ in range(copies)], device)
    adam = PopulationAdam(parameters, learning_rate=learning_rate)
    for _ in range(updates):
        inputs_, targets = [], []
        for part, stats, generator in zip(splits, statistics, generators, strict=True):
            index = torch.randint(len(part.fitted.observations), (copies, batch_size), generator=generator)
            inputs_.append((part.fitted.inputs[index] - stats["input_mean"]) / stats["input_std"])
            change = part.fitted.next_observations[index] - part.fitted.observations[index]
            targets.append(change / stats["change_std"])
        leaves = [p.detach().requires_grad_() for p in parameters]
        loss = (network(leaves, torch.cat(inputs_)) - torch.cat(targets)).abs().mean((-2, -1))
        adam.step(list(torch.autograd.grad(loss.sum(), leaves)))
    return [
        {
            **{f"network/{i}": p[j * copies : (j + 1) * copies].unsqueeze(0).clone() for i, p in enumerate(parameters)},
            **statistics[j],
        }
        for j in range(len(splits))
    ]


def predicted_changes(network: StackedMLP, parameters: Parameters, inputs: Tensor) -> Tensor:
    """Predicted changes of the observation.

    Args:
        network: Shape of the predictors.
        parameters: As :func:`fit_predictors` returns them, each ``(q, ...)`` instead of ``(1, ...)``.
        inputs: ``(q, B, d + a)``.

    Returns:
        ``(q, copies, B, d)``.
    """
    stacked = [parameters[f"network/{i}"] for i in range(len(network.shapes))]
    q, copies = stacked[0].shape[:2]
    standardised = (inputs - parameters["input_mean"].unsqueeze(1)) / parameters["input_std"].unsqueeze(1)
    spread = standardised.unsqueeze(1).expand(q, copies, *standardised.shape[1:]).flatten(0, 1)
    changes = network([p.flatten(0, 1) for p in stacked], spread).unflatten(0, (q, copies))
    scaled: Tensor = changes * parameters["change_std"].unsqueeze(1).unsqueeze(1)
    return scaled
