"""The best of some random actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.cormab import Instance
from morl.cormab.baselines.base import Actions, Contender, Decision, States
from morl.errors import ConfigurationError


@dataclass(frozen=True)
class Sampling(Contender):
    """Of some random actions to which little can be added, the one with the largest expected reward of the step [Xu2025]_."""

    samples: int = 100
    """Actions drawn for each decision."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigurationError(f"samples is {self.samples}; expected at least 1")

    def prepare(self, instance: Instance, *, horizon: int, seed: int) -> Decision:
        def decide(states: States, _: int, rng: np.random.Generator) -> Actions:
            drawn = instance.constraint.sample_large(rng, len(states) * self.samples)
            worth = instance.expected_reward(np.repeat(states, self.samples, axis=0), drawn).reshape(len(states), self.samples)
            best: Actions = drawn.reshape(*worth.shape, instance.num_actions)[np.arange(len(states)), worth.argmax(axis=1)]
            return best

        return decide
