"""
Write your own constraint
=========================

What may be done at the same time is different in every programme. Here nine villages are looked after by a mobile clinic, and
the rules come from the people who run it. They are written once; checking, sampling, planning and learning then follow them.
"""

# %%
# Rules as linear rows
# --------------------
#
# An action is a vector of zeros and ones, one for each village: is it visited this week? Three rules:
#
# * at most five villages a week,
# * at most two in each of the three districts,
# * villages 0 and 1 share a bridge that is closed on alternate days: not both.
#
# Each rule is a row of a matrix, with a lower and an upper side.

import numpy as np

from envs.cormab.constraints import Linear

villages = 9
district = np.repeat([0, 1, 2], 3)
rows = [np.ones(villages)]
rows += [(district == d).astype(float) for d in range(3)]
rows += [np.isin(np.arange(villages), [0, 1]).astype(float)]

rules = Linear(matrix=rows, lower=[-np.inf] * 5, upper=[5, 2, 2, 2, 1])

week = np.zeros((2, villages))
week[0, [2, 4, 8]] = 1
week[1, [0, 1, 8]] = 1
print("feasible:", rules.contains(week))
print("number of feasible weeks:", len(rules.enumerate(5000)))
print("drawn at random:", np.flatnonzero(rules.sample(np.random.default_rng(0), 1)[0]))

# %%
# Rules with decisions of their own
# ---------------------------------
#
# Often a rule says that *some* arrangement must exist. The clinic has a van that holds supplies for eight people and makes up
# to two trips; each village has a demand, and a trip to a district is only worth it if it is made at all. Variables for trips
# are no part of the action. In `Pyomo <https://www.pyomo.org>`_ this reads as one would say it, and the linear constraints of
# the model can be taken over. Any other variable becomes an auxiliary one.

import pyomo.environ as pyo

demand = np.array([2, 3, 4, 3, 4, 2, 5, 3, 4])

model = pyo.ConcreteModel()
model.visit = pyo.Var(range(villages), domain=pyo.Binary)
model.trips = pyo.Var(range(3), domain=pyo.NonNegativeIntegers, bounds=(0, 2))
model.two_trips = pyo.Constraint(expr=sum(model.trips[d] for d in range(3)) <= 2)


@model.Constraint(range(3))
def supplies(model, d):
    return (
        sum(int(demand[v]) * model.visit[v] for v in np.flatnonzero(district == d))
        <= 8 * model.trips[d]
    )


@model.Constraint()
def bridge(model):
    return model.visit[0] + model.visit[1] <= 1


clinic = Linear.from_pyomo(model, model.visit)
print(clinic.contains(week))

# %%
# In the first week three districts would need a trip each. The second one breaks the rule of the bridge.
#
# Check it
# --------
#
# The checker looks at every action of a small version and compares all forms of the constraint: membership, the rows that go
# into integer programs, the list, samples, and the exact maximum of linear functions. It raises an error that says which action
# is judged differently. A constraint written as rows passes by construction; run it on classes of your own.

from envs.checks import check_constraint

check_constraint(Linear(matrix=[rows[0][:6], rows[4][:6]], lower=[-np.inf] * 2, upper=[3, 1]))

# %%
# Put arms under it
# -----------------
#
# An instance is a transition matrix for each arm and action, what each arm pays in each state, and the constraint. Villages
# have three states, from badly to well covered. Without a visit they lose ground; with one they mostly gain, the more so where
# roads are good. A village pays the share of people protected times its demand, and that share only rises once nearly everybody
# is covered.

import tempfile

from envs.cormab import Instance

rng = np.random.default_rng(1)
gain = rng.uniform(0.5, 0.95, villages)
loss = rng.uniform(0.1, 0.5, villages)
left, visited = np.zeros((2, villages, 3, 3))
for state in range(3):
    left[:, state, max(state - 1, 0)] += loss
    left[:, state, state] += 1 - loss
    visited[:, state, min(state + 1, 2)] += gain
    visited[:, state, state] += 1 - gain

instance = Instance(
    transitions=np.stack([left, visited], axis=1),
    rewards=demand[:, None] * np.array([0.1, 0.15, 0.9]),
    constraint=clinic,
    groups=district,
    action_costs=demand,
)
with tempfile.TemporaryDirectory() as folder:
    instance.save(folder)  # instance.npz and instance.json
    instance = Instance.load(folder)

# %%
# It is a gymnasium environment at once. With ``reward="vector"`` there are three objectives: total reward, equity (the district
# that is worst off), and the cost of the action.

import gymnasium as gym

env = gym.make("cormab/budget-v0", instance=instance, reward="vector", horizon=26)
observation, _ = env.reset(seed=0)
observation, reward, *_ = env.step(env.action_space.sample())
print("reward:", reward.round(2))

# %%
# Who is good at it?
# ------------------
#
# Policies that know the transition matrices need no training, and say how much there is to gain: all play the same episodes
# with the same luck, and the Lagrangian bound says what no policy can exceed. A policy that only looks at the next week
# ("myopic") spreads its visits; the others bring villages to the top and keep them there.

from morl.cormab import BASELINES, compare

result = compare(BASELINES, [instance], episodes=20, horizon=26, timed_decisions=5)
for row in result.table:
    print(f"{row['policy']:15s} {row['expected']:6.2f}  {row['normalised']:5.2f}")

import matplotlib.pyplot as plt

names, shares = result.names, result.normalised[:, 0]
plt.figure(figsize=(7, 3), layout="constrained")
plt.barh(names, shares, color="#0072B2")
plt.axvline(1.0, color="0.5", linestyle="--")
plt.xlabel("share of the way from doing nothing to the upper bound")
plt.show()

# %%
# Faster
# ------
#
# With auxiliary variables, membership of each action that was not seen before is a small integer program. Where that is too
# slow, derive from :class:`envs.cormab.constraints.DownwardClosed` (or ``Constraint``) and write ``num_actions``, ``_contains``
# for a whole batch of actions, and ``rows`` for integer programs; sampling, the list and linear maximisation then come from the
# base class. The classes in :mod:`envs.cormab.constraints` are examples of 60 to 200 lines, and ``check_constraint`` finds what
# does not agree.
