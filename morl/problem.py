"""The problem: what an environment looks like, and how it is made from what a user writes."""

from __future__ import annotations

import inspect
import logging
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import gymnasium as gym
import torch

from morl.errors import ConfigurationError, EnvironmentFault, closest, described
from morl.layers import num_objectives, outermost
from morl.memory import require_memory
from morl.objectives import declared_objectives
from morl.problem_spec import ProblemSpec
from morl.rows import BatchedRows, PlainBatch
from morl.wrapping import Wrap, wrapping

_log = logging.getLogger(__name__)

_COPY_BYTES = 10_000
"""Of a plain copy of an environment, at least."""

EnvLike: TypeAlias = "str | Mapping[str, Any] | Callable[[], gym.Env[Any, Any]]"
"""What a user may give as environment: an id, a mapping with ``id``, its arguments and perhaps ``wrappers``, or a callable that
makes one."""


@dataclass(frozen=True)
class Problem:
    """An environment to be solved: the :class:`~morl.protocols.EnvFactory` that everything here uses.

    Rows come from a native batched form where there is one that behaves exactly like the environment, and from plain
    copies of the environment otherwise.
    """

    spec: ProblemSpec
    make_env: Callable[[], gym.Env[Any, Any]]
    """Makes one plain copy."""
    make_batched: Callable[[int], Any] | None = None
    """Makes a native batched form (:class:`envs.protocols.BatchedEnv`) with a given number of rows."""

    def rows(self, num_rows: int, *, device: torch.device) -> BatchedRows:
        """Make fresh rows.

        Args:
            num_rows: ``R``.
            device: Where their tensors live.

        Returns:
            Rows that were never reset.
        """
        self._require_memory(num_rows, device)
        if self.make_batched is not None:
            return BatchedRows(self.make_batched(num_rows), device=device)
        copies = PlainBatch(partial(checked_env, self.spec.env_id, self.make_env), num_rows, self.spec.num_objectives)
        return BatchedRows(copies, device=device)

    def _require_memory(self, num_rows: int, device: torch.device) -> None:
        # Observations, before and after, and the actions of an episode's beginning (rows.BatchedRows); a copy in Python has
        # spaces, wrappers and a generator of its own.
        numbers = 2 * math.prod(self.spec.observation_space.shape or ()) + 64 * math.prod(self.spec.action_space.shape or ())
        size = num_rows * (8 * numbers + (_COPY_BYTES if self.make_batched is None else 0))
        what = f"{num_rows:,} environments (members times rows_per_member, or evaluation.max_rows)"
        require_memory(size, what, "use fewer", device=torch.device("cpu"))


def make_problem(env: EnvLike | Problem, *, native: bool = True) -> Problem:
    """Turn what a user gives as environment into a problem.

    Args:
        env: A gymnasium id (mo-gymnasium's included), a mapping with ``id`` and constructor arguments, or a callable
            without arguments that makes an environment. A problem is returned as it is. The key ``wrappers`` of a mapping lists
            what is put around the environment (see ``morl.wrapping``), unless the constructor has an argument of this
            name, as that of ``parametric/wrapped-v0``; wrapped environments have no native form.
        native: Use the native batched form where there is one.

    Returns:
        The problem. Reading its spec makes one copy of the environment, plays a step where no layer says what its rewards are,
        and closes it.

    Raises:
        ConfigurationError: The id is unknown or the mapping is malformed.
        EnvironmentFault: The environment cannot be made, or its reward is not what it declares, with the cause.
    """
    if isinstance(env, Problem):
        return env
    if callable(env):
        name = getattr(env, "__name__", type(env).__name__)
        return Problem(_spec(f"custom/{name}", {}, env), env)
    if isinstance(env, str):
        env_id, arguments = env, {}
    elif isinstance(env, Mapping):
        arguments = {str(key): value for key, value in env.items()}
        if not isinstance(arguments.get("id"), str):
            raise ConfigurationError("env is a mapping without id; write env: {id: mo-hopper-2obj-v5, argument: value}")
        env_id = arguments.pop("id")
    else:
        raise ConfigurationError(
            "env must be an id, a mapping with id, or a callable that makes one (lambda: ...), since rows need one each; found "
            f"{type(env).__name__}"
        )

    given = dict(arguments)
    wrap: Wrap | None = None
    name = env_id
    if "wrappers" in arguments and not _takes_wrappers(env_id):
        wrap, suffix = wrapping(arguments.pop("wrappers"))
        name += suffix
    make_env = _maker(env_id, arguments, wrap)
    spec = _spec(name, given, make_env)
    return Problem(spec, make_env, _native(env_id, arguments) if native and wrap is None else None)


