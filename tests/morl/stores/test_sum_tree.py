"""The sum-tree: totals, replacement, and draws in proportion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from morl.stores import SumTree
from morl.stores.sum_tree import FANOUT

CPU = torch.device("cpu")


@pytest.mark.parametrize("capacity", [1, FANOUT, FANOUT + 1, FANOUT**2 + 5])
def test_totals_are_sums_of_the_leaves(capacity: int) -> None:
    tree = SumTree(2, capacity, device=CPU)
    priorities = torch.rand(2 * capacity, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tree.set(torch.arange(2 * capacity), priorities)
    torch.testing.assert_close(tree.totals(), priorities.view(2, capacity).sum(1))
    tree.set(torch.tensor([capacity]), torch.tensor([7.0]))
    priorities[capacity] = 7.0
    torch.testing.assert_close(tree.totals(), priorities.view(2, capacity).sum(1))
    assert torch.equal(tree.get(torch.arange(2 * capacity)), priorities)


def test_drawn_as_often_as_the_priorities_say() -> None:
    capacity, draws = 50, 40_000
    priorities = torch.arange(2 * capacity, dtype=torch.float64) % 7
    tree = SumTree(2, capacity, device=CPU)
    tree.set(torch.arange(2 * capacity), priorities)
    uniforms = torch.rand(2, draws, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    index = tree.sample(torch.tensor([1, 0]), uniforms)
    for row, group in ((0, 1), (1, 0)):
        expected = priorities.view(2, capacity)[group].numpy()
        counts = np.bincount(index[row].numpy() - group * capacity, minlength=capacity)
        assert (counts[expected == 0] == 0).all()
        positive = expected > 0
        assert chisquare(counts[positive], expected[positive] / expected.sum() * draws).pvalue > 0.001


def test_every_uniform_lands_on_a_positive_priority() -> None:
    """The ends of the unit interval, and priorities whose sums round."""
    tree = SumTree(1, 100, device=CPU)
    index = torch.tensor([3, 40, 41, 77])
    tree.set(index, torch.tensor([0.1, 1e-17, 0.2, 0.7]))
    uniforms = torch.tensor([[0.0, 1.0 - 2.0**-53, 1.0, 0.1, 0.3, 0.29999999999999999]], dtype=torch.float64)
    assert set(tree.sample(torch.tensor([0]), uniforms).flatten().tolist()) <= set(index.tolist())
    assert tree.sample(torch.tensor([0]), uniforms)[0, :3].tolist() == [3, 77, 77]


def test_largest_priority_counts_where_an_entry_is_set_twice() -> None:
    tree = SumTree(1, 4, device=CPU)
    tree.set(torch.tensor([2]), torch.tensor([9.0]))
    tree.set(torch.tensor([2, 1, 2]), torch.tensor([3.0, 1.0, 2.0]))
    assert tree.get(torch.arange(4)).tolist() == [0.0, 1.0, 3.0, 0.0]
    assert tree.totals().tolist() == [4.0]
