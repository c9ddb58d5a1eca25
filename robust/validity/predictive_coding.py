"""A specialist is trusted while it can say what happens next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from morl.fields import Length, NonNegative
from morl.protocols import Experience, Memory
from robust.validity.base import Fit, Parameters
from robust.validity.predictor import PredictorMonitor, PredictorValidity, predicted_changes


@dataclass(frozen=True, kw_only=True)
class PredictiveCoding(PredictorValidity):
    r"""Trusts specialist :math:`j` in :math:`s_t` if :math:`\ell_j(t) = \lVert \hat T_j(s_{t-1}, a_{t-1}) - s_t \rVert \le
    \rho_j`.

    At the start of an episode every specialist is trusted.

    Source:
        Zouitine et al. 2024 (arXiv 2410.06212), section 5.1 and appendix G. Deviations: the predictor is a network of its own,
        fitted to the specialist's experience once training is over, with a part held out, instead of a third head of the
        critics; the same for every solver. The errors are of encoded observations.
    """

    threshold: Literal["search", "quantile"] = "quantile"
    r"""How :math:`\rho` is set: `search` tries several and keeps the one whose worst case is best (as published);
    `quantile` takes an error that held-out experience rarely exceeds and needs no search."""
    thresholds_tried: Annotated[tuple[NonNegative, ...], Length()] = tuple(round(0.1 * i, 1) for i in range(1, 11))
    """Tried by `search`, in units of the error."""
    norm: Literal["l1", "normalised"] = "l1"
    """`l1`: sum over the coordinates, in their units (as published); `normalised`: mean over the coordinates, each in units of
    the standard deviation of its change, so that thresholds mean the same in every environment."""

    def monitor(self, observation_size: int, action_size: int) -> PredictionMonitor:
        return PredictionMonitor(observation_size, action_size, self.hidden, self.norm)

    def thresholds(self, fits: Sequence[Fit]) -> list[list[float]]:
        if self.threshold == "search":
            return [[value] * len(fits) for value in self.thresholds_tried]
        return super().thresholds(fits)


@dataclass(frozen=True)
class PredictionMonitor(PredictorMonitor):
    """Compares the present state with what each specialist expected one step ago."""

    kind: ClassVar[str] = "predictive_coding"

    norm: str

    def memory(self, policies: int, batch: int, device: torch.device) -> Memory:
        """The transition before: observation, action, and whether there is one."""
        return {
            "previous_observation": torch.zeros(policies, batch, self.observation_size, device=device),
            "previous_action": torch.zeros(policies, batch, self.action_size, device=device),
            "started": torch.zeros(policies, batch, 1, device=device),
        }

    def observe(self, memory: Memory, observations: Tensor, actions: Tensor, done: Tensor) -> Memory:
        running = (~done).unsqueeze(-1).to(observations.dtype)
        return {"previous_observation": observations, "previous_action": actions, "started": running}

    def scores(self, parameters: Parameters, memory: Memory, observations: Tensor, actions: Tensor) -> Tensor:
        errors = self._errors(parameters, memory["previous_observation"], memory["previous_action"], observations)
        return errors * memory["started"].squeeze(-1).unsqueeze(1)

    def errors(self, parameters: Parameters, experience: Experience) -> Tensor:
        parts = (experience.observations, experience.actions, experience.next_observations)
        with torch.no_grad():
            return self._errors(parameters, *(part.unsqueeze(0) for part in parts))[0, 0]

    def _errors(self, parameters: Parameters, previous: Tensor, actions: Tensor, observations: Tensor) -> Tensor:
        some = next(iter(parameters.values()))
        p, specialists = some.shape[:2]
        inputs = torch.cat([previous, actions], -1).unsqueeze(1).expand(-1, specialists, -1, -1)
        flat = {name: value.flatten(0, 1) for name, value in parameters.items()}
        changes = predicted_changes(self.network, flat, inputs.flatten(0, 1))[:, 0].unflatten(0, (p, specialists))
        wrong: Tensor = (previous.unsqueeze(1) + changes - observations.unsqueeze(1)).abs()
        if self.norm == "l1":
            return wrong.sum(-1)
        scaled: Tensor = wrong / parameters["change_std"].unsqueeze(2)
        return scaled.mean(-1)
