"""A specialist is trusted where several models of its experience agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from morl.fields import Range
from morl.protocols import Experience, Memory
from robust.validity.base import Parameters
from robust.validity.predictor import PredictorMonitor, PredictorValidity, predicted_changes


@dataclass(frozen=True, kw_only=True)
class EnsembleDisagreement(PredictorValidity):
    """Trusts a specialist in a state if copies of its predictor agree on what its action does there.

    The score is the standard deviation of the predicted change over the copies, in units of the change's own standard
    deviation, averaged over the coordinates. It tells where the specialist has been, and needs no memory; unlike
    :class:`~robust.validity.PredictiveCoding` it cannot notice that known states react in another way.

    Source:
        Named as an alternative in Zouitine et al. 2024 (arXiv 2410.06212), section 5.1; the form is ours.
    """

    copies: Annotated[int, Range(ge=2, le=1_000)] = 5
    """Predictors of each specialist."""

    def monitor(self, observation_size: int, action_size: int) -> DisagreementMonitor:
        return DisagreementMonitor(observation_size, action_size, self.hidden)

    def _copies(self) -> int:
        return self.copies


@dataclass(frozen=True)
class DisagreementMonitor(PredictorMonitor):
    """How far the copies of a predictor are apart."""

    kind: ClassVar[str] = "ensemble_disagreement"

    def errors(self, parameters: Parameters, experience: Experience) -> Tensor:
        with torch.no_grad():
            return self.scores(parameters, {}, experience.observations.unsqueeze(0), experience.actions[None, None])[0, 0]

    def scores(self, parameters: Parameters, memory: Memory, observations: Tensor, actions: Tensor) -> Tensor:
        p, specialists = actions.shape[:2]
        inputs = torch.cat([observations.unsqueeze(1).expand(-1, specialists, -1, -1), actions], -1)
        flat = {name: value.flatten(0, 1) for name, value in parameters.items()}
        changes = predicted_changes(self.network, flat, inputs.flatten(0, 1))
        scaled: Tensor = changes / flat["change_std"].unsqueeze(1).unsqueeze(1)
        scores: Tensor = scaled.std(1, correction=0).mean(-1).unflatten(0, (p, specialists))
        return scores
