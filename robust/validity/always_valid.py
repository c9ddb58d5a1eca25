"""No doubt at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from morl.protocols import Experience, Memory
from robust.validity.base import ALWAYS, Fit, Monitor, Parameters, ValidityModel


@dataclass(frozen=True)
class AlwaysValid(ValidityModel):
    """Every specialist is trusted everywhere: the policy is the one with the smallest value, and the default never acts."""

    def monitor(self, observation_size: int, action_size: int) -> NoMonitor:
        return NoMonitor()

    def fit(self, experience: Sequence[Experience], *, generators: Sequence[torch.Generator]) -> list[Fit]:
        return [Fit({}, torch.zeros(1)) for _ in experience]

    def thresholds(self, fits: Sequence[Fit]) -> list[list[float]]:
        return [[ALWAYS] * len(fits)]


@dataclass(frozen=True)
class NoMonitor(Monitor):
    """Scores nothing."""

    kind: ClassVar[str] = "always_valid"

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def scores(self, parameters: Parameters, memory: Memory, observations: Tensor, actions: Tensor) -> Tensor:
        return torch.zeros(actions.shape[:3], device=actions.device)
