"""Tables worked out by hand for the pure tensor functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from morl.functional import (
    accrued_rewards,
    clipped_surrogate,
    discounted_returns,
    discrete_sac_target,
    double_q_target,
    envelope_target,
    expected_utility_loss,
    factored_sac_target,
    generalised_advantages,
    improved_values,
    normalised,
    pessimistic_values,
    rewards_to_go,
    sac_target,
    scalarised_advantages,
    smaller_q_target,
)

# Five steps of one row, two objectives: an episode of three steps, then one that step 4 does not finish.
REWARDS = torch.tensor([[1.0, 0.0], [2.0, -1.0], [4.0, -2.0], [8.0, 1.0], [16.0, 0.0]]).unsqueeze(1)
ENDS = torch.tensor([0, 0, 1, 0, 0], dtype=torch.bool).unsqueeze(1)


def column(*rows: tuple[float, ...]) -> Tensor:
    """A table of one environment row, ``(T, 1, m)``."""
    return torch.tensor(rows).unsqueeze(1)


def test_discounted_returns_stop_at_ends() -> None:
    # G_2 = 4, G_1 = 2 + 4/2, G_0 = 1 + 4/2; G_4 = 16, G_3 = 8 + 16/2.
    expected = column((3.0, -1.0), (4.0, -2.0), (4.0, -2.0), (16.0, 1.0), (16.0, 0.0))
    torch.testing.assert_close(discounted_returns(REWARDS, ENDS, 0.5), expected)


def test_discounted_returns_bootstrap_only_unfinished_rows() -> None:
    rewards = REWARDS[:3].expand(3, 2, 2)
    ends = torch.tensor([[False, False], [False, False], [True, False]])
    returns = discounted_returns(rewards, ends, 0.5, bootstrap=torch.tensor([[100.0, 100.0], [8.0, 4.0]]))
    torch.testing.assert_close(returns[:, 0], REWARDS.new_tensor([[3.0, -1.0], [4.0, -2.0], [4.0, -2.0]]))
    torch.testing.assert_close(returns[:, 1], REWARDS.new_tensor([[4.0, -0.5], [6.0, -1.0], [8.0, 0.0]]))


def test_accrued_rewards_start_anew_after_an_end() -> None:
    accrued, discounts = accrued_rewards(REWARDS, ENDS, 0.5)
    torch.testing.assert_close(accrued, column((0.0, 0.0), (1.0, 0.0), (2.0, -0.5), (0.0, 0.0), (8.0, 1.0)))
    torch.testing.assert_close(discounts, torch.tensor([[1.0], [0.5], [0.25], [1.0], [0.5]]))


def test_rewards_to_go_complete_the_return_of_the_episode() -> None:
    to_go = rewards_to_go(REWARDS, ENDS, 0.5)
    torch.testing.assert_close(to_go, column((3.0, -1.0), (2.0, -1.0), (1.0, -0.5), (16.0, 1.0), (8.0, 0.0)))
    total = accrued_rewards(REWARDS, ENDS, 0.5)[0] + to_go
    torch.testing.assert_close(total, column(*[(3.0, -1.0)] * 3, *[(16.0, 1.0)] * 2))


class TestGeneralisedAdvantages:
    """gamma = 1/2, lambda = 1/2; rewards 1, 2, 4; values 10, 20, 30; next values 20, 30, 40."""

    rewards = column((1.0, -1.0), (2.0, -2.0), (4.0, -4.0))
    values = column((10.0, 1.0), (20.0, 2.0), (30.0, 3.0))
    next_values = column((20.0, 2.0), (30.0, 3.0), (40.0, 4.0))

    def advantages(self, terminated: list[int], ended: list[int]) -> tuple[Tensor, Tensor]:
        stop, end = (torch.tensor(flags, dtype=torch.bool).unsqueeze(1) for flags in (terminated, ended))
        return generalised_advantages(self.rewards, self.values, self.next_values, stop, end, 0.5, 0.5)

    def test_unfinished(self) -> None:
        # First objective: errors 1, -3, -6; A_2 = -6, A_1 = -3 - 6/4, A_0 = 1 - 4.5/4. Second: errors -1, -2.5, -5.
        advantages, targets = self.advantages([0, 0, 0], [0, 0, 0])
        torch.testing.assert_close(advantages, column((-0.125, -1.9375), (-4.5, -3.75), (-6.0, -5.0)))
        torch.testing.assert_close(targets, advantages + self.values)

    def test_termination_does_not_bootstrap(self) -> None:
        # Error 1: 2 - 20 = -18; A_1 = -18 (nothing is carried over an end), A_0 = 1 - 18/4.
        advantages, _ = self.advantages([0, 1, 0], [0, 1, 0])
        torch.testing.assert_close(advantages[..., 0], torch.tensor([[-3.5], [-18.0], [-6.0]]))

    def test_truncation_bootstraps_but_carries_nothing(self) -> None:
        advantages, _ = self.advantages([0, 0, 0], [0, 1, 0])
        torch.testing.assert_close(advantages[..., 0], torch.tensor([[0.25], [-3.0], [-6.0]]))

    def test_padding_counts_for_nothing(self) -> None:
        flags, mask = torch.zeros(3, 1, dtype=torch.bool), torch.tensor([[True], [True], [False]])
        values = torch.where(mask[..., None], self.values, float("nan"))
        advantages, targets = generalised_advantages(self.rewards, values, self.next_values, flags, flags, 0.5, 0.5, mask)
        torch.testing.assert_close(advantages[..., 0], torch.tensor([[0.25], [-3.0], [0.0]]))
        torch.testing.assert_close(targets[..., 0], torch.tensor([[10.25], [17.0], [0.0]]))


def test_normalised_is_per_member_and_ignores_padding() -> None:
    values = torch.tensor([[1.0, 3.0, 1000.0], [10.0, 20.0, 30.0]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    spread = math.sqrt(200.0 / 3.0)
    expected = torch.tensor([[-1.0, 1.0, 0.0], [-10.0 / spread, 0.0, 10.0 / spread]])
    torch.testing.assert_close(normalised(values, mask), expected)


def test_normalised_of_equal_advantages_is_zero() -> None:
    torch.testing.assert_close(normalised(torch.full((2, 4), 3.0)), torch.zeros(2, 4))


def test_scalarised_advantages_use_each_members_weights() -> None:
    advantages = torch.tensor([[[1.0, 5.0], [3.0, 5.0]], [[1.0, 5.0], [3.0, 9.0]]])
    result = scalarised_advantages(advantages, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(result, torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]))
    # Where weights differ so does the sign: the first member prefers the first entry, the second the second.
    opposed = torch.tensor([[[2.0, 0.0], [0.0, 2.0]]]).expand(2, 2, 2)
    result = scalarised_advantages(opposed, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(result, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))


# Two members, two critics, one transition, two objectives. Scalarised with (1/2, 1/2): critic 0 gives 5, critic 1 gives 4;
# with (1, 0): 2 and 8. A componentwise minimum would mix the critics and give (2, 0) for both.
NEXT_Q = torch.tensor([[[2.0, 8.0]], [[8.0, 0.0]]]).expand(2, 2, 1, 2)
WEIGHTS = torch.tensor([[0.5, 0.5], [1.0, 0.0]])


def test_pessimistic_values_keep_one_critics_vector() -> None:
    torch.testing.assert_close(pessimistic_values(NEXT_Q, WEIGHTS), torch.tensor([[[8.0, 0.0]], [[2.0, 8.0]]]))


def test_sac_target() -> None:
    rewards = torch.tensor([[[1.0, -1.0]], [[3.0, 0.0]]])
    discounts = torch.full((2, 1, 1), 0.5)
    target = sac_target(rewards, discounts, NEXT_Q, torch.tensor([[-2.0], [4.0]]), torch.tensor([0.5, 0.25]), WEIGHTS)
    # Entropy bonus +1 and -1: 1 + (8 + 1)/2, -1 + (0 + 1)/2; 3 + (2 - 1)/2, 0 + (8 - 1)/2.
    torch.testing.assert_close(target, torch.tensor([[[5.5, -0.5]], [[3.5, 3.5]]]))
    # The weighted target is the scalar one: g(r) + gamma (min_k g(Q_k) - alpha log pi).
    torch.testing.assert_close(
        (target * WEIGHTS[:, None]).sum(-1), torch.tensor([[0.0 + 0.5 * (4.0 + 1.0)], [3.0 + 0.5 * (2.0 - 1.0)]])
    )


def test_sac_target_of_a_terminal_step_is_the_reward() -> None:
    rewards = torch.tensor([[[1.0, -1.0]], [[3.0, 0.0]]])
    target = sac_target(rewards, torch.zeros(2, 1, 1), NEXT_Q, torch.tensor([[-2.0], [4.0]]), torch.ones(2), WEIGHTS)
    torch.testing.assert_close(target, rewards)


def test_discrete_sac_target() -> None:
    # Action 0 as NEXT_Q; action 1: critics (4, 4) and (0, 2), scalarised 4 > 1 for both kinds of weights' critic 1.
    second = torch.tensor([[[4.0, 4.0]], [[0.0, 2.0]]]).expand(2, 2, 1, 2)
    next_q = torch.stack([NEXT_Q, second], -2)
    probs = torch.tensor([[[0.5, 0.5]], [[1.0, 0.0]]])
    target = discrete_sac_target(
        torch.tensor([[[1.0, -1.0]], [[3.0, 0.0]]]),
        torch.full((2, 1, 1), 0.5),
        next_q,
        probs,
        torch.tensor([2.0, 2.0]),
        WEIGHTS,
    )
    # Member 0: mean of (8, 0) and (0, 2) is (4, 1), entropy log 2; member 1: (2, 8), no entropy although a probability is 0.
    bonus = 2.0 * math.log(2.0)
    expected = torch.tensor([[[1 + 0.5 * (4 + bonus), -1 + 0.5 * (1 + bonus)]], [[4.0, 4.0]]])
    torch.testing.assert_close(target, expected)


def test_factored_sac_target() -> None:
    # Two choices of two options, two critics, one objective. Probabilities (3/4, 1/4) and (1/2, 1/2).
    next_q = torch.tensor([[4.0, 0.0, 1.0, 3.0], [0.0, 8.0, 4.0, 0.0]]).view(1, 2, 1, 4, 1)
    log_probs = torch.tensor([0.75, 0.25, 0.5, 0.5]).log().view(1, 1, 4)
    # Critic 0 expects 3 + 2 = 5, critic 1 expects 2 + 2 = 4, although it is the larger one in two of four options.
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25) + math.log(2.0)
    target = factored_sac_target(
        torch.tensor([[[1.0]]]), torch.tensor([[[0.5]]]), next_q, log_probs, torch.tensor([2.0]), torch.ones(1, 1)
    )
    torch.testing.assert_close(target, torch.tensor([[[1 + 0.5 * (4 + 2 * entropy)]]]))


def test_factored_sac_target_is_that_of_all_combinations() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards, discounts = torch.randn(2, 3, 2, generator=generator), torch.rand(2, 3, 1, generator=generator)
    first, second = (torch.randn(2, 1, 3, size, 2, generator=generator).expand(2, 2, 3, size, 2) for size in (3, 2))
    logits = [torch.randn(2, 3, size, generator=generator).log_softmax(-1) for size in (3, 2)]
    alpha, weights = torch.tensor([0.3, 0.7]), torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    found = factored_sac_target(rewards, discounts, torch.cat([first, second], -2), torch.cat(logits, -1), alpha, weights)
    every = (first.unsqueeze(-2) + second.unsqueeze(-3)).flatten(-3, -2)
    probs = (logits[0].exp().unsqueeze(-1) * logits[1].exp().unsqueeze(-2)).flatten(-2)
    torch.testing.assert_close(found, discrete_sac_target(rewards, discounts, every, probs, alpha, weights))


def test_double_q_target_of_several_choices_adds_up() -> None:
    next_q = torch.tensor([[1.0, 2.0], [10.0, 20.0]]).view(1, 1, 2, 2, 1)
    utilities = torch.tensor([[0.0, 1.0], [5.0, 4.0]]).view(1, 1, 2, 2)
    target = double_q_target(torch.tensor([[[1.0]]]), torch.tensor([[[0.5]]]), utilities, next_q)
    torch.testing.assert_close(target, torch.tensor([[[1 + 0.5 * (2 + 10)]]]))


def test_double_q_target_chooses_online_and_values_with_the_target_network() -> None:
    next_q = torch.tensor([[[[1.0, 2.0], [3.0, 4.0], [50.0, 60.0]]]])
    target = double_q_target(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[0.5]]]), torch.tensor([[[0.0, 2.0, 1.0]]]), next_q)
    torch.testing.assert_close(target, torch.tensor([[[2.5, 3.0]]]))


def test_weights_of_single_entries() -> None:
    """One network, two transitions with the weights that the two members above have: the same answers, side by side."""
    next_q, weights = NEXT_Q.transpose(0, 2), WEIGHTS.unsqueeze(0)
    torch.testing.assert_close(pessimistic_values(next_q, weights), torch.tensor([[[8.0, 0.0], [2.0, 8.0]]]))
    rewards, log_prob = torch.tensor([[[1.0, -1.0], [3.0, 0.0]]]), torch.tensor([[-2.0, 4.0]])
    target = sac_target(rewards, torch.full((1, 2, 1), 0.5), next_q, log_prob, torch.tensor([0.5]), weights)
    # Entropy bonus +1 and -2: 1 + (8 + 1)/2, -1 + (0 + 1)/2; 3 + (2 - 2)/2, 0 + (8 - 2)/2.
    torch.testing.assert_close(target, torch.tensor([[[5.5, -0.5], [3.0, 3.0]]]))
    # With an axis of actions; the second one is (4, 4) by critic 0 and (0, 2) by critic 1, which is less to both.
    second = torch.tensor([[[4.0, 4.0]], [[0.0, 2.0]]]).expand(2, 2, 1, 2).transpose(0, 2)
    table, ones = torch.stack([next_q, second], -2), torch.ones(1)
    probs = torch.tensor([[[0.5, 0.5], [1.0, 0.0]]])
    discrete = discrete_sac_target(rewards, torch.full((1, 2, 1), 0.5), table, probs, ones, weights)
    bonus = math.log(2.0)
    torch.testing.assert_close(discrete, torch.tensor([[[1 + 0.5 * (4 + bonus), -1 + 0.5 * (1 + bonus)], [4.0, 4.0]]]))
    # Factored: the critic is chosen by the sum over choices, here (6, 12) by critic 0 and (8, 2) by critic 1.
    certain = torch.zeros(1, 2, 2)
    factored = factored_sac_target(rewards, torch.full((1, 2, 1), 0.5), table, certain, ones, weights)
    torch.testing.assert_close(factored, torch.tensor([[[5.0, 0.0], [6.0, 6.0]]]))


def test_smaller_q_target() -> None:
    # Actions by critics: a = (2, 8) or (8, 0), b = (4, 4) or (0, 2). To (1/2, 1/2) they are worth 4 by the second and 1 by the
    # second, so a by critic 1 counts; to (1, 0) they are worth 2 by the first and 0, so a by critic 0.
    second = torch.tensor([[[4.0, 4.0]], [[0.0, 2.0]]]).expand(2, 2, 1, 2)
    table = torch.stack([NEXT_Q, second], -2)
    rewards, discounts = torch.tensor([[[1.0, -1.0]], [[3.0, 0.0]]]), torch.full((2, 1, 1), 0.5)
    expected = torch.tensor([[[5.0, -1.0]], [[4.0, 4.0]]])
    torch.testing.assert_close(smaller_q_target(rewards, discounts, table, WEIGHTS), expected)
    one_network = (part.transpose(0, 1) for part in (rewards, discounts, expected))
    rewards, discounts, expected = one_network
    found = smaller_q_target(rewards, discounts, table.transpose(0, 2), WEIGHTS.unsqueeze(0))
    torch.testing.assert_close(found, expected)


# Two policies, three actions, two objectives, at one state.
SET_OF_Q = torch.tensor([[[4.0, 0.0], [1.0, 1.0], [0.0, 0.0]], [[0.0, 2.0], [3.0, 3.0], [1.0, 9.0]]])


def test_improved_values() -> None:
    # To (1, 0): max(4, 0), max(1, 3), max(0, 1); to (1/2, 1/2): max(2, 1), max(1, 3), max(0, 5); to (0, 1): 2, 3, 9.
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = improved_values(SET_OF_Q.expand(3, 2, 3, 2), weights)
    torch.testing.assert_close(found, torch.tensor([[4.0, 3.0, 1.0], [2.0, 3.0, 5.0], [2.0, 3.0, 9.0]]))


def test_envelope_target() -> None:
    # (1, 0) takes the first action by the first policy, (4, 0); (0, 1) the third by the second, (1, 9); the third has ended.
    weights = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    rewards, discounts = torch.tensor([[[1.0, -1.0], [3.0, 0.0], [7.0, 7.0]]]), torch.tensor([[[0.5], [0.5], [0.0]]])
    target = envelope_target(rewards, discounts, SET_OF_Q.expand(1, 3, 2, 3, 2), weights)
    torch.testing.assert_close(target, torch.tensor([[[3.0, -1.0], [3.5, 4.5], [7.0, 7.0]]]))
    # A set of one policy is double Q-learning of it.
    alone = envelope_target(rewards, discounts, SET_OF_Q[:1].expand(1, 3, 1, 3, 2), weights)
    torch.testing.assert_close(alone, torch.tensor([[[3.0, -1.0], [3.5, 0.5], [7.0, 7.0]]]))


def test_clipped_surrogate() -> None:
    ratio = torch.tensor([[2.0, 2.0, 0.5, 0.5]])
    advantages = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    # min(2, 1.2), min(-2, -1.2), min(0.5, 0.8), min(-0.5, -0.8): 1.2 - 2 + 0.5 - 0.8 = -1.1.
    loss = clipped_surrogate(ratio.log(), torch.zeros(1, 4), advantages, 0.2)
    torch.testing.assert_close(loss, torch.tensor([1.1 / 4]))


def test_clipped_surrogate_gives_each_member_its_own_gradient() -> None:
    log_probs = torch.zeros(2, 3, requires_grad=True)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    advantages = torch.tensor([[1.0, 3.0, float("nan")], [3.0, -3.0, 6.0]])
    clipped_surrogate(log_probs, torch.zeros(2, 3), advantages, 0.2, mask).sum().backward()
    assert log_probs.grad is not None
    torch.testing.assert_close(log_probs.grad, torch.tensor([[-0.5, -1.5, 0.0], [-1.0, 1.0, -2.0]]))


def test_expected_utility_loss_sees_the_accrued_reward() -> None:
    # "At most 3 units of the first objective are worth anything": the future alone would look like 2 and then 1.
    rewards = column((1.0, 0.0), (2.0, 0.0), (1.0, 0.0))
    ends = torch.tensor([[False], [False], [True]])
    returns = (accrued_rewards(rewards, ends, 1.0)[0] + rewards_to_go(rewards, ends, 1.0)).transpose(0, 1)
    log_probs = torch.zeros(1, 3, requires_grad=True)
    loss = expected_utility_loss(log_probs - 1.0, returns, lambda v: v[..., 0].clamp_max(3.0), 1)
    torch.testing.assert_close(loss, torch.tensor([9.0]))
    loss.sum().backward()
    assert log_probs.grad is not None
    torch.testing.assert_close(log_probs.grad, torch.full((1, 3), -3.0))


def test_expected_utility_loss_baseline_mask_and_episodes() -> None:
    log_probs = torch.tensor([[-1.0, -2.0, -4.0], [-1.0, -1.0, -1.0]])
    returns = torch.tensor([[[5.0], [7.0], [9.0]], [[2.0], [4.0], [6.0]]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    loss = expected_utility_loss(
        log_probs,
        returns,
        lambda v: v[..., 0],
        torch.tensor([1, 2]),
        mask=mask,
        baseline=torch.tensor([[4.0, 4.0, 4.0], [3.0, 3.0, 3.0]]),
    )
    # (1 * 1 + 3 * 2) / 1 and (-1 + 1 + 3) / 2.
    torch.testing.assert_close(loss, torch.tensor([7.0, 1.5]))


def test_functions_run_without_data() -> None:
    """On the meta device there is nothing to read: a host read would raise."""
    n, batch, m = 3, 4, 2
    meta = torch.device("meta")
    weights = torch.empty(n, m, device=meta)
    rewards, flags = torch.empty(5, n, m, device=meta), torch.empty(5, n, dtype=torch.bool, device=meta)
    assert generalised_advantages(rewards, rewards, rewards, flags, flags, 0.9, 0.9, flags)[1].shape == (5, n, m)
    assert rewards_to_go(rewards, flags, 0.9).shape == (5, n, m)
    q, numbers = torch.empty(n, 2, batch, m, device=meta), torch.empty(n, batch, device=meta)
    assert sac_target(q[:, 0], numbers.unsqueeze(-1), q, numbers, weights[:, 0], weights).shape == (n, batch, m)
    table, single = torch.empty(n, 2, batch, 5, m, device=meta), torch.empty(n, batch, m, device=meta)
    assert smaller_q_target(q[:, 0], numbers.unsqueeze(-1), table, single).shape == (n, batch, m)
    asked = table.transpose(1, 2)
    assert envelope_target(q[:, 0], numbers.unsqueeze(-1), asked, single).shape == (n, batch, m)
    assert improved_values(asked, single).shape == (n, batch, 5)
    advantages = scalarised_advantages(q[:, 0], weights, numbers.bool())
    assert clipped_surrogate(numbers, numbers, advantages, 0.2, numbers.bool()).shape == (n,)
