"""One finished episode, and what makes a data set one: its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from morl.action_spaces import discrete_start
from morl.errors import DataError
from morl.objectives import objectives_of
from morl.observations import Layout
from morl.problem_spec import ProblemSpec
from morl.spaces import space_from_json, space_to_json

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Episode:
    """A whole episode of ``T >= 1`` steps."""

    observations: Array
    """Raw ones that were acted on (:mod:`morl.observations`), ``(T, *shape)``."""
    actions: Array
    """As the environment takes them, ``(T, ...)``."""
    rewards: Array
    """``(T, m)``."""
    final_observation: Array
    """The one after the last step, ``(*shape)``."""
    terminated: bool
    """Whether the environment ended it."""
    truncated: bool
    """Whether it was cut, such as by a time limit."""
    weights: Array | None = None
    """Preference that was acted by, ``(m,)``; None if there was none."""
    policy: int = -1
    """Which policy acted, such as the identity of a member; -1 if nobody said."""

    def __len__(self) -> int:
        return len(self.rewards)

    def total(self, gamma: float = 1.0) -> npt.NDArray[np.float64]:
        """Its discounted return, ``(m,)``."""
        discounts = np.power(gamma, np.arange(len(self)), dtype=np.float64)
        total: npt.NDArray[np.float64] = discounts @ self.rewards.astype(np.float64)
        return total


@dataclass(frozen=True, eq=False)
class Header:
    """What all episodes of a data set have in common."""

    env_id: str
    """Where they took place."""
    env_arguments: Mapping[str, Any]
    """Arguments of that environment."""
    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    objectives: tuple[str, ...]
    """Names, ``(m,)``."""
    units: tuple[str, ...]
    """Of one step's reward, ``(m,)``."""
    gamma: float | None = None
    """Discount of the run that recorded them; None if there was none."""
    recorded_by: Mapping[str, Any] = field(default_factory=dict)
    """Who recorded them, in words for people: JSON."""

    @classmethod
    def of(cls, spec: ProblemSpec, *, gamma: float | None = None, recorded_by: Mapping[str, Any] | None = None) -> Self:
        """The header of episodes in a problem.

        Args:
            spec: The problem.
            gamma: Discount of the run, if there is one.
            recorded_by: See :attr:`recorded_by`.

        Raises:
            CapabilityError: A space cannot be written down.
        """
        names, units = objectives_of(spec.env_id, spec.objective_names, spec.objective_units, spec.num_objectives)
        for space in (spec.observation_space, spec.action_space):
            space_to_json(space)
        arguments = json.loads(json.dumps(dict(spec.env_arguments), default=str))
        return cls(
            spec.env_id, arguments, spec.observation_space, spec.action_space, names, units, gamma, dict(recorded_by or {})
        )

    @property
    def num_objectives(self) -> int:
        """``m``."""
        return len(self.objectives)

    @property
    def start(self) -> int:
        """Lowest number of a Discrete action; 0 for other spaces."""
        return discrete_start(self.action_space)

    @cached_property
    def stored_dtype(self) -> np.dtype[Any]:
        """Type of stored observations: the space's where it is integral, which is smaller than that of raw ones."""
        space, layout = self.observation_space, Layout(self.observation_space)
        integral = not layout.is_nested and space.dtype is not None and layout.dtype == np.int64
        return np.dtype(space.dtype) if integral else np.dtype(layout.dtype)

    @cached_property
    def observation_shape(self) -> tuple[int, ...]:
        """Of one raw observation."""
        return tuple(Layout(self.observation_space).shape)

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold; the inverse of :meth:`from_json`."""
        return {
            "env": {"id": self.env_id, "arguments": dict(self.env_arguments)},
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
            "objectives": list(self.objectives),
            "units": list(self.units),
            "gamma": self.gamma,
            "recorded_by": dict(self.recorded_by),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read :meth:`to_json`.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        gamma = content["gamma"]
        return cls(
            str(content["env"]["id"]),
            dict(content["env"]["arguments"]),
            space_from_json(content["observation_space"]),
            space_from_json(content["action_space"]),
            tuple(map(str, content["objectives"])),
            tuple(map(str, content["units"])),
            None if gamma is None else float(gamma),
            dict(content["recorded_by"]),
        )

    def require_same(self, other: Header, whose: str) -> None:
        """Refuse episodes of another problem.

        Args:
            other: Header of what is to be used together with this.
            whose: What ``other`` belongs to, in words.

        Raises:
            DataError: Says in what they differ.
        """
        for what, mine, theirs in (
            ("environment", self.env_id.rpartition(":")[2], other.env_id.rpartition(":")[2]),
            ("action space", self.action_space, other.action_space),
            ("observation space", self.observation_space, other.observation_space),
            ("objectives", ", ".join(self.objectives), ", ".join(other.objectives)),
        ):
            if mine != theirs:
                raise DataError(
                    f"the data set has the {what} {_brief(mine)}, but {whose} has {_brief(theirs)}; use one of the latter"
                )


def _brief(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:120]}..."
