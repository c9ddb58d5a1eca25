"""What the theory of sets of policies promises, on tables where every number is exact; and where their weights come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from morl.functional import double_q_target, envelope_target, improved_values
from morl.weights.sources import DirichletWeights, Hindsight, SupportWeights

WEIGHTS = 50
seeds = st.integers(0, 2**31)


def simplex(*shape: int, generator: torch.Generator) -> Tensor:
    drawn = -torch.rand(shape, generator=generator, dtype=torch.float64).log()
    return drawn / drawn.sum(-1, keepdim=True)


# --- generalised policy improvement ----------------------------------------------------------------------------------------


def exact_values(transitions: Tensor, rewards: Tensor, policies: Tensor, gamma: float) -> Tensor:
    """Vector values ``(..., K, s, m)`` of deterministic policies ``(..., K, s)`` in processes ``(..., s, a, s)``."""
    states = torch.arange(policies.shape[-1])
    taken = transitions.unsqueeze(-4).expand(*policies.shape[:-1], *transitions.shape[-3:])
    paid = rewards.unsqueeze(-4).expand(*policies.shape[:-1], *rewards.shape[-3:])
    index = policies[..., None, None]
    moves = taken.gather(-2, index.expand(*policies.shape, 1, len(states))).squeeze(-2)
    earned = paid.gather(-2, index.expand(*policies.shape, 1, rewards.shape[-1])).squeeze(-2)
    found: Tensor = torch.linalg.solve(torch.eye(len(states), dtype=torch.float64) - gamma * moves, earned)
    return found


def test_an_improved_policy_is_at_least_as_good_as_each_of_the_set() -> None:
    """Barreto et al. 2017, theorem 1, on 100 random processes, for any weights."""
    generator, gamma = torch.Generator().manual_seed(0), 0.9
    processes, num_states, num_actions, m, members, num_weights = 100, 6, 3, 3, 4, 5
    transitions = simplex(processes, num_states, num_actions, num_states, generator=generator)
    rewards = torch.randn(processes, num_states, num_actions, m, generator=generator, dtype=torch.float64)
    policies = torch.randint(num_actions, (processes, members, num_states), generator=generator)
    values = exact_values(transitions, rewards, policies, gamma)
    q = rewards.unsqueeze(1) + gamma * torch.einsum("bsat,bktm->bksam", transitions, values)
    weights = simplex(processes, num_weights, m, generator=generator)
    # (..., K, A, m) is asked at every state: processes, weights, states.
    asked = q.transpose(1, 2).unsqueeze(1).expand(-1, num_weights, -1, -1, -1, -1)
    judged = improved_values(asked, weights.unsqueeze(2).expand(-1, -1, num_states, -1))
    improved = exact_values(transitions, rewards, judged.argmax(-1), gamma)
    worth = torch.einsum("bwsm,bwm->bws", improved, weights)
    best_of_set = torch.einsum("bksm,bwm->bwks", values, weights).amax(2)
    assert bool((worth >= best_of_set - 1e-9).all())
    # It is no empty law: the set is improved upon nearly everywhere.
    assert float((worth > best_of_set + 1e-6).double().mean()) > 0.8


# --- the envelope operator -------------------------------------------------------------------------------------------------


def world(m: int, generator: torch.Generator, *, is_acyclic: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Deterministic moves ``(s, a)``, rewards ``(s, a, m)`` and discounts ``(s, a)``; 10 states, 3 actions."""
    size, actions = 10, 3
    rewards = torch.randint(-5, 6, (size, actions, m), generator=generator).double()
    if not is_acyclic:
        return torch.randint(size, (size, actions), generator=generator), rewards, torch.full((size, actions), 0.6).double()
    # Only forwards, beyond the last state the episode is over.
    later = torch.arange(size).unsqueeze(1) + torch.randint(1, 4, (size, actions), generator=generator)
    return later.clamp_max(size - 1), rewards, (later < size).double()


def optimum(moves: Tensor, rewards: Tensor, discounts: Tensor, weights: Tensor, sweeps: int) -> Tensor:
    """Scalar value iteration for each of some weights, ``(W, s)``."""
    paid = torch.einsum("sam,wm->wsa", rewards, weights)
    values = torch.zeros(len(weights), len(moves), dtype=torch.float64)
    for _ in range(sweeps):
        values = (paid + discounts * values[:, moves]).amax(-1)
    return values


