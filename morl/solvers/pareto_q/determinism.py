"""Worlds that are not deterministic are refused, as far as a few steps can tell."""

from __future__ import annotations

import torch

from morl.action_spaces import FiniteActions
from morl.determinism import found_chance
from morl.errors import CapabilityError
from morl.protocols import EnvFactory
from morl.solvers.pareto_q.sets import refusal

_STEPS = 32


def require_deterministic(env: EnvFactory, finite: FiniteActions, *, seed: int) -> None:
    """Refuse worlds that chance, or anything but observations and actions, has a say in.

    Args:
        env: The problem.
        finite: Its actions.
        seed: Of the actions and of the rows.

    Raises:
        CapabilityError: Rows with other seeds began elsewhere, or the same actions led them elsewhere or paid otherwise.
    """
    device = torch.device("cpu")
    found = found_chance(env, lambda generator: finite.actions(finite.random(1, generator, device)), seed=seed, steps=_STEPS)
    if found:
        raise CapabilityError(refusal(found))
