"""Wrappers that make an environment uncertain: another model, an adversary, noise, delay; one per file.

Each takes a batched environment and is one, so they can be nested. :class:`envs.adapters.SingleEnv` and
:class:`envs.adapters.BatchedVectorEnv` turn the result into an ordinary gymnasium environment; the id
``parametric/wrapped-v0`` names it in a configuration.

Example:
    >>> import numpy as np
    >>> from envs import batched_form
    >>> from envs.adapters import SingleEnv
    >>> env = SingleEnv(ObservationNoise(DomainRandomization(batched_form("parametric/pendulum-v0", 1)), scale=0.05))
    >>> sorted(env.reset(seed=0)[1]["params"])
    ['length', 'mass']
"""

from envs.parametric.wrappers.domain_randomization import DomainRandomization
from envs.parametric.wrappers.dynamic_adversary import DynamicAdversary
from envs.parametric.wrappers.noisy_action import NoisyAction
from envs.parametric.wrappers.observation_delay import ObservationDelay
from envs.parametric.wrappers.observation_noise import ObservationNoise
from envs.parametric.wrappers.probabilistic_action import ProbabilisticAction
from envs.parametric.wrappers.time_constrained_adversary import TimeConstrainedAdversary
from envs.parametric.wrappers.wrapped import wrapped

__all__ = [
    "DomainRandomization",
    "DynamicAdversary",
    "NoisyAction",
    "ObservationDelay",
    "ObservationNoise",
    "ProbabilisticAction",
    "TimeConstrainedAdversary",
    "wrapped",
]
