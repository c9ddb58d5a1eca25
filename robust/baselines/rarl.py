"""An adversary that changes the model at every step, in the manner of RARL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.parametric.wrappers.adversarial import Adversarial
from envs.protocols import BatchedEnv, Rows
from robust.baselines.zero_sum import ZeroSumSolver
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class RARL(ZeroSumSolver):
    """The adversary chooses a model of the uncertainty set before every step: stronger than any single model.

    Source:
        L. Pinto, J. Davidson, R. Sukthankar, A. Gupta, Robust adversarial reinforcement learning, ICML 2017. Deviations: the
        adversary chooses the model instead of applying forces; soft actor-critic with one critic for both players, who learn at
        the same time, instead of turns of policy optimisation.
    """

    def adversarial(self, env: BatchedEnv, region: Region) -> ModelAdversary:
        return ModelAdversary(env, region)


class ModelAdversary(Adversarial):
    """An adversary with one number in [-1, 1] for each degree of freedom of an uncertainty set."""

    def __init__(self, env: BatchedEnv, region: Region) -> None:
        """Let in the adversary.

        Args:
            env: With settable dynamics.
            region: What it may choose from.
        """
        super().__init__(env, -np.ones(region.dimension), np.ones(region.dimension), None)
        self._region = region

    def _disturb(self, rows: Rows, actions: npt.NDArray[Any], adversary_actions: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        self.env.set_params(self._region.models((adversary_actions + 1.0) / 2.0), rows)
        return actions
