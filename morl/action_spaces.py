"""Action spaces as the solvers' networks see them: real numbers in a box, or choices among finitely many.

A finite action space (Discrete, MultiDiscrete, MultiBinary, a bounded Box of integers) is a product of components. A head makes

- one choice per component (*factored*): as many outputs as the components have values together; a policy is a product of
  independent distributions, a value the sum of one value per component; or
- one choice among all combinations (*joint*): exact, but the outputs multiply.

With a single component both are the same, and that is a Discrete space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from morl.errors import CapabilityError
from morl.nn.distributions import categorical_sample

SMALL = 64
"""Most combinations that solvers with action values list, each with a value of its own, instead of adding up components."""
MOST_COMBINATIONS = 4_096
"""Most combinations for solvers that can only list them."""
MOST_OPTIONS = 1_000_000
"""Most options of a choice times choices of a head."""

_NEVER = -1e30
"""Stands for a logit or utility of a value that a component does not have; finite, so that gradients stay so."""


@dataclass(frozen=True)
class FiniteActions:
    """A finite action space and the choices by which a head names its actions.

    Choices count from 0. A joint choice is one number ``(...)``, in mixed radix with the last component fastest; factored
    choices are one number per component, ``(..., J)``. The ``S`` outputs of a head belong to the options of all choices.
    """

    shape: tuple[int, ...]
    """Of one action."""
    low: tuple[int, ...]
    """Smallest value of every component; 0 for a Discrete space, whose start is added where the environment is stepped."""
    counts: tuple[int, ...]
    """Number of values of every component."""
    is_joint: bool
    """Whether one choice is made among all combinations. A single component is always joint."""

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of options of each choice, ``(J,)``, or ``(1,)`` if joint."""
        return (math.prod(self.counts),) if self.is_joint else self.counts

    @cached_property
    def width(self) -> int:
        """Number ``S`` of outputs of a head."""
        return sum(self.sizes)

    @property
    def is_too_large(self) -> bool:
        """Whether there is no head of that many options."""
        return len(self.sizes) * max(self.sizes) > MOST_OPTIONS

    @property
    def log_volume(self) -> float:
        """Logarithm of the number of actions: the largest entropy, nats."""
        return sum(map(math.log, self.sizes))

    # ------------------------------------------------------------------ actions and choices

    def choices(self, actions: Tensor) -> Tensor:
        """Name actions ``(..., *shape)`` by choices, ``(...)`` or ``(..., J)`` int64."""
        if not self.shape and self.low == (0,):
            return actions.long()
        known = _tensors(self, actions.device)
        flat = actions.flatten(actions.dim() - len(self.shape)) if self.shape else actions.unsqueeze(-1)
        digits = flat.long() - known.low
        return (digits * known.radix).sum(-1) if self.is_joint else digits

    def actions(self, choices: Tensor) -> Tensor:
        """Actions ``(..., *shape)`` int64 of choices; undoes :meth:`choices`."""
        if not self.shape and self.low == (0,):
            return choices
        known = _tensors(self, choices.device)
        digits = choices.unsqueeze(-1) // known.radix % known.counts if self.is_joint else choices
        flat = digits + known.low
        return flat.unflatten(-1, self.shape) if self.shape else flat.squeeze(-1)

    def random(self, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
        """Uniform choices, ``(count,)`` or ``(count, J)``."""
        if self.is_joint:
            return torch.randint(self.width, (count,), generator=generator, device=device)
        return self.scaled(torch.rand((count, len(self.sizes)), generator=generator, device=device))

    def scaled(self, uniform: Tensor) -> Tensor:
        """Factored choices at uniform numbers in ``[0, 1)``, ``(..., J)``."""
        return (uniform * _tensors(self, uniform.device).counts).long()

    # ------------------------------------------------------------------ heads

    def noise_shape(self, batch: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the uniform numbers that :meth:`sample` needs: ``batch``, with one number per component if factored."""
        return batch if self.is_joint else (*batch, len(self.sizes))

    def spread(self, outputs: Tensor, dim: int = -1) -> Tensor:
        """Give components an axis of their own: ``(..., S, ...)`` -> ``(..., J, K, ...)``; unchanged if joint.

        Args:
            outputs: Of a head.
            dim: The axis of the outputs, counted from the right (negative).

        Returns:
            ``K`` is the largest size; what smaller components lack can never be the best or be drawn.
        """
        if self.is_joint:
            return outputs
        shape = (len(self.sizes), max(self.sizes))
        if min(self.sizes) == shape[1]:
            equal: Tensor = outputs.unflatten(dim, shape)
            return equal
        known = _tensors(self, outputs.device)
        parts: Tensor = outputs.index_select(dim, known.place).unflatten(dim, shape)
        return parts.masked_fill(known.lacking.view(*shape, *(1,) * (-dim - 1)), _NEVER)

    def log_softmax(self, outputs: Tensor) -> Tensor:
        """Log-probabilities within every choice, ``(..., S)`` -> ``(..., S)``."""
        if self.is_joint:
            return outputs.log_softmax(-1)
        if min(self.sizes) == max(self.sizes):
            return self.spread(outputs).log_softmax(-1).flatten(-2)
        owners = _tensors(self, outputs.device).owner
        return outputs - self.spread(outputs).logsumexp(-1).index_select(-1, owners)

    def sample(self, outputs: Tensor, uniform: Tensor) -> Tensor:
        """Draw choices from independent categorical distributions.

        Args:
            outputs: Logits ``(..., S)``.
            uniform: Uniform numbers in ``[0, 1)``, of :meth:`noise_shape`.

        Returns:
            Choices, shaped like ``uniform``.
        """
        if self.is_joint:
            return categorical_sample(outputs, uniform)
        # Rounding may reach past the last value of a component that has fewer than others.
        return torch.minimum(categorical_sample(self.spread(outputs), uniform), _tensors(self, outputs.device).counts - 1)

    def best(self, outputs: Tensor) -> Tensor:
        """Choices with the largest output, ``(..., S)`` -> ``(...)`` or ``(..., J)``; of several the first."""
        chosen: Tensor = self.spread(outputs).argmax(-1)
        return chosen

    def index(self, choices: Tensor) -> Tensor:
        """Places of choices among the outputs, ``(...)`` or ``(..., J)`` -> ``(..., J)`` with ``J = 1`` if joint."""
        return choices.unsqueeze(-1) if self.is_joint else choices + _tensors(self, choices.device).first

    def stored_index(self, stored: Tensor) -> Tensor:
        """Places among the outputs of choices that a store holds as numbers, ``(..., J)``, ``J = 1`` if joint."""
        return stored.long() if self.is_joint else stored.long() + _tensors(self, stored.device).first

    def total(self, outputs: Tensor, index: Tensor) -> Tensor:
        """Sum of the outputs at some places (:meth:`index`), ``(..., S), (..., J) -> (...)``."""
        found = outputs.gather(-1, index)
        return found.squeeze(-1) if self.is_joint else found.sum(-1)

    def total_values(self, values: Tensor, index: Tensor) -> Tensor:
        """Sum of the vector values at some places (:meth:`index`), ``(..., S, m), (..., J) -> (..., m)``."""
        found = values.gather(-2, index.unsqueeze(-1).expand(*index.shape, values.shape[-1]))
        return found.squeeze(-2) if self.is_joint else found.sum(-2)

    def one_hot(self, index: Tensor) -> Tensor:
        """Choices as networks see them: ones at some places (:meth:`index`), ``(..., J) -> (..., S)`` float32."""
        return torch.zeros(*index.shape[:-1], self.width, device=index.device).scatter_(-1, index, 1.0)


class _Tensors(NamedTuple):
    """What :class:`FiniteActions` counts with, on one device."""

    low: Tensor
    counts: Tensor
    radix: Tensor
    first: Tensor
    """First output of every choice, ``(J,)``."""
    owner: Tensor
    """Choice of every output, ``(S,)``."""
    place: Tensor
    """Output of every option, flat ``(J * K,)``; 0 where a choice lacks it."""
    lacking: Tensor
    """Which those are, ``(J, K)``."""


@cache
def _tensors(finite: FiniteActions, device: torch.device) -> _Tensors:
    # Also when a policy is the first to ask: what is made in inference mode could not be used in training.
    with torch.inference_mode(False):
        counts, sizes = torch.tensor(finite.counts), torch.tensor(finite.sizes)
        radix = torch.tensor([math.prod(finite.counts[i + 1 :]) if finite.is_joint else 1 for i in range(len(counts))])
        first = sizes.cumsum(0) - sizes
        options = torch.arange(max(finite.sizes))
        lacking = options >= sizes.unsqueeze(1)
        place = (first.unsqueeze(1) + options).masked_fill(lacking, 0).flatten()
        owner = torch.arange(len(sizes)).repeat_interleave(sizes)
        known = (torch.tensor(finite.low), counts, radix, first, owner, place, lacking)
        return _Tensors(*(tensor.to(device) for tensor in known))


class BoxActions(NamedTuple):
    """A real-valued box in units of its half-widths, everything flat ``(a,)`` float32."""

    scale: Tensor
    """Half the width; 1 along components that are not bounded on both sides."""
    offset: Tensor
    """Centre; the finite side of components bounded on one side; 0 along unbounded ones."""
    low: Tensor
    high: Tensor

    def clip(self, actions: Tensor) -> Tensor:
        """Clip flat actions ``(..., a)``, in environment units, into the box."""
        return torch.clamp(actions, self.low, self.high)


def box_actions(space: spaces.Box, device: torch.device) -> BoxActions:
    """Describe a box.

    Args:
        space: The action space.
        device: Where the tensors live.

    Returns:
        Bounds that are rounded into the box, so that an action stays inside it at any precision, and units such that the centre
        plus or minus a half-width does so too.
    """
    low, high = _float32_bounds(space)
    has_low, has_high = np.isfinite(space.low.reshape(-1)), np.isfinite(space.high.reshape(-1))
    bounded = _has_width(low, high)
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.where(bounded, (high - low) / 2, np.float32(1))
        side = np.where(has_low & ~has_high, low, np.where(has_high & ~has_low, high, np.float32(0)))
        offset = np.where(bounded, (high + low) / 2, side).astype(np.float32)
        for _ in range(4):  # rounding may have pushed an end out by one step
            outside = bounded & ((offset + scale > high) | (offset - scale < low))
            nearer = np.minimum(np.nextafter(scale, np.float32(0)), np.minimum(high - offset, offset - low))
            scale = np.where(outside, np.maximum(nearer, np.float32(0)), scale)
    return BoxActions(*(torch.as_tensor(part, dtype=torch.float32).to(device) for part in (scale, offset, low, high)))


def _float32_bounds(space: spaces.Box) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Bounds ``(a,)`` in float32, rounded into the box where it is wide enough to hold such a number."""
    exact_low, exact_high = (bound.reshape(-1).astype(np.float64) for bound in (space.low, space.high))
    with np.errstate(over="ignore"):
        low, high = exact_low.astype(np.float32), exact_high.astype(np.float32)
    up, down = np.nextafter(low, np.float32(np.inf)), np.nextafter(high, np.float32(-np.inf))
    inner_low, inner_high = np.where(low < exact_low, up, low), np.where(high > exact_high, down, high)
    narrow = inner_low > inner_high
    return np.where(narrow, low, inner_low), np.where(narrow, high, inner_high)


def _has_width(low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which components have two ends and a width that float32 can hold, ``(a,)``."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.isfinite(high - low))


def is_real_box(space: gym.Space[Any]) -> bool:
    """Whether a space is a box of real numbers."""
    return isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating)


def is_bounded_box(space: gym.Space[Any]) -> bool:
    """Whether a space is a box of real numbers with two ends along every component, not wider than float32 can say."""
    return isinstance(space, spaces.Box) and is_real_box(space) and bool(_has_width(*_float32_bounds(space)).all())


def finite_actions(space: gym.Space[Any], *, joint_limit: int = 0) -> FiniteActions | None:
    """Describe a finite action space.

    Args:
        space: Any space.
        joint_limit: Up to so many combinations the choice is a joint one, beyond it is factored.

    Returns:
        The description; None if the space has no components with finitely many values, or only some combinations are feasible.
    """
    if getattr(space, "constraint", None) is not None:
        return None
    shape = tuple(space.shape or ())
    if isinstance(space, spaces.Discrete):
        low, counts = [0], [int(space.n)]
    elif isinstance(space, spaces.MultiDiscrete):
        low, counts = space.start.reshape(-1).tolist(), space.nvec.reshape(-1).tolist()
    elif isinstance(space, spaces.MultiBinary):
        low, counts = [0] * math.prod(shape), [2] * math.prod(shape)
    elif isinstance(space, spaces.Box) and not is_real_box(space):
        # As Python's integers: the width of an unbounded int64 overflows.
        low, high = ([int(x) for x in bound.reshape(-1)] for bound in (space.low, space.high))
        if max(high, default=0) > np.iinfo(np.int64).max:
            return None  # tensors count in int64
        counts = [b - a + 1 for a, b in zip(low, high, strict=True)]
    else:
        return None
    is_joint = len(counts) == 1 or math.prod(counts) <= joint_limit
    return FiniteActions(shape, tuple(low), tuple(counts), is_joint)


def supported_actions(
    space: gym.Space[Any],
    solver: str,
    *,
    boxes: Literal["none", "bounded", "any"],
    joint: Literal["never", "small", "always"] = "small",
) -> FiniteActions | None:
    """Check that a solver can act in a space.

    Args:
        space: The action space.
        solver: Name for the message.
        boxes: Which boxes of real numbers it takes.
        joint: Whether its head chooses among combinations of components: never, where they are at most 64, or always.

    Returns:
        The finite space; None for a box of real numbers.

    Raises:
        CapabilityError: It cannot; the message says what to do.
    """
    if boxes != "none" and (is_bounded_box(space) or (boxes == "any" and is_real_box(space))):
        return None
    limit = {"never": 0, "small": SMALL, "always": MOST_COMBINATIONS}[joint]
    finite = finite_actions(space, joint_limit=limit)
    kinds = {
        "none": "MultiDiscrete, MultiBinary or Discrete",
        "bounded": "bounded Box or a Discrete, MultiDiscrete or MultiBinary",
        "any": "real-valued Box or a Discrete, MultiDiscrete or MultiBinary",
    }
    wanted = f"{solver} needs a {kinds[boxes]} action space"
    if finite is not None and finite.is_too_large:
        wanted += f" of at most {MOST_OPTIONS:,} values"
    elif finite is not None and not finite.is_joint and joint == "always":
        wanted += f" of at most {MOST_COMBINATIONS:,} combinations"
    elif finite is not None:
        return finite
    if boxes == "bounded" and is_real_box(space):
        raise CapabilityError(
            f"{wanted}, found {shown(space)}; bound the actions with {_TRANSFORM}lambda action: action, "
            f"gymnasium.spaces.Box(low, high, {space.shape})), high - low finite, or use MOPPO"
        )
    raise CapabilityError(f"{wanted}, found {shown(space)}; {other_solvers(space)}")


def other_solvers(space: gym.Space[Any]) -> str:
    """Which of the general solvers act in a space, or what makes it one of those: the end of a message that refuses it.

    Args:
        space: The action space.

    Returns:
        The clause, without a full stop.
    """
    if getattr(space, "constraint", None) is not None:
        return "only some of these actions are feasible: use SEQUOIA, which chooses among those"
    if is_bounded_box(space):
        return "use MOSAC or MOPPO"
    if is_real_box(space):
        return "use MOPPO"
    finite = finite_actions(space, joint_limit=SMALL)
    if finite is None:
        return (
            f"wrap the environment in {_TRANSFORM}function, space): space is a Box, MultiDiscrete or Discrete space, function "
            f"turns its actions into the environment's own of the kind {type(space).__name__}"
        )
    if finite.is_too_large:
        return (
            f"wrap the environment in {_TRANSFORM}function, gymnasium.spaces.Box(low, high, {space.shape})), where function "
            "rounds real numbers and high - low is finite, and use MOSAC or MOPPO"
        )
    return "use MODQN, MOSAC or MOPPO"


_TRANSFORM = "gymnasium.wrappers.TransformAction(env, "


def discrete_start(space: gym.Space[Any]) -> int:
    """Smallest action of a Discrete space, from which learners count; 0 for every other space."""
    return int(space.start) if isinstance(space, spaces.Discrete) else 0


def shown(space: gym.Space[Any]) -> str:
    """A space in one line that is not too long."""
    text = " ".join(str(space).split())
    return text if len(text) <= 160 else f"{text[:157]}..."
