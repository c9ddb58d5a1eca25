"""
Schedule health workers
=======================

Community health workers visit patients. A patient needs two visits, by two workers, in time slots in which everybody is
free; who is visited tends to get better, who is not tends to get worse. Which patients should be visited in which state
of affairs? The number of possible answers grows fast, so nobody lists them: a network values a *whole* schedule, and
the best schedule under the network is found by a solver. That is SEQUOIA.
"""

# %%
# The problem
# -----------
#
# Eight patients, three workers. The environment draws transition probabilities, slots and workers from a seed; an instance of
# one's own can be given instead (``instance=``).

import gymnasium as gym
import numpy as np

import envs  # noqa: F401  makes the ids known

arguments = {"num_arms": 8, "budget": 3, "instance_seed": 1}
env = gym.make("cormab/scheduling-v0", **arguments)
rules = env.unwrapped.constraint
schedules = rules.enumerate(10_000)
print("feasible sets of patients:", len(schedules), "of", 2**8)
print("largest:", schedules.sum(1).max(), "patients")

# %%
# Learn
# -----
#
# ``expected_rewards=True`` lets a step pay what is expected of it: the same mean, less noise. This budget is small, so
# that this page builds fast; ``configs/sequoia/scheduling.yaml`` is a longer run.

from morl import Evaluation
from morl.solvers import SEQUOIA

solver = SEQUOIA(
    gamma=0.9, learning_starts=320, warm_start_updates=200, learning_rate_decay=800
)
result = solver.run(
    {"id": "cormab/scheduling-v0", **arguments, "expected_rewards": True},
    env_steps=1_920,
    seed=0,
    evaluation=Evaluation(episodes=20, gamma=1.0, period=1_920),
)
policy = result.policy([1.0])
print("return of an episode of 20 weeks:", result.front.round(1))

# %%
# Compare
# -------
#
# Everybody plays the same episodes with the same luck. The baselines know the transition probabilities; the learner does not.
# ``normalised`` is 0 for doing nothing and 1 for an upper bound that no policy can exceed.

from morl.cormab import BASELINES, compare
from morl.cormab.baselines import Learned

contenders = {name: BASELINES[name] for name in ("random", "myopic", "look-ahead")} | {
    "SEQUOIA": Learned(policy)
}
comparison = compare(contenders, [env.unwrapped.instance], episodes=50, timed_decisions=5)
for row in comparison.table:
    print(
        f"{row['policy']:12s} {row['expected']:6.2f} per week   normalised {row['normalised']:.2f}"
    )

# %%
# The myopic planner maximises next week's expected reward exactly, and passes by the patients who pay off only after several
# visits. The look-ahead planner prices the workers' time by a linear program that knows every probability.

comparison.figure()

# %%
# One decision, proven
# --------------------
#
# The same network can be asked with a mixed-integer program, which says how much better any other schedule could be.

from dataclasses import replace

from morl.actions import MIP

proven = replace(policy, optimizer=MIP(gap=0.0))
state = np.array([0, 1, 0, 1, 2, 3, 0, 1])
schedule = proven.act(state)
[answer] = proven.maximizer.results
print("patients to visit:", np.flatnonzero(schedule))
print(
    f"value {answer.value:.3f}, no schedule above {answer.bound:.3f}: {answer.status} in {answer.seconds * 1e3:.0f} ms"
)
