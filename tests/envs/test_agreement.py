"""The native forms against the environments they stand for, step by step."""

from __future__ import annotations

from collections import Counter

import mo_gymnasium
import numpy as np
import pytest
from mo_gymnasium.envs.deep_sea_treasure.deep_sea_treasure import CONCAVE_MAP, MIRRORED_MAP
from mo_gymnasium.envs.four_room.four_room import MAZE
from scipy.special import ndtri
from scipy.stats import binomtest

from envs import batched_form
from envs.randomness import episode_keys, uniforms

# The originals give float64 bounds to float32 spaces.
pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered.*:UserWarning")

ROWS = 8


class ScriptedGenerator:
    """Stands in for an original's generator: returns what the native form draws at the same step."""

    def __init__(self, seed, env):
        self.key = episode_keys(np.array([seed]))
        self.env = env

    def random(self):
        return uniforms(self.key, np.array([self.env.steps]))[0]


class ScriptedMinecart:
    """Makes an original minecart draw what the native form draws."""

    def __init__(self, seed, env):
        self.key = episode_keys(np.array([seed]))
        self.env = env
        self.frame = -1
        cart = env.unwrapped
        original_mine = type(cart).mine

        def mine():
            self.frame += 1
            return original_mine(cart)

        cart.mine = mine
        for mine_ in cart.mines:
            mine_.distributions = [self.Ore(self, ore, *dist.args) for ore, dist in enumerate(mine_.distributions)]

    class Ore:
        def __init__(self, script, ore, mean, deviation):
            self.script, self.ore, self.args = script, ore, (mean, deviation)

        def rvs(self):
            mean, deviation = self.args
            chance = uniforms(self.script.key, np.array([self.script.env.steps]), self.script.frame * 2 + self.ore)[0]
            return ndtri(chance) * deviation + mean


class Original:
    """An original environment that counts its steps and can be told its random numbers."""

    def __init__(self, env_id, arguments, script):
        self.env = mo_gymnasium.make(env_id, **arguments)
        self.unwrapped = self.env.unwrapped
        self.script = script
        self.steps = 0

    def reset(self, seed):
        observation, _ = self.env.reset(seed=seed)
        self.steps = 0
        self.current = self.script(seed, self) if self.script else None
        if self.script is ScriptedGenerator:
            self.unwrapped.np_random = self.current
        return observation

    def step(self, action):
        self.steps += 1
        if self.script is ScriptedMinecart:
            self.current.frame = -1
        return self.env.step(action)[:4]


def play(env_id, steps, policy, script=None, **arguments):
    """Step both forms side by side and compare everything; count what happened."""
    batched = batched_form(env_id, ROWS, **arguments)
    originals = [Original(env_id, arguments, script) for _ in range(ROWS)]
    rng = np.random.default_rng(7)
    rows, seen, next_seed = np.arange(ROWS), Counter(), 0
    fresh, observations = rows, np.zeros((ROWS, *batched.observation_space.shape), batched.observation_space.dtype)
    for _ in range(steps):
        if fresh.size:
            seeds = next_seed + np.arange(fresh.size)
            next_seed += fresh.size
            observations[fresh] = batched.reset(fresh, seeds)
            for row, seed in zip(fresh, seeds, strict=True):
                expected = originals[row].reset(int(seed))
                assert expected.dtype == observations.dtype
                np.testing.assert_array_equal(observations[row], expected)
        actions = policy(rng, observations)
        observations, rewards, terminated, truncated = batched.step(rows, actions)
        for row in rows:
            observation, reward, end, cut = originals[row].step(actions[row])
            assert observations.dtype == observation.dtype
            np.testing.assert_array_equal(observations[row], observation)
            np.testing.assert_array_equal(rewards[row], np.asarray(reward, np.float32))
            assert (terminated[row], truncated[row]) == (end, cut)
        seen["terminated"] += int(terminated.sum())
        seen["truncated"] += int(truncated.sum())
        seen["rewarded"] += int((rewards[:, 0] > 0).sum())
        seen["died"] += int((rewards[:, 0] == -1).sum())
        observations = observations.copy()
        fresh = rows[terminated | truncated]
    return seen


