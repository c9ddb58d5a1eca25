"""An adversary that takes part in the agent's own actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from envs.parametric.wrappers.adversarial import Adversarial
from envs.parametric.wrappers.noisy_action import NoisyAction
from envs.parametric.wrappers.probabilistic_action import ProbabilisticAction
from envs.protocols import BatchedEnv
from morl.fields import Share
from robust.baselines.zero_sum import ZeroSumSolver
from robust.uncertainty.base import Region


@dataclass(frozen=True, kw_only=True)
class ActionRobust(ZeroSumSolver):
    r"""Trained in the nominal model, where an adversary disturbs the actions.

    ``noisy``: :math:`(1 - \alpha) a + \alpha b` is done. ``probabilistic``: :math:`b` instead of :math:`a` with probability
    :math:`\alpha`.

    Source:
        C. Tessler, Y. Efroni, S. Mannor, Action robust reinforcement learning and applications in continuous control, ICML 2019
        (NR-MDP and PR-MDP). Deviation: soft actor-critic with one critic for both players instead of DDPG.
    """

    form: Literal["noisy", "probabilistic"] = "noisy"
    """How the adversary takes part."""
    alpha: Share = 0.15
    """How much."""

    def adversarial(self, env: BatchedEnv, region: Region) -> Adversarial:
        return NoisyAction(env, alpha=self.alpha) if self.form == "noisy" else ProbabilisticAction(env, alpha=self.alpha)
