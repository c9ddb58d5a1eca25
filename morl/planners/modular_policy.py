r"""Exact policy for the modular relaxation, :math:`\max \mathbb{E} \sum_h F(\{s_h\})`, and what it guarantees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from morl.planners.closed_loop import ClosedLoop, Rule
from morl.planners.planner import Walks


def backward_induction(walks: Walks, rewards: Tensor) -> tuple[Tensor, Tensor]:
    """Maximise an additive reward exactly.

    Args:
        walks: The world.
        rewards: Of executing action ``b`` at node ``v``, ``(V, A)``.

    Returns:
        Values to come at every step and node, ``(H + 1, V)``, and the policy ``(H, V)``: of several best actions the first.
    """
    values = [torch.zeros(rewards.shape[0], dtype=torch.float64)]
    policy = []
    for _ in range(walks.horizon):
        outcome = rewards + values[-1][walks.successors]
        choices = (walks.executed * outcome[:, None]).sum(-1)
        policy.append(torch.from_numpy(choices.numpy().argmax(-1)))
        values.append(choices.amax(-1))
    return torch.stack(values[::-1]), torch.stack(policy[::-1])


@dataclass(frozen=True, kw_only=True)
class ModularPolicy(ClosedLoop):
    r"""Maximise :math:`\mathbb{E} \sum_h F(\{s_h\})`, the sum of what the visits are worth alone, by backward induction.

    It pays again for what was seen already, so it tends to stay where it is best. If no node can be visited twice, its value
    is at least ``1 - c`` of the optimum, with the curvature ``c`` of the nodes (:func:`~morl.planners.guarantee`): from
    :math:`(1 - c) \sum_{s \in A} F(\{s\}) \le F(A) \le \sum_{s \in A} F(\{s\})`. The better of any policy and this one has
    the same guarantee.
    """

    def _rule(self, walks: Walks) -> Rule:
        policy = self.policy(walks)
        return lambda step, nodes, _: policy[step, nodes]

    @staticmethod
    def policy(walks: Walks) -> Tensor:
        """The policy, an action for every step and node, ``(H, V)``."""
        alone = walks.scalar(walks.function.singletons())
        return backward_induction(walks, alone[walks.successors])[1]
