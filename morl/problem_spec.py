"""What an environment looks like, before any of it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from envs.parameter_space import ParameterSpace


@dataclass(frozen=True, kw_only=True)
class ProblemSpec:
    """What a learner needs to know of an environment before it sees any of it."""

    env_id: str
    """Name used in files and to look up reference points; ``custom/NAME`` for a callable. Wrappers that make another problem of
    an id stand behind it, as in ``deep-sea-treasure-v0+LinearReward``."""
    env_arguments: Mapping[str, Any]
    """Arguments given beside the id."""
    observation_space: gym.Space[Any]
    """Of one environment."""
    action_space: gym.Space[Any]
    """Of one environment."""
    num_objectives: int
    """``m``; 1 for a scalar reward."""
    is_vector_reward: bool
    """Whether the environment itself returns a vector."""
    max_episode_steps: int | None
    """Time limit, environment steps; None if there is none."""
    objective_names: tuple[str, ...] = ()
    """Names that the environment declares for its objectives, ``(m,)``; empty if it declares none."""
    objective_units: tuple[str, ...] = ()
    """Units of one step's reward that it declares, ``(m,)``; empty if it names no objectives."""
    parameter_space: ParameterSpace | None = None
    """Names, nominal values and ranges of the ``k`` parameters of the transition model; None if it cannot be set."""
