"""Pure tensor functions: no state, no host reads, per member on the leading axis."""

from morl.functional.advantages import generalised_advantages, normalised, scalarised_advantages
from morl.functional.policy_gradient import clipped_surrogate, expected_utility_loss
from morl.functional.returns import accrued_rewards, discounted_returns, rewards_to_go
from morl.functional.targets import discrete_sac_target, double_q_target, pessimistic_values, sac_target

__all__ = [
    "accrued_rewards",
    "clipped_surrogate",
    "discounted_returns",
    "discrete_sac_target",
    "double_q_target",
    "expected_utility_loss",
    "generalised_advantages",
    "normalised",
    "pessimistic_values",
    "rewards_to_go",
    "sac_target",
    "scalarised_advantages",
]
