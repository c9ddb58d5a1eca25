"""A specialist is trusted where several models of its experience agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from morl.fields import BatchSize, InnerShare, Positive, Range, Repeats, Share, Widths
from morl.nn.stacked import StackedMLP
from morl.protocols import Memory
from robust.validity.base import Experience, Fit, Monitor, Parameters, ValidityModel, quantile_of
from robust.validity.predictor import fit_predictors, predicted_changes, split


@dataclass(frozen=True, kw_only=True)
class EnsembleDisagreement(ValidityModel):
    """Trusts a specialist in a state if copies of its predictor agree on what its action does there.

    The score is the standard deviation of the predicted change over the copies, in units of the change's own standard
    deviation, averaged over the coordinates. It tells where the specialist has been, and needs no memory; unlike
    :class:`~robust.validity.PredictiveCoding` it cannot notice that known states react in another way.

    Source:
        Named as an alternative in Zouitine et al. 2024 (arXiv 2410.06212), section 5.1; the form is ours.
    """

    copies: Annotated[int, Range(ge=2, le=1_000)] = 5
    """Predictors of each specialist."""
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

    def monitor(self, observation_size: int, action_size: int) -> DisagreementMonitor:
        """See :meth:`ValidityModel.monitor`."""
        return DisagreementMonitor(observation_size, action_size, self.hidden)

    def fit(self, experience: Sequence[Experience], *, generators: Sequence[torch.Generator]) -> list[Fit]:
        """See :meth:`ValidityModel.fit`."""
        splits = [split(e, self.held_out, g) for e, g in zip(experience, generators, strict=True)]
        monitor = self.monitor(experience[0].observations.shape[1], experience[0].actions.shape[1])
        fitted = fit_predictors(
            monitor.network, splits, copies=self.copies, updates=self.updates, batch_size=self.batch_size,
            learning_rate=self.learning_rate, generators=generators,
        )  # fmt: skip
        found = []
        for parameters, part in zip(fitted, splits, strict=True):
            stacked = {name: value.unsqueeze(1) for name, value in parameters.items()}
            with torch.no_grad():
                held = part.held_out
                errors = monitor.scores(stacked, {}, held.observations.unsqueeze(0), held.actions[None, None])[0, 0]
            found.append(Fit(parameters, errors))
        return found

    def thresholds(self, fits: Sequence[Fit]) -> list[list[float]]:
        """See :meth:`ValidityModel.thresholds`."""
        return [[quantile_of(fit.errors, self.quantile) for fit in fits]]


@dataclass(frozen=True)
class DisagreementMonitor(Monitor):
    """How far the copies of a predictor are apart."""

    kind: ClassVar[str] = "ensemble_disagreement"

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
        """See :meth:`Monitor.config`."""
        return {
            "kind": self.kind,
            "observation_size": self.observation_size,
            "action_size": self.action_size,
            "hidden": list(self.hidden),
        }

    def scores(self, parameters: Parameters, memory: Memory, observations: Tensor, actions: Tensor) -> Tensor:
        """See :meth:`Monitor.scores`."""
        p, specialists = actions.shape[:2]
        inputs = torch.cat([observations.unsqueeze(1).expand(-1, specialists, -1, -1), actions], -1)
        flat = {name: value.flatten(0, 1) for name, value in parameters.items()}
        changes = predicted_changes(self.network, flat, inputs.flatten(0, 1))
        scaled: Tensor = changes / flat["change_std"].unsqueeze(1).unsqueeze(1)
        scores: Tensor = scaled.std(1, correction=0).mean(-1).unflatten(0, (p, specialists))
        return scores
