"""Check a rule that values the next state."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from morl.action_spaces import FiniteActions
from morl.bootstrapping import Bootstrap, Lookahead
from morl.testing.requirement import require

BATCH = 6


def check_bootstrap(bootstrap: Bootstrap, *, num_objectives: int = 3, seed: int = 0) -> None:
    """Check that a rule keeps the contract of :class:`morl.bootstrapping.Bootstrap`.

    It is tried with random values for which the networks of two members stand, or one that sees weights where it needs that;
    with listed actions, and with factored ones where it does not need listed ones.

    Args:
        bootstrap: What to check.
        num_objectives: ``m``.
        seed: Of the values it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.bootstrapping import Envelope
        >>> check_bootstrap(Envelope())
    """
    share = bootstrap.utility_share
    require(bootstrap.num_networks >= 1, f"num_networks is {bootstrap.num_networks}; expected at least 1")
    require(0.0 <= share < 1.0, f"utility_share is {share}; expected a number in [0, 1)")
    listed = FiniteActions(shape=(), low=(0,), counts=(4,), is_joint=True)
    factored = FiniteActions(shape=(2,), low=(0, 0), counts=(3, 2), is_joint=False)
    for finite in (listed,) if bootstrap.needs_listed_actions else (listed, factored):
        trial = _Trial(bootstrap, finite, num_objectives, seed)
        case = "listed actions" if finite.is_joint else "factored actions"
        targets, rewards = trial.targets(), trial.rewards
        expected = (rewards.dtype, tuple(rewards.shape))
        found = (targets.dtype, tuple(targets.shape))
        require(found == expected, f"{case}: expected targets of {expected}, got {found}")
        require(bool(torch.isfinite(targets).all()), f"{case}: targets are not finite")
        require(torch.equal(targets, trial.targets()), f"{case}: the same values gave other targets; it must keep no state")
        over = trial.discounts.expand_as(rewards) == 0
        require(torch.equal(targets[over], rewards[over]), f"{case}: where the episode ended, the target must be the reward")
        known = rewards + trial.discounts * len(finite.sizes) * 2.5
        require(
            torch.allclose(trial.targets(constant=2.5), known, atol=1e-5),
            f"{case}: where everything is worth the same, targets must be rewards and discounted worth",
        )


class _Trial:
    """A batch, and networks that are tables of random numbers."""

    def __init__(self, bootstrap: Bootstrap, finite: FiniteActions, m: int, seed: int) -> None:
        self.bootstrap, self.finite = bootstrap, finite
        generator = torch.Generator().manual_seed(seed)
        n = 1 if bootstrap.needs_conditioning else 2
        self.rewards = torch.randn(n, BATCH, m, generator=generator)
        self.discounts = torch.where(torch.arange(BATCH) % 3 == 0, 0.0, 0.9).expand(n, BATCH).unsqueeze(-1)
        self.weights = torch.randn(n, BATCH if bootstrap.needs_conditioning else 1, m, generator=generator).softmax(-1)
        self.support = torch.randn(3, m, generator=generator).softmax(-1)
        self.returns = torch.randn(3, m, generator=generator)
        shape = (2, n, bootstrap.num_networks, BATCH, finite.width, m)
        self.tables = torch.randn(shape, generator=generator)

    def targets(self, constant: float | None = None) -> Tensor:
        given = (self.rewards, self.discounts, self.weights, self.support, self.returns)
        before = [tensor.clone() for tensor in given]
        online, target = (self._network(table, constant) for table in self.tables)
        found = self.bootstrap(
            Lookahead(
                rewards=self.rewards, discounts=self.discounts, weights=self.weights, online=online, target=target,
                finite=self.finite, support=self.support, returns=self.returns,
            )
        )  # fmt: skip
        require(all(torch.equal(a, b) for a, b in zip(given, before, strict=True)), "it changed its arguments")
        return found

    def _network(self, table: Tensor, constant: float | None) -> Callable[[Tensor | None], Tensor]:
        def values(asked: Tensor | None) -> Tensor:
            if asked is None:
                return table if constant is None else torch.full_like(table, constant)
            require(
                self.bootstrap.needs_conditioning, "it asks about other weights, but does not say that it needs_conditioning"
            )
            n, batch, number, m = asked.shape
            require((n, batch, m) == self.rewards.shape, f"it asks about weights of shape {tuple(asked.shape)}")
            each = table.unsqueeze(3) * (1.0 + asked.view(n, 1, batch, number, 1, m))
            return each if constant is None else torch.full_like(each, constant)

        return values
