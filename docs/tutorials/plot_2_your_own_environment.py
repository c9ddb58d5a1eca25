"""
Bring your own environment
==========================

Any gymnasium environment can be used whose reward is a vector. Here is one from scratch: a room that should be warm, and
whose heating should use little energy.
"""

# %%
# Write it
# --------
#
# Two things differ from an ordinary environment: ``step`` returns an array ``(m,)`` as reward, and ``reward_space`` says how
# large it is. Everything is maximised, so costs are negative. Tables and plots use the names in ``objective_names``.

import gymnasium as gym
import numpy as np


class HeatedRoom(gym.Env):
    """A winter day in steps of half an hour, with a heater of four kilowatts.

    Comfort: minus the squared distance to 21 degrees, in units of ten degrees.
    Energy: minus the kilowatt-hours used.
    """

    objective_names = ("comfort", "energy")
    objective_units = ("", "kWh")

    def __init__(self):
        self.observation_space = gym.spaces.Box(-5.0, 5.0, (4,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.reward_space = gym.spaces.Box(-10.0, 0.0, (2,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.hour = 0.0
        self.inside = self.np_random.uniform(14.0, 20.0)
        self.mean_outside = self.np_random.uniform(2.0, 8.0)
        return self._observe(), {}

    def step(self, action):
        power = (float(np.clip(action[0], -1.0, 1.0)) + 1.0) / 2.0
        leak = (self._outside() - self.inside) / 10.0
        self.inside += 0.5 * (leak + 3.0 * power)
        self.hour += 0.5
        reward = np.array([-(((self.inside - 21.0) / 10.0) ** 2), -2.0 * power])
        return self._observe(), reward, False, self.hour >= 24.0, {}

    def _outside(self):
        return self.mean_outside - 4.0 * np.cos(2 * np.pi * self.hour / 24.0)

    def _observe(self):
        angle = 2 * np.pi * self.hour / 24.0
        inside, outside = (self.inside - 21.0) / 5.0, (self._outside() - 5.0) / 5.0
        values = np.array([inside, outside, np.sin(angle), np.cos(angle)], dtype=np.float32)
        return np.clip(values, -5.0, 5.0)


# %%
# Check it
# --------
#
# The checker plays a few episodes: are the spaces honest, has each reward the right length, does the same seed give the same
# episode?

from envs.checks import check_vector_reward_env

check_vector_reward_env(HeatedRoom())

# %%
# Train on it
# -----------
#
# Pass the class, or any callable that makes an environment. No reference point is known for a new environment: one is
# estimated from the first evaluation and then stays.

from morl.solvers import MORLD, MOSAC

learner = MOSAC(hidden=(32, 32), batch_size=64, learning_starts=200)
solver = MORLD(solver=learner, num_members=6)
result = solver.run(HeatedRoom, env_steps=15_000, seed=0)

print(f"{len(result.front)} policies between {' and '.join(result.objectives)}")
print("reference point:", np.round(result.summary["reference_point"], 1))

# %%
# Choose
# ------
#
# The same winter day under three preferences between comfort and energy.

import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(*result.front.T, "o")
left.set(xlabel="comfort (discounted)", ylabel="energy (discounted)", title="front")

for comfort in (0.3, 0.6, 0.9):
    policy = result.policy([comfort, 1.0 - comfort])
    env = HeatedRoom()
    observation, _ = env.reset(seed=1)
    inside = [env.inside]
    energy = 0.0
    over = False
    while not over:
        observation, reward, _, over, _ = env.step(policy.act(observation))
        inside.append(env.inside)
        energy -= reward[1]
    hours = np.arange(len(inside)) / 2
    right.plot(hours, inside, label=f"weight of comfort {comfort:g}: {energy:.0f} kWh")
right.axhline(21.0, color="0.7", linewidth=1)
right.set(xlabel="hour", ylabel="degrees inside", title="one day, three preferences")
right.legend(fontsize=8)
plt.show()

# %%
# Name it
# -------
#
# To use it in a configuration file, register it with gymnasium in a module of your own,
#
# .. code-block:: python
#
#     gym.register("my_lab/heated-room-v0", entry_point="my_lab.rooms:HeatedRoom")
#
# name that module under ``plugins`` with an empty ``COMPONENTS = {}`` (it is imported before the environment is made), and
# write the id under ``env``.
