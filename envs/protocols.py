"""The contracts between environments and whoever steps them.

Letters used in shapes: ``R`` rows (copies of one environment), ``r`` rows of one call, ``m`` objectives, ``k`` dynamics
parameters, ``a`` action size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import gymnasium

    from envs.parameter_space import ParameterSpace

Rows: TypeAlias = npt.NDArray[np.int64]
"""Indices of rows, ``(r,)``."""

Seeds: TypeAlias = npt.NDArray[np.int64]
"""Episode seeds, ``(r,)``, nonnegative."""

Models: TypeAlias = npt.NDArray[np.float64]
"""Transition models, ``(r, k)``."""

Advanced: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Observations ``(r, *shape)``, rewards ``(r, m)``, terminated ``(r,)``."""

Step: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
"""Observations ``(r, *shape)``, rewards ``(r, m)``, terminated ``(r,)``, truncated ``(r,)``."""


@runtime_checkable
class VectorReward(Protocol):
    """A gymnasium environment whose reward is a vector: ``step`` returns an array ``(m,)``.

    The space stands on the environment (the convention of mo-gymnasium, some of whose wrappers ask for its length,
    ``reward_dim``, too), or on a wrapper that makes other rewards: the outermost layer that has one counts.
    :func:`envs.checks.check_vector_reward_env` tests an environment against it.
    """

    reward_space: gymnasium.spaces.Box
    """Shape ``(m,)``: the range of one step's reward, one entry per objective."""


@runtime_checkable
class NamedObjectives(Protocol):
    """An environment that says what its objectives are called; tables, plots and messages then use these names.

    The attributes stand on the environment, on a wrapper that makes other objectives of its reward, or on the batched form.
    ``objective_units`` may be left out.
    """

    objective_names: tuple[str, ...]
    """One name per objective, ``(m,)``, all different; without line breaks, commas, quotes or slashes, for they become columns
    of tables. Empty for none."""
    objective_units: tuple[str, ...]
    """Unit of one step's reward, per objective, ``(m,)``; empty text for none."""


@runtime_checkable
class RewardParts(Protocol):
    """An environment whose scalar reward is a sum over what is observed: component ``p`` of a ``MultiDiscrete`` observation
    (an arm and its state) has a reward of its own.

    The attribute stands on the environment, or on its batched form; a wrapper around it hides it, since it may change the
    reward. A solver that knows the parts has less noise to
    learn from: what happens to one arm says nothing about the value of another.
    """

    reward_parts: npt.NDArray[np.float64]
    """Of the last step: ``(P,)``, in a batched form ``(R, P)``. They add up to the reward."""


@runtime_checkable
class ParametricDynamics(Protocol):
    """A gymnasium environment whose transition model can be set.

    A model is a vector of parameters that stays the same during an episode. ``reset(options={"params": {"mass": 2.0}})`` sets
    it for this and the following episodes (also ``k`` numbers in order, or ``"nominal"``), and ``info["params"]`` is the one
    in force.
    """

    parameter_space: ParameterSpace
    """Names, units, nominal values and default ranges of the ``k`` parameters."""

    def get_params(self) -> dict[str, float]:
        """Return the parameters in force, by name."""

    def set_params(self, **params: float) -> None:
        """Change parameters at once, also within an episode; those that are not named stay.

        Args:
            params: By name.

        Raises:
            ValueError: A name is unknown, or a value is outside what the environment can simulate.
        """


@runtime_checkable
class CanRender(Protocol):
    """A batched environment that draws.

    Beside pictures it may write, by a method ``render_text(row: int) -> str``, and say at which speed films of it are played,
    by an attribute ``render_fps``. The adapters make gymnasium's render modes ``"rgb_array"`` and ``"ansi"`` of these.
    """

    def render_frame(self, row: int) -> npt.NDArray[np.uint8]:
        """Draw the present state of one row.

        Args:
            row: Which one; it has been reset.

        Returns:
            ``(H, W, 3)``, red, green, blue; of the same size for every state.
        """


@runtime_checkable
class BatchedEnv(Protocol):
    """Many independent copies of one environment, stepped in one vectorised expression.

    Rows never reset themselves, so the observation of a last step is the true one. Any subset of rows may be reset or
    stepped. A row's randomness is a function of its episode seed and of how many steps the episode has had, of nothing
    else: rows cannot disturb each other, and the same seed and actions give the same episode, bitwise.
    Arrays that are returned belong to the caller.

    Environments with settable dynamics also carry a ``parameter_space`` (see :class:`ParametricDynamics`) and take one model
    per row at reset.
    """

    num_envs: int
    """``R``."""
    observation_space: gymnasium.Space[Any]
    """Of a single copy."""
    action_space: gymnasium.Space[Any]
    """Of a single copy."""
    reward_space: gymnasium.spaces.Box
    """Of a single copy: shape ``(m,)``."""
    max_episode_steps: int | None
    """Episodes are truncated at this length; None if they only end by themselves."""

    def reset(self, rows: Rows, seeds: Seeds, dynamics: Models | None = None) -> npt.NDArray[Any]:
        """Start a new episode in some rows.

        Args:
            rows: Which rows, ``(r,)``, without repetition.
            seeds: Episode seeds, ``(r,)``, nonnegative.
            dynamics: Transition model of each row, ``(r, k)``; None for the nominal one.

        Returns:
            First observations ``(r, *observation_space.shape)`` in the dtype of the space.

        Raises:
            ValueError: ``dynamics`` was given but the environment has a single fixed transition model.
        """

    def step(self, rows: Rows, actions: npt.NDArray[Any]) -> Step:
        """Advance some rows by one step.

        Args:
            rows: Which rows, ``(r,)``, without repetition; each has been reset and has not ended since.
            actions: ``(r,)`` for Discrete, ``(r, a)`` for Box action spaces, in the units of ``action_space``.

        Returns:
            True next observations, rewards (float32), ``terminated`` and ``truncated``.

        Raises:
            gymnasium.error.ResetNeeded: A row was never reset, or has ended.
        """
