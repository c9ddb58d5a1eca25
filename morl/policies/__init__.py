"""Policy snapshots: light, frozen, batched; they act without any of the training code's state."""

from morl.policies.base import load_policy, policy_from
from morl.policies.conditioned import ConditionedPolicy
from morl.policies.mlp import MLPPolicy
from morl.policies.network import NetworkPolicy
from morl.policies.return_conditioned import ReturnConditionedPolicy
from morl.policies.tabular import TabularPolicy
from morl.policies.tracking import TrackingPolicy

__all__ = [
    "ConditionedPolicy",
    "MLPPolicy",
    "NetworkPolicy",
    "ReturnConditionedPolicy",
    "TabularPolicy",
    "TrackingPolicy",
    "load_policy",
    "policy_from",
]
