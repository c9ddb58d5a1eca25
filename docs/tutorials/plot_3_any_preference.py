"""
One network for every preference
================================

A population of twenty has twenty answers. A network that *sees* the preference beside the observation has one for every
preference, also for those nobody trained for. Does it? Small worlds can be solved exactly, so we can look.
"""

# %%
# Train
# -----
#
# ``network="conditioned"`` gives a solver one network instead of one per member. Members are preferences then: their rows
# of environments bring what is learned from, and every episode is played with weights of its own, drawn at random.

from morl.solvers import MODQN, MORLD

solver = MODQN(
    network="conditioned",
    hidden=(64, 64),
    learning_rate=2e-3,
    learning_starts=100,
    epsilon_end=0.3,
    epsilon_decay_steps=500,
    updates_per_step=0.5,
    gamma=0.95,
)
result = MORLD(solver=solver, num_members=6, exchange_period=5_000).run(
    "deep-sea-treasure-v0", env_steps=20_000, seed=0
)

# %%
# Ask for any preference
# ----------------------
#
# ``choose`` answers with the best archived policy, or with the network at these very weights where that is better, and says
# which of the two it was. ``result.policy(preference)`` is the policy alone.

for preference in ([0.1, 0.9], [0.37, 0.63], [0.9, 0.1]):
    choice = result.choose(preference)
    treasure, time = choice.values
    print(f"{preference}: {choice.origin}, treasure {treasure:.2f}, time {time:.2f}")

# %%
# How far from the best?
# ----------------------
#
# :mod:`morl.oracles` knows what is best for a weighted sum, since this world has few states. When training ends the network is
# judged at a hundred evenly spread preferences. *Matched* is what the policy for a preference is worth for it; *the set* is
# what the best of all hundred is worth for it. Where the two differ the network has the right policy, but not at its weights.

import matplotlib.pyplot as plt
import numpy as np

from morl.oracles import convex_hull_value_iteration

exact = convex_hull_value_iteration("deep-sea-treasure-v0", solver.gamma).values
table = result.tables["preferences"]
weights = np.array([[row["weight_treasure"], row["weight_time"]] for row in table])
values = np.array([[row["treasure"], row["time"]] for row in table])

best = (weights @ exact.T).max(1)
matched = (weights * values).sum(1)
of_set = (weights @ values.T).max(1)

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(weights[:, 0], best - matched, label="the policy for this preference")
axes.plot(weights[:, 0], best - of_set, label="the best of the hundred")
axes.set(xlabel="weight of treasure", ylabel="weighted return lost")
axes.legend()
plt.show()

# %%
# The same two numbers stand in every summary:

for name in ("matched_expected_utility", "set_expected_utility"):
    print(name, round(result.indicators[name], 3), "of", round(best.mean(), 3))

# %%
# Next
# ----
#
# ``bootstrap=Envelope()`` looks for the best action over several preferences at once, ``acting=PolicyImprovement()`` follows at
# every step the best of the policies that the network has. :doc:`/papers/one_network` lists the published algorithms that
# these parts make, with how they do.