def _takes_wrappers(env_id: str) -> bool:
    """Whether an environment's own constructor has an argument ``wrappers``."""
    import mo_gymnasium  # noqa: F401

    from envs.adapters import load
    from envs.registry import OWN_IDS

    entry_point = load(OWN_IDS[env_id]) if env_id in OWN_IDS else getattr(gym.registry.get(env_id), "entry_point", None)
    try:
        maker: Any = load(entry_point) if isinstance(entry_point, str) else entry_point
        return maker is not None and "wrappers" in inspect.signature(maker).parameters
    except (ImportError, AttributeError, ValueError):  # making the environment says what is wrong
        return False


def _maker(env_id: str, arguments: Mapping[str, Any], wrap: Wrap | None) -> Callable[[], gym.Env[Any, Any]]:
    # Both packages register their ids on import.
    import mo_gymnasium  # noqa: F401

    import envs  # noqa: F401

    name = env_id.rsplit(":", 1)[-1]
    if ":" not in env_id and name not in gym.registry:
        raise ConfigurationError(
            f"unknown environment {env_id!r}.{closest(name, gym.registry)} Installed ids: gymnasium.registry; "
            "an id of another package is written module:id"
        )

    def make() -> gym.Env[Any, Any]:
        _log_simulator_warnings(env_id)
        with warnings.catch_warnings():
            # A choice of the user's (a benchmark's version) and a property of other packages' spaces: nothing to act on.
            warnings.filterwarnings("ignore", ".*is out of date.*")
            warnings.filterwarnings("ignore", ".*precision lowered by casting.*")
            made: gym.Env[Any, Any] = gym.make(env_id, disable_env_checker=True, **arguments)
        return made if wrap is None else wrap(made)

    return make


def _log_simulator_warnings(env_id: str) -> None:
    """Send MuJoCo's warnings to logging instead of to the terminal and a file in the current folder."""
    entry_point = str(getattr(gym.registry.get(env_id), "entry_point", ""))
    if "mujoco" not in entry_point:
        return
    try:
        import mujoco
    except ImportError:  # making the environment says which package is missing
        return

    def handle(message: str) -> None:
        _log.log(logging.INFO if "deprecated" in message else logging.WARNING, "MuJoCo: %s", message)

    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(handle)


def _native(env_id: str, arguments: Mapping[str, Any]) -> Callable[[int], Any] | None:
    import envs

    if envs.batched_form(env_id, 1, **arguments) is None:
        return None
    return lambda num_rows: envs.batched_form(env_id, num_rows, **arguments)


def _spec(env_id: str, arguments: Mapping[str, Any], make_env: Callable[[], gym.Env[Any, Any]]) -> ProblemSpec:
    env = checked_env(env_id, make_env)
    m = num_objectives(env)
    limit = getattr(env.spec, "max_episode_steps", None)
    if limit is None:
        wrapped: Any = env
        while wrapped is not env.unwrapped and limit is None:
            limit = getattr(wrapped, "_max_episode_steps", None)
            wrapped = wrapped.env
        limit = getattr(env.unwrapped, "max_episode_steps", None) if limit is None else limit
    names, units = declared_objectives(env, 1 if m is None else m)
    spec = ProblemSpec(
        env_id=env_id,
        env_arguments=dict(arguments),
        observation_space=env.observation_space,
        action_space=env.action_space,
        num_objectives=1 if m is None else m,
        is_vector_reward=m is not None,
        max_episode_steps=limit,
        objective_names=names,
        objective_units=units,
        parameter_space=outermost(env, "parameter_space"),
    )
    env.close()
    return spec


def checked_env(env_id: str, make_env: Callable[[], Any]) -> gym.Env[Any, Any]:
    """Make one environment, turning every failure into one line that says what to do.

    Args:
        env_id: Name for the message.
        make_env: Makes it.

    Returns:
        The environment.

    Raises:
        EnvironmentFault: It cannot be made, or is not a gymnasium environment.
    """
    try:
        env = make_env()
    except EnvironmentFault:
        raise
    except gym.error.DependencyNotInstalled as error:
        missing = " ".join(str(error).split())
        raise EnvironmentFault(f"environment {env_id!r} needs a package that is not installed: {missing}") from error
    except (Exception, SystemExit) as error:
        raise EnvironmentFault(f"environment {env_id!r} cannot be made: {described(error)}") from error
    if not isinstance(env, gym.Env):
        kind = "a class; pass a callable that makes an instance" if inspect.isclass(env) else type(env).__name__
        raise EnvironmentFault(f"environment {env_id!r} must be a gymnasium.Env, found {kind}")
    return env
