"""Policy snapshots: light, frozen, batched; they act without any of the training code's state."""

from morl.policies.base import load_policy, policy_from
from morl.policies.mlp import MLPPolicy
from morl.policies.network import NetworkPolicy
from morl.policies.tabular import TabularPolicy

__all__ = ["MLPPolicy", "NetworkPolicy", "TabularPolicy", "load_policy", "policy_from"]