def walk(*chances):
    """Random actions with these probabilities, or nearly."""

    def policy(rng, observations):
        return rng.choice(len(chances), size=len(observations), p=np.array(chances) / sum(chances))

    return policy


def drive(rng, observations):
    """Drive minecarts to random mines and home, with some random actions."""
    mines = np.array([[0.16, 0.84], [0.5, 0.84], [0.84, 0.84], [0.84, 0.5], [0.84, 0.16]])
    actions = []
    for x, y, speed, sine, cosine, *content in observations.astype(float):
        here = np.array([x, y])
        full = sum(content) > rng.choice([0.3, 0.9, 0.99])
        target = np.zeros(2) if full else mines[np.argmin(np.linalg.norm(mines - (here if speed < 0.01 else 0.5), axis=1))]
        if rng.random() < 0.2:
            actions.append(rng.integers(6))
        elif not full and np.linalg.norm(mines - here, axis=1).min() < 0.13:
            actions.append(4 if speed > 0.001 else 0)
        else:
            away = target - here
            error = (np.degrees(np.arctan2(away[1], away[0]) - np.arctan2(sine, cosine)) + 180) % 360 - 180
            actions.append(1 if error < -25 else 2 if error > 25 else 3 if speed < 0.05 else 5)
    return np.array(actions)


ANY_DIRECTION = walk(1, 1, 1, 1)


@pytest.mark.parametrize("env_id", ["deep-sea-treasure-v0", "deep-sea-treasure-concave-v0", "deep-sea-treasure-mirrored-v0"])
def test_deep_sea_treasure(env_id):
    seen = play(env_id, 1000, walk(1, 3, 0.1, 4))
    assert seen["terminated"] > 100
    assert play(env_id, 400, walk(1, 0, 1, 0))["truncated"] > 10


def test_deep_sea_treasure_arguments():
    for sea in (CONCAVE_MAP, MIRRORED_MAP):
        assert play("deep-sea-treasure-v0", 500, ANY_DIRECTION, dst_map=sea, float_state=True)["terminated"] > 10


