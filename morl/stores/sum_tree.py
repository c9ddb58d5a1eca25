"""Proportional sampling from several rings at once: a sum-tree whose levels are tensors."""

from __future__ import annotations

import torch
from torch import Tensor

FANOUT = 32
"""Children per node: a million leaves are four levels deep, so a descent is a handful of tensor operations."""


class SumTree:
    """Nonnegative priorities of ``(groups, capacity)`` leaves, sampled in proportion within each group.

    Level 0 holds the leaves, each further level the sums of :data:`FANOUT` children; the last level is one root per
    group. All groups lie behind each other in the same tensors, so one descent serves every group. A sum is recomputed
    from its children, never incremented: nothing drifts, and equal leaves give bitwise equal trees.

    Args:
        groups: Number of independent trees.
        capacity: Leaves of each tree.
        device: Where the levels live.
    """

    def __init__(self, groups: int, capacity: int, *, device: torch.device) -> None:
        self.groups = groups
        self.capacity = capacity
        depth = 1
        while FANOUT**depth < capacity:
            depth += 1
        # Zeros of this size are only reserved by the operating system; what is never written costs no memory.
        self._levels = [
            torch.zeros(groups * FANOUT ** (depth - k), dtype=torch.float64, device=device) for k in range(depth + 1)
        ]
        self._span = FANOUT**depth

    def _leaf(self, index: Tensor) -> Tensor:
        """Position in level 0 of the entry ``index = group * capacity + position``."""
        leaf: Tensor = index + index.div(self.capacity, rounding_mode="floor") * (self._span - self.capacity)
        return leaf

    def set(self, index: Tensor, priorities: Tensor) -> None:
        """Replace the priorities of some leaves.

        Args:
            index: Entries ``group * capacity + position``, ``(k,)`` int64; where one occurs twice its largest priority counts.
            priorities: New priorities, ``(k,)``, nonnegative.
        """
        node = self._leaf(index)
        leaves = self._levels[0]
        leaves.index_fill_(0, node, 0.0)
        leaves.scatter_reduce_(0, node, priorities.to(torch.float64), "amax")
        for children, parents in zip(self._levels, self._levels[1:], strict=False):
            node = node.div(FANOUT, rounding_mode="floor")
            # The last entry of a running sum, not a reduction: the order of additions must not depend on the batch.
            parents.index_copy_(0, node, children.view(-1, FANOUT).index_select(0, node).cumsum(-1)[:, -1])

    def get(self, index: Tensor) -> Tensor:
        """Priorities of the entries ``index`` (any shape), float64."""
        return torch.take(self._levels[0], self._leaf(index))

    def totals(self) -> Tensor:
        """Sum of the priorities of each group, ``(groups,)`` float64."""
        return self._levels[-1]

    def sample(self, groups: Tensor, uniforms: Tensor) -> Tensor:
        """Draw leaves in proportion to their priorities.

        Args:
            groups: Tree of each row of draws, ``(g,)`` int64; its total must be positive.
            uniforms: Numbers in ``[0, 1)``, ``(g, B)`` float64.

        Returns:
            Entries ``group * capacity + position``, ``(g, B)`` int64; their priority is positive.
        """
        node = groups[:, None].expand(uniforms.shape).reshape(-1)
        rest = uniforms.reshape(-1) * self._levels[-1][node]
        for children in reversed(self._levels[:-1]):
            sums = children.view(-1, FANOUT).index_select(0, node).cumsum(-1)
            # Rounding may push the rest up to the total; below it there is always a child with a positive priority.
            total = sums[:, -1]
            rest = torch.minimum(rest, torch.nextafter(total, torch.zeros_like(total)))
            child = (sums <= rest[:, None]).sum(-1)
            before = sums.gather(1, (child - 1).clamp_min(0)[:, None]).squeeze(1)
            rest = torch.where(child > 0, rest - before, rest)
            node = node * FANOUT + child
        position = node.remainder(self._span)
        group = node.div(self._span, rounding_mode="floor")
        return (group * self.capacity + position).view(uniforms.shape)
