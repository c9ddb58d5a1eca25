"""Credits, baselines, importance ratios and natural gradients on numbers computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from morl.functional import balance_heuristic, conjugate_gradients, credited_gains, leave_one_out, marginal_gain_loss
from morl.functional.natural_gradient import axpy, dot

GAINS = torch.tensor([[[[3.0], [2.0], [1.0]], [[4.0], [0.0], [0.0]]]])


@pytest.mark.parametrize(
    ("credit", "gamma", "expected"),
    [
        ("to_go", 1.0, [[6.0, 3.0, 1.0], [4.0, 0.0, 0.0]]),
        ("total", 1.0, [[6.0, 6.0, 6.0], [4.0, 4.0, 4.0]]),
        ("one_step", 1.0, [[3.0, 2.0, 1.0], [4.0, 0.0, 0.0]]),
        ("to_go", 0.5, [[4.25, 1.25, 0.25], [4.0, 0.0, 0.0]]),
        ("total", 0.5, [[4.25, 4.25, 4.25], [4.0, 4.0, 4.0]]),
    ],
)
def test_credits(credit: Any, gamma: float, expected: Any) -> None:
    assert credited_gains(GAINS, credit, gamma)[0, ..., 0].tolist() == expected


def test_leave_one_out_averages_the_others_that_have_come_that_far() -> None:
    credited = torch.tensor([[[[6.0], [3.0]], [[4.0], [0.0]], [[2.0], [5.0]]]])
    mask = torch.tensor([[[True, True], [True, False], [True, True]]])
    assert leave_one_out(credited, mask)[0, ..., 0].tolist() == [[3.0, 5.0], [4.0, 4.0], [5.0, 3.0]]
    assert leave_one_out(credited[:, :1], mask[:, :1])[0, ..., 0].tolist() == [[0.0, 0.0]]


def test_ratios_against_the_mixture() -> None:
    probs = torch.tensor([[[0.5, 0.5], [0.2, 1.0]], [[0.25, 0.5], [0.6, 1.0]]])
    mask = torch.tensor([[[True, True], [True, False]]]).expand(2, -1, -1)
    ratio = balance_heuristic(probs.log(), mask)
    expected = [[[4 / 3, 4 / 3], [0.5, 0.5]], [[2 / 3, 2 / 3], [1.5, 1.5]]]
    torch.testing.assert_close(ratio, torch.tensor(expected))
    assert ratio.max() <= 2.0
    torch.testing.assert_close(ratio.mean(0), torch.ones(2, 2))


def test_loss() -> None:
    log_probs = torch.tensor([[[-1.0, -2.0], [-3.0, -4.0]]])
    advantages = torch.tensor([[[1.0, 1.0], [2.0, 9.0]]])
    mask = torch.tensor([[[True, True], [True, False]]])
    assert marginal_gain_loss(log_probs, advantages, mask).tolist() == [4.5]


def test_conjugate_gradients_solve_every_member_s_system() -> None:
    rng = torch.Generator().manual_seed(0)
    roots = torch.randn(3, 6, 6, generator=rng, dtype=torch.float64)
    matrices = roots @ roots.transpose(1, 2)
    target = [torch.randn(3, 2, generator=rng, dtype=torch.float64), torch.randn(3, 2, 2, generator=rng, dtype=torch.float64)]
    target[0][2], target[1][2] = 0.0, 0.0

    def product(vectors: list[torch.Tensor]) -> list[torch.Tensor]:
        flat = torch.cat([v.flatten(1) for v in vectors], 1)
        image = (matrices @ flat.unsqueeze(-1)).squeeze(-1)
        return [image[:, :2], image[:, 2:].view(3, 2, 2)]

    found = conjugate_gradients(product, target, iterations=12, damping=0.1)
    flat = torch.cat([v.flatten(1) for v in target], 1).unsqueeze(-1)
    expected = torch.linalg.solve(matrices + 0.1 * torch.eye(6), flat).squeeze(-1)
    torch.testing.assert_close(torch.cat([v.flatten(1) for v in found], 1), expected)
    assert dot(target, target).shape == (3,)
    assert axpy(torch.zeros(3), target, target)[1] is not target[1]
