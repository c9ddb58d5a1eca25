"""The checkers find what they are there to find."""

from __future__ import annotations

import gymnasium
import mo_gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from envs import batched_form
from envs.checks import check_batched_env, check_vector_reward_env
from envs.tabular.identity import Identity
from envs.tabular.treasure_corridor import TreasureCorridor


class Draws(Identity):
    """Draws from a generator all rows share."""

    rng = np.random.default_rng(0)

    def _start(self, rows):
        states = self.rng.integers(4, size=rows.size)
        self._states[rows] = states
        return states


class CountsCalls(TreasureCorridor):
    """What a row gets depends on how often the others were stepped."""

    calls = 0

    def _advance(self, rows, actions):
        observations, rewards, terminated = super()._advance(rows, actions)
        self.calls += 1
        return observations, rewards + np.float32(self.calls), terminated


class Autoresets(TreasureCorridor):
    def step(self, rows, actions):
        result = super().step(rows, actions)
        self._states[rows[result[2]]] = 0
        self._running[:] = True
        return result


def returning(change):
    """A world of which something else comes back."""

    class Changed(TreasureCorridor):
        def _advance(self, rows, actions):
            return change(*super()._advance(rows, actions))

    return Changed


class Endless(TreasureCorridor):
    def step(self, rows, actions):
        observations, rewards, terminated, truncated = super().step(rows, actions)
        return observations, rewards, terminated, np.zeros_like(truncated)


class OldParts(TreasureCorridor):
    """Parts of rewards that stay what they were."""

    def __init__(self, number, **options):
        super().__init__(number, **options)
        self.reward_parts = np.full((number, 1), 0.3)


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (OldParts, "reward_parts of step"),
        (Draws, "replayed alone"),
        (CountsCalls, "nothing but its seed"),
        (Autoresets, "could be stepped"),
        (returning(lambda seen, rewards, ends: (seen, rewards.astype(np.float64), ends)), "float32"),
        (returning(lambda seen, rewards, ends: (seen + 5, rewards, ends)), "not in Discrete"),
        (lambda number: Endless(number, max_episode_steps=3), "not truncated"),
        (lambda number: Identity(1), "rows were asked for"),
    ],
)
def test_faulty_batched_environments_are_found(faulty, message):
    with pytest.raises(AssertionError, match=message):
        check_batched_env(faulty)


@pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")
def test_disagreement_with_the_reference_is_found():
    with pytest.raises(AssertionError, match="of the reference is"):
        check_batched_env(
            lambda number: batched_form("deep-sea-treasure-v0", number),
            lambda: mo_gymnasium.make("deep-sea-treasure-concave-v0"),
        )


class Own(gymnasium.Env):
    """A user's environment, with whatever fault a test gives it."""

    observation_space = Box(-1.0, 1.0, (2,), np.float32)
    action_space = Discrete(2)
    reward_space = Box(-1.0, 1.0, (3,), np.float32)

    def __init__(self, **faults):
        for name, value in faults.items():
            setattr(self, name, value)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), {}

    def step(self, action):
        return self.observation, self.reward, self.terminated, False, {}

    observation = np.zeros(2, np.float32)
    reward = np.zeros(3, np.float32)
    terminated = False


def test_a_sound_environment_passes():
    check_vector_reward_env(Own())


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"reward_space": None}, "reward_space is None"),
        ({"reward_space": Box(-1.0, 1.0, (3, 1))}, r"shape \(m,\)"),
        ({"reward": 1.0}, r"reward of shape \(\); reward_space promises \(3,\)"),
        ({"reward": np.array([0.0, np.nan, 0.0])}, "must be finite"),
        ({"observation": np.zeros(2)}, "not in"),
        ({"observation": np.full(2, 3, np.float32)}, "not in"),
        ({"terminated": 0.0}, "expected a bool"),
        ({"step": lambda action: (np.zeros(2, np.float32), np.zeros(3), False, {})}, "must return"),
        ({"reset": lambda seed=None: np.zeros(2, np.float32)}, r"\(observation, info\)"),
        ({"reset": lambda seed=None: (np.random.default_rng().random(2, np.float32), {})}, "same seed"),
    ],
)
def test_faulty_environments_are_explained(faults, message):
    with pytest.raises(AssertionError, match=message):
        check_vector_reward_env(Own(**faults))


def test_the_outermost_layer_that_has_a_reward_space_counts():
    class Effort(gymnasium.Wrapper):
        reward_space = Box(-1.0, 1.0, (2,), np.float32)

        def step(self, action):
            observation, reward, *rest = self.env.step(action)
            return observation, np.array([reward, -float(action)], np.float32), *rest

    check_vector_reward_env(Effort(gymnasium.make("CartPole-v1")))
    check_vector_reward_env(gymnasium.wrappers.TimeLimit(Own(), 5))
    with pytest.raises(AssertionError, match=r"reward_space is None; .* self\.reward_space = gymnasium\.spaces\.Box"):
        check_vector_reward_env(gymnasium.make("CartPole-v1"))
