"""What the layers of a wrapped environment say of themselves: the outermost that says it counts."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces, wrappers

from morl.errors import EnvironmentFault, described

_PASS_ON = (wrappers.TimeLimit, wrappers.OrderEnforcing, wrappers.PassiveEnvChecker)
"""What gymnasium.make puts around an environment: it changes neither observations nor rewards."""


def outermost(env: gym.Env[Any, Any], name: str) -> Any:
    """An attribute of the outermost layer that has it, None if none has."""
    try:
        return env.get_wrapper_attr(name)
    except AttributeError:
        return None


def bare(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment without what gymnasium.make put around it."""
    layer: Any = env
    while type(layer) in _PASS_ON:
        layer = layer.env
    bottom: gym.Env[Any, Any] = layer
    return bottom


def declaration(shape: tuple[int, ...]) -> str:
    """The line by which an environment or wrapper says that its rewards are vectors."""
    return f"self.reward_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, {shape})"


def num_objectives(env: gym.Env[Any, Any]) -> int | None:
    """How many objectives the rewards of an environment have.

    The outermost layer that has a ``reward_space`` says it. Where a wrapper around that layer says nothing, or no layer says
    anything, one step is played and its reward looked at.

    Args:
        env: Fresh; it may be reset and stepped.

    Returns:
        ``m`` of a vector reward; None for a reward that is one number.

    Raises:
        EnvironmentFault: The declaration is no Box of shape ``(m,)``, or the played reward is another one than declared.
    """
    space = outermost(env, "reward_space")
    if space is not None and not isinstance(space, spaces.Box):
        raise EnvironmentFault(f"reward_space is {space!r}; expected a gymnasium Box of shape (m,): {declaration((2,))}")
    declared: tuple[int, ...] = () if space is None else space.shape
    if len(declared) > 1 or declared == (0,):
        raise EnvironmentFault(
            f"reward_space has shape {declared}; expected (m,), one entry per objective: {declaration((2,))}"
        )
    top = bare(env)
    if not hasattr(top, "reward_space"):
        found = _played_reward(env)
        size = int(np.prod(found))
        if size == 1:
            # A wrapper may make one number of a vector: that it says nothing is how mo-gymnasium's LinearReward does it.
            return None
        if found != declared:
            says = f"its reward_space says {declared}" if declared else "no layer of it has a reward_space"
            line = declaration((size,)) if len(found) == 1 else "return an array (m,), and declare " + declaration((2,))
            raise EnvironmentFault(
                f"{type(top).__name__} returns a reward of shape {found}, but {says}; write in the __init__ of "
                f"{type(top).__name__}: {line}"
            )
    return declared[0] if declared else None


def _played_reward(env: gym.Env[Any, Any]) -> tuple[int, ...]:
    """Shape of the reward of one step."""
    try:
        env.reset(seed=0)
        # A space of its own: drawing from the environment's would change what is drawn from it later.
        space = deepcopy(env.action_space)
        space.seed(0)
        result: Any = env.step(space.sample())
    except (Exception, SystemExit) as error:
        raise EnvironmentFault(f"the environment cannot be played: {described(error)}") from error
    try:
        return tuple(np.shape(result[1])) if isinstance(result, tuple) and len(result) == 5 else ()
    except ValueError:  # no array: rows say so, with the step
        return ()
