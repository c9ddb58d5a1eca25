"""What IWOCS keeps of each preference: the specialists, the best policy, and what is known of its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from morl.policies.base import BasePolicy, policy_from
from morl.protocols import State, prefixed, unprefixed
from robust.uncertainty.base import Array


@dataclass
class Specialist:
    """A policy trained in one model, frozen, with what is needed to compare and to trust it."""

    model: list[float]
    """The model it was trained in, ``(k,)``."""
    actor: dict[str, Tensor]
    """Tensors of its policy, ``(1, ...)`` each."""
    critic: dict[str, Tensor]
    """Tensors of its critic, ``(1, ...)`` each."""
    monitor: dict[str, Tensor]
    """Parameters of its validity model, ``(1, ...)`` each."""
    threshold: float = 0.0
    """Scores up to here are trusted."""
    value: float | None = None
    """Its scalarised return in its own model."""
    reached: float | None = None
    """The best scalarised return that anybody was seen to reach in its model."""


@dataclass(eq=False)
class SubProblem:
    """One preference: what was found for it so far."""

    uid: int
    default: dict[str, Tensor] = field(default_factory=dict)
    """Tensors of the default policy; empty until it is trained."""
    specialists: list[Specialist] = field(default_factory=list)
    """In the order in which they were trained."""
    best: BasePolicy | None = None
    """The policy with the best guarantee."""
    lower: float | None = None
    """Its scalarised return in the worst model that its search found."""
    verified: float | None = None
    """Its scalarised return in the worst model of a closed grid, in fresh episodes; None until the preference came to its
    end."""
    upper: float | None = None
    """Smallest over the specialists' models of the best scalarised return that was seen there."""
    status: Literal["running", "converged", "stalled", "exhausted"] = "running"
    """How it ended."""
    pending: list[list[float]] = field(default_factory=list)
    """Models in which specialists are being trained."""
    pending_reached: list[float] = field(default_factory=list)
    """What the policy before reached in each of them."""

    @property
    def gap(self) -> float | None:
        """``upper - lower``, where both are known; ``lower`` as verified, once it is."""
        lower = self.lower if self.verified is None else self.verified
        return None if self.upper is None or lower is None else self.upper - lower

    def known(self, dimensions: int) -> Array:
        """Models of its specialists, ``(J, k)``."""
        return np.array([s.model for s in self.specialists], dtype=np.float64).reshape(-1, dimensions)


_NUMBERS = ("uid", "lower", "upper", "verified", "status", "pending", "pending_reached")
"""What JSON can hold of a preference as it is."""
_ABOUT = ("model", "threshold", "value", "reached")
"""The same of a specialist."""
_TENSORS = ("actor", "critic", "monitor")


def saved(subs: Sequence[SubProblem]) -> State:
    """A state of some preferences."""
    state: State = {
        "subs": [
            {
                **{name: getattr(sub, name) for name in _NUMBERS},
                "best": None if sub.best is None else sub.best.config(),
                "specialists": [{name: getattr(s, name) for name in _ABOUT} for s in sub.specialists],
            }
            for sub in subs
        ]
    }
    for i, sub in enumerate(subs):
        state |= prefixed(f"default/{i}", sub.default)
        if sub.best is not None:
            state |= prefixed(f"best/{i}", sub.best.tensors())
        for j, specialist in enumerate(sub.specialists):
            for part in _TENSORS:
                state |= prefixed(f"specialist/{i}/{j}/{part}", getattr(specialist, part))
    return state


def restored(state: State, device: torch.device) -> list[SubProblem]:
    """Undo :func:`saved`."""

    def tensors(prefix: str) -> dict[str, Tensor]:
        return {name: value.to(device).clone() for name, value in unprefixed(prefix, state).items()}

    subs = []
    for i, plain in enumerate(state["subs"]):
        specialists = []
        for j, about in enumerate(plain["specialists"]):
            actor, critic, monitor = (tensors(f"specialist/{i}/{j}/{part}") for part in _TENSORS)
            specialists.append(Specialist(actor=actor, critic=critic, monitor=monitor, **about))
        best: dict[str, Any] | None = plain["best"]
        subs.append(
            SubProblem(
                **{name: plain[name] for name in _NUMBERS},
                default=tensors(f"default/{i}"),
                specialists=specialists,
                best=None if best is None else policy_from(best, tensors(f"best/{i}")),
            )
        )
    return subs