@pytest.mark.parametrize("is_acyclic", [True, False], ids=["acyclic", "cyclic"])
@pytest.mark.parametrize("m", [2, 3, 4])
def test_the_envelope_operator_reaches_the_optimum_of_every_weighted_sum(m: int, is_acyclic: bool) -> None:
    """Yang et al. 2019, theorems 1 to 3; and following the set or the own policy comes to the same in the end."""
    # 0.6 to the power of 40 is 1e-9.
    sweeps, worlds = (12, 3) if is_acyclic else (40, 1)
    for seed in range(worlds):
        generator = torch.Generator().manual_seed(seed)
        moves, rewards, discounts = world(m, generator, is_acyclic=is_acyclic)
        weights = torch.cat([torch.eye(m, dtype=torch.float64), simplex(WEIGHTS - m, m, generator=generator)])
        size, actions, _ = rewards.shape
        batch = size * actions
        # A batch of all transitions, once for each of the weights, which are networks' axis here.
        paid, kept = (x.reshape(1, batch, -1).expand(WEIGHTS, -1, -1) for x in (rewards, discounts))
        judge = weights.unsqueeze(1).expand(-1, batch, -1)
        envelope = double_q = torch.randn(WEIGHTS, size, actions, m, generator=generator, dtype=torch.float64)
        for _ in range(sweeps):
            everywhere = envelope[:, moves.flatten()].transpose(0, 1).unsqueeze(0).expand(WEIGHTS, -1, -1, -1, -1)
            envelope = envelope_target(paid, kept, everywhere, judge).view_as(envelope)
            own = double_q[:, moves.flatten()]
            utilities = (own * judge.unsqueeze(-2)).sum(-1)
            double_q = double_q_target(paid, kept, utilities, own).view_as(double_q)
        worth, plain = (torch.einsum("wsam,wm->wsa", q, weights) for q in (envelope, double_q))
        best = optimum(moves, rewards, discounts, weights, sweeps)
        torch.testing.assert_close(worth.amax(-1), best, atol=1e-6, rtol=0)
        torch.testing.assert_close(worth, plain, atol=1e-6, rtol=0)


# --- sources of weights ----------------------------------------------------------------------------------------------------


def drawn(source: Any, own: Tensor, support: Tensor, seed: int) -> Tensor:
    weights: Tensor = source(own, support, generator=torch.Generator().manual_seed(seed))
    return weights


@given(seed=seeds, m=st.integers(2, 8), cone=st.floats(1.0, 90.0))
@settings(max_examples=50)
def test_no_weights_lie_outside_of_the_cone(seed: int, m: int, cone: float) -> None:
    own = torch.zeros(500, m, dtype=torch.float64)
    weights = drawn(DirichletWeights(cone=cone), own, own[:1], seed)
    assert bool((weights >= 0).all())
    torch.testing.assert_close(weights.sum(1), torch.ones(500, dtype=torch.float64))
    angles = torch.acos((weights.sum(1) / m**0.5 / weights.norm(dim=1)).clamp_max(1.0)).rad2deg()
    assert float(angles.max()) <= cone + 1e-6
    # The same draws without a cone, on the same rays from the centre.
    whole, centre = drawn(DirichletWeights(), own, own[:1], seed), 1.0 / m
    ratio = (weights - centre).norm(dim=1) / (whole - centre).norm(dim=1)
    torch.testing.assert_close(weights - centre, ratio.mean() * (whole - centre))


@pytest.mark.parametrize("m", range(2, 9))
def test_the_corners_of_the_smaller_simplex_reach_the_cone(m: int) -> None:
    weights = DirichletWeights(cone=22.5).pulled(torch.eye(m, dtype=torch.float64))
    assert bool((weights >= 0).all())
    angles = torch.acos(weights.sum(1) / m**0.5 / weights.norm(dim=1)).rad2deg()
    torch.testing.assert_close(angles, torch.full((m,), 22.5, dtype=torch.float64))


def test_flat_draws_are_dirichlet_distributed() -> None:
    for m in (2, 3, 6):
        weights = drawn(DirichletWeights(), torch.zeros(4_000, m), torch.zeros(1, m), m).double().numpy()
        for j in range(m):
            assert stats.kstest(weights[:, j], stats.beta(1, m - 1).cdf).pvalue > 1e-3


@given(seed=seeds, share=st.floats(0.0, 1.0), batch=st.integers(1, 64), others=st.sampled_from(["dirichlet", "support"]))
def test_hindsight_keeps_exactly_its_share(seed: int, share: float, batch: int, others: Any) -> None:
    own = torch.full((batch, 3), 1 / 3)
    support = torch.tensor([[0.1, 0.2, 0.7], [0.6, 0.2, 0.2]])
    weights = drawn(Hindsight(share=share, others=others), own, support, seed)
    changed = (weights != own).any(1)
    assert int(changed.sum()) == round(share * batch)
    if others == "support":
        assert {tuple(w) for w in weights[changed].tolist()} <= {tuple(w) for w in support.tolist()}


@pytest.mark.parametrize("members", [1, 2, 7])
def test_support_draws_members_alike(members: int) -> None:
    support = torch.randn(members, 3, generator=torch.Generator().manual_seed(1)).softmax(-1)
    weights = drawn(SupportWeights(), torch.zeros(7_000, 3), support, 0)
    same = (weights.unsqueeze(1) == support).all(-1)
    assert bool((same.sum(1) == 1).all())
    if members > 1:
        assert stats.chisquare(np.asarray(same.sum(0))).pvalue > 1e-3
