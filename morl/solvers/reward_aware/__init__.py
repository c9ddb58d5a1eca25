"""Reward-aware learning: explore without a preference, plan for any utility of an episode's return."""

from morl.solvers.reward_aware.solver import RewardAwareLearning as RewardAwareLearning  # listed by `morl.solvers`
