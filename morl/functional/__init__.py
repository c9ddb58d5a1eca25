"""Pure tensor functions: no state, no host reads, per member on the leading axis."""

from morl.functional.advantages import generalised_advantages, normalised, scalarised_advantages
from morl.functional.commands import episode_labels, next_command, steps_to_go
from morl.functional.imitation import choice_errors, squared_errors
from morl.functional.marginal_gains import balance_heuristic, credited_gains, leave_one_out, marginal_gain_loss, utility_gains
from morl.functional.natural_gradient import conjugate_gradients, metric_product, natural_step
from morl.functional.policy_gradient import clipped_surrogate, expected_utility_loss
from morl.functional.returns import accrued_rewards, discounted_returns, rewards_to_go
from morl.functional.targets import (
    discrete_sac_target,
    double_q_target,
    envelope_target,
    factored_sac_target,
    improved_values,
    pessimistic_values,
    sac_target,
    smaller_q_target,
)

__all__ = [
    "accrued_rewards",
    "balance_heuristic",
    "choice_errors",
    "clipped_surrogate",
    "conjugate_gradients",
    "credited_gains",
    "discounted_returns",
    "discrete_sac_target",
    "double_q_target",
    "envelope_target",
    "episode_labels",
    "expected_utility_loss",
    "factored_sac_target",
    "generalised_advantages",
    "improved_values",
    "leave_one_out",
    "marginal_gain_loss",
    "metric_product",
    "natural_step",
    "next_command",
    "normalised",
    "pessimistic_values",
    "rewards_to_go",
    "sac_target",
    "scalarised_advantages",
    "smaller_q_target",
    "squared_errors",
    "steps_to_go",
    "utility_gains",
]