@pytest.mark.parametrize("depth", [5, 6, 7])
def test_fruit_tree(depth):
    seen = play("fruit-tree-v0", 1000, walk(1, 1), depth=depth)
    assert seen["terminated"] == ROWS * (1000 // depth)


def test_resource_gathering():
    seen = play("resource-gathering-v0", 1500, walk(4, 1, 3, 3), ScriptedGenerator)
    assert seen["died"] > 50
    assert seen["terminated"] > seen["died"] > 0
    assert play("resource-gathering-v0", 300, walk(0, 0, 1, 0.0), ScriptedGenerator)["truncated"] > 10


def test_resource_gathering_tables_hold_every_state():
    original = mo_gymnasium.make("resource-gathering-v0").unwrapped
    tables = batched_form("resource-gathering-v0", 1).tables

    class Fixed:
        def __init__(self, number):
            self.number = number

        def random(self):
            return self.number

    for state, (row, column, gold, diamond) in enumerate(tables.observations):
        for action in range(4):
            for branch, number in enumerate((0.0999, 0.1)):
                if tables.probabilities[state, action, branch] == 0:
                    continue
                original.np_random = Fixed(number)
                original.current_pos, original.has_gold, original.has_gem = np.array([row, column], np.int32), gold, diamond
                observation, reward, end, _, _ = original.step(action)
                np.testing.assert_array_equal(tables.observations[tables.successors[state, action, branch]], observation)
                np.testing.assert_array_equal(tables.rewards[state, action, branch], reward)
                assert tables.terminal[state, action, branch] == end
    chances = np.unique(tables.probabilities[..., 0])
    np.testing.assert_array_equal(chances, [0.0, 0.1])


def test_deep_sea_treasure_tables_hold_every_cell():
    original = mo_gymnasium.make("deep-sea-treasure-v0").unwrapped
    tables = batched_form("deep-sea-treasure-v0", 1).tables
    for state, position in enumerate(tables.observations):
        if original.sea_map[tuple(position)] != 0:
            continue
        for action in range(4):
            original.current_state = position
            observation, reward, end, _, _ = original.step(action)
            np.testing.assert_array_equal(tables.observations[tables.successors[state, action, 0]], observation)
            np.testing.assert_array_equal(tables.rewards[state, action, 0], reward)
            assert tables.terminal[state, action, 0] == end


def test_deaths_are_one_in_ten():
    rows = np.arange(2000)
    batched = batched_form("resource-gathering-v0", rows.size)
    batched.reset(rows, rows)
    for action in (0, 0, 0):  # from home straight up onto the lower enemy
        _, rewards, terminated, _ = batched.step(rows, np.full(rows.size, action))
    assert (rewards[:, 0] == -1).sum() == terminated.sum()
    assert binomtest(int(terminated.sum()), rows.size, 0.1).pvalue > 0.01


@pytest.mark.parametrize("arguments", [{}, {"fishproba": 0.6, "woodproba": 0.3}, {"fishproba": 0.0, "woodproba": 1.0}])
def test_fishwood(arguments):
    seen = play("fishwood-v0", 450, walk(1, 1), ScriptedGenerator, **arguments)
    assert seen["terminated"] == seen["truncated"] == 2 * ROWS


def test_four_room():
    seen = play("four-room-v0", 2000, walk(1, 2, 2.5, 1))
    assert seen["terminated"] > 20
    assert seen["truncated"] > 5
    assert seen["rewarded"] > 100


def test_four_room_with_another_maze():
    maze = MAZE[6:, :].copy()
    maze[0, 9] = "G"
    seen = play("four-room-v0", 1000, ANY_DIRECTION, maze=maze)
    assert seen["rewarded"] > 10


def test_four_room_draws_its_start_from_the_seed():
    maze = MAZE.copy()
    maze[11, 0] = "_"
    batched = batched_form("four-room-v0", 400, maze=maze)
    starts = batched.reset(np.arange(400), np.arange(400))[:, 0]
    assert set(np.unique(starts)) == {11, 12}
    assert binomtest(int((starts == 11).sum()), 400, 0.5).pvalue > 0.01


@pytest.mark.parametrize("arguments", [{}, {"incremental_frane_skip": False}, {"frame_skip": 1}])
@pytest.mark.parametrize(("env_id", "script"), [("minecart-deterministic-v0", None), ("minecart-v0", ScriptedMinecart)])
def test_minecart(env_id, script, arguments):
    if arguments and script:
        arguments = {**arguments, "max_episode_steps": 300}
    seen = play(env_id, 700, drive, script, **arguments)
    assert seen["rewarded"] > 20


def test_minecart_slides_along_walls():
    seen = play("minecart-deterministic-v0", 1000, walk(1, 2, 2, 6, 0.3, 4))
    assert seen["terminated"] > 20
    assert play("minecart-deterministic-v0", 1010, walk(1, 1, 1, 0, 1, 1))["truncated"] == ROWS


@pytest.mark.parametrize(
    "env_id",
    [
        "deep-sea-treasure-v0",
        "deep-sea-treasure-mirrored-v0",
        "fruit-tree-v0",
        "resource-gathering-v0",
        "fishwood-v0",
        "four-room-v0",
        "minecart-v0",
        "minecart-deterministic-v0",
    ],
)
def test_spaces_and_limit(env_id):
    original, batched = mo_gymnasium.make(env_id), batched_form(env_id, 2)
    assert batched.observation_space == original.observation_space
    assert batched.action_space == original.action_space
    assert batched.reward_space == original.unwrapped.reward_space
    if env_id != "fishwood-v0":  # counts its own 200 steps
        assert batched.max_episode_steps == original.spec.max_episode_steps
