"""
Train, look, choose, watch
==========================

A submarine looks for treasure. The deeper a treasure lies, the more it is worth, and the longer the way. How long a
way is worth how much is not for the algorithm to say: it learns a *front* of policies, and you choose.
"""

# %%
# Train
# -----
#
# Twenty members share the task, each with another preference between treasure and time. All of them act and learn together,
# and each learns from what the others see. The world is small and deterministic, so a table of values will do, with a step
# size of one.

from morl.solvers import MORLD, MOQLearning

solver = MORLD(solver=MOQLearning(learning_rate=1.0), num_members=20)
result = solver.run("deep-sea-treasure-v0", env_steps=100_000, seed=0)

print(len(result.front), "policies")
print("hypervolume", round(result.indicators["hypervolume"], 1))

# %%
# Look at the front
# -----------------
#
# Each row is a policy that no other beats in both objectives: discounted treasure, and discounted time (negative, since
# everything is maximised).

import numpy as np

print(result.objectives)
print(np.round(result.front, 2))

# %%
# This world's true front is known, so we can see whether anything is missing. A weighted sum of the objectives, which is what
# the members maximise here, finds the corners of the front's convex hull, and of those only the ones that some member's
# weights ask for. Try six members instead of twenty, or the world ``deep-sea-treasure-concave-v0``, whose front has hardly any
# corners.

import matplotlib.pyplot as plt
import mo_gymnasium as mo_gym

env = mo_gym.make("deep-sea-treasure-v0", render_mode="rgb_array")
known = np.array(env.unwrapped.pareto_front(gamma=0.99))

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.scatter(*known.T, s=90, facecolors="none", edgecolors="0.6", label="true front")
axes.scatter(*result.front.T, s=30, label="learned")
axes.set(xlabel=result.objectives[0], ylabel=result.objectives[1])
axes.legend()
plt.show()

# %%
# Pick a policy by preference
# ---------------------------
#
# A preference is one weight per objective; the weights sum to one. The answer is the archived policy that is best for it.

for preference in ([0.1, 0.9], [0.5, 0.5], [0.9, 0.1]):
    entry = result.entry(preference)
    treasure, time = entry.values
    print(f"{preference}: treasure {treasure:.2f}, time {time:.2f}")

# %%
# Watch it act
# ------------
#
# A policy is a light object of its own: numpy in, numpy out.


def watch(policy):
    """Play one episode; return a picture of its end and the undiscounted return."""
    observation, _ = env.reset(seed=0)
    total = np.zeros(2)
    over = False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
        total += reward
        over = terminated or truncated
    return env.render(), total


preferences = [0.1, 0.9], [0.5, 0.5], [0.9, 0.1]
figure, panels = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
for axes, preference in zip(panels, preferences, strict=True):
    picture, (treasure, time) = watch(result.policy(preference))
    axes.imshow(picture)
    axes.set_title(f"{preference}: treasure {treasure:.1f}, {-time:.0f} steps", fontsize=9)
    axes.axis("off")
plt.show()

# %%
# Keep it
# -------
#
# A saved run is a folder of plain files. It can be loaded in a process that never trained.

import tempfile
from pathlib import Path

from morl import Run

folder = result.save(Path(tempfile.mkdtemp()) / "treasure")
print(sorted(path.name for path in folder.iterdir()))

policy = Run.load(folder).policy([0.9, 0.1])
observation, _ = env.reset(seed=0)
print("first action:", policy.act(observation))
