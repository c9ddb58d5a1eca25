"""Where experience is kept: :class:`Ring` for off-policy learners, :class:`Rollout` for on-policy ones."""

from morl.stores.ring import Ring
from morl.stores.rollout import Rollout
from morl.stores.sum_tree import SumTree

__all__ = ["Ring", "Rollout", "SumTree"]
