"""What wrappers with an adversary have in common: it acts in the action, or is a function of observations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats, Integers
from envs.parametric.wrappers.base import BatchedWrapper, box_of
from envs.protocols import BatchedEnv, Models, Rows, Seeds, Step

Adversary: TypeAlias = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""Observations ``(r, *shape)`` to the adversary's actions ``(r, c)``."""


class Adversarial(BatchedWrapper):
    """Base of the wrappers with an adversary of ``c`` numbers.

    Without ``adversary`` an action is the agent's followed by the adversary's, one box; with it, only the agent's: the
    adversary is asked. What the adversary wants beyond its bounds is clipped, and ``clipped`` counts in how many steps of the
    present episode.
    """

    clipped: Integers
    """Steps of each row's episode in which the adversary's action was clipped, ``(R,)``."""

    def __init__(self, env: BatchedEnv, low: Floats, high: Floats, adversary: Adversary | None) -> None:
        """Add the adversary's actions.

        Args:
            env: Any batched environment.
            low: Lower bounds of the adversary's actions, ``(c,)``.
            high: Upper bounds, ``(c,)``.
            adversary: Chooses them; None if they are part of the action.

        Raises:
            ValueError: They are to be part of the action, but the agent's actions are not a bounded box.
        """
        from gymnasium.spaces import Box

        super().__init__(env)
        self._bounds = low, high
        self._adversary = adversary
        space = env.observation_space
        self._seen = np.zeros((env.num_envs, *(space.shape or ())), space.dtype)
        self.clipped = np.zeros(env.num_envs, np.int64)
        if adversary is None:
            own = box_of(env, f"{type(self).__name__} without an adversary to ask")
            self.action_space = Box(
                np.concatenate([own.low, low]).astype(np.float32), np.concatenate([own.high, high]).astype(np.float32)
            )
            self._split = own.shape[0]

    @abstractmethod
    def _disturb(self, rows: Rows, actions: npt.NDArray[Any], adversary_actions: Floats) -> npt.NDArray[Any]:
        """Let the adversary act, its actions ``(r, c)`` within bounds, and return what the agent's actions become."""

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        observations = super().reset(rows, seeds, dynamics)
        self.clipped[rows] = 0
        self._seen[rows] = observations
        return observations

    def step(self, rows: Rows, actions: npt.NDArray[Any]) -> Step:
        actions = np.asarray(actions)
        low, high = self._bounds
        if self._adversary is None:
            if actions.shape != (len(rows), self._split + len(low)):
                raise ValueError(
                    f"actions has shape {actions.shape}; expected {(len(rows), self._split + len(low))}: the agent's "
                    f"{self._split} numbers, then the adversary's {len(low)}"
                )
            actions, wanted = actions[:, : self._split], actions[:, self._split :]
        else:
            wanted = np.asarray(self._adversary(self._seen[rows].copy()))
            if wanted.shape != (len(rows), len(low)):
                raise ValueError(f"the adversary returned shape {wanted.shape}; expected {(len(rows), len(low))}")
        if not np.isfinite(wanted).all():
            raise ValueError("the adversary's actions contain NaN or infinity")
        chosen = np.clip(wanted.astype(np.float64), low, high)
        self._elapsed[rows] += 1
        result: Step = self.env.step(rows, self._disturb(rows, actions, chosen))
        # Bounds of the action space are float32: rounding is no offence.
        self.clipped[rows] += (np.abs(chosen - wanted) > 1e-6 * (high - low)).any(axis=-1)
        self._seen[rows] = result[0]
        return result


class ActionAdversary(Adversarial):
    """Base of the wrappers whose adversary chooses actions of the agent's kind."""

    def __init__(self, env: BatchedEnv, *, alpha: float = 0.15, adversary: Adversary | None = None) -> None:
        """Let in the adversary.

        Args:
            env: With a bounded box of actions ``(a,)``.
            alpha: The adversary's share, or the probability that it acts, in [0, 1]; see the class.
            adversary: Chooses its actions ``(r, a)`` by observations, in the units of the action space; None if they are part
                of the action, see :class:`Adversarial`.

        Raises:
            ValueError: The actions are no bounded box, or ``alpha`` is out of range.
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha is {alpha}; expected a number in [0, 1]")
        space = box_of(env, type(self).__name__)
        super().__init__(env, space.low.astype(np.float64), space.high.astype(np.float64), adversary)
        self._alpha = alpha
