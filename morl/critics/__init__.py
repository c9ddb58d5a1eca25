"""Critics: what an action is worth to a policy, frozen, for many policies side by side; one form per class."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from morl.action_spaces import discrete_start
from morl.capabilities import HasCritics
from morl.critics.base import BaseCritic
from morl.critics.folded import FoldedCritic
from morl.critics.state import StateValueCritic
from morl.critics.table import ActionTableCritic
from morl.critics.tabular import TabularCritic
from morl.critics.twin import TwinCritic
from morl.critics.twin_table import TwinActionTableCritic
from morl.protocols import Learner
from morl.registry import component


def critic_from(
    config: dict[str, Any], parts: dict[str, Tensor], observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> BaseCritic:
    """Rebuild critics.

    Args:
        config: Their :meth:`BaseCritic.config`.
        parts: Their tensors, ``(q, ...)`` each.
        observation_space: Of the environment.
        action_space: Of the environment.

    Returns:
        The critics.
    """
    form: type[BaseCritic] = component("critic", config["form"])
    return form.from_config(config, parts=parts, observation_space=observation_space, action_space=action_space)


def values_of(learner: Learner, observations: Tensor, actions: Tensor) -> Tensor:
    """What every member's critic says of the same state-action pairs.

    Args:
        learner: One that has critics.
        observations: Raw, ``(B, *space.shape)``.
        actions: As the environment takes them, ``(B, *space.shape)``.

    Returns:
        ``(n, B, m)``, return units.
    """
    assert isinstance(learner, HasCritics)
    critics, utility = learner.critics(), learner.task.utility
    device, start = utility.weights.device, discrete_start(critics.action_space)
    weights = utility.linearised(torch.zeros_like(utility.weights))
    return critics.values(observations.to(device).unsqueeze(0), actions.to(device).unsqueeze(0) - start, weights)


__all__ = [
    "ActionTableCritic", "BaseCritic", "FoldedCritic", "StateValueCritic", "TabularCritic", "TwinActionTableCritic",
    "TwinCritic", "critic_from", "values_of",
]  # fmt: skip
