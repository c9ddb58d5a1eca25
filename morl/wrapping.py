"""Wrappers that a configuration puts around an environment, by name."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import gymnasium as gym
import numpy as np

from morl.errors import ConfigurationError, EnvironmentFault, closest, described
from morl.registry import component, kinds, names

_log = logging.getLogger(__name__)

KIND = "wrapper"
"""Kind under which plug-ins add wrappers."""

Wrap = Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]


def wrapping(wrappers: Any) -> tuple[Wrap | None, str]:
    """Read the ``wrappers`` of an environment.

    Args:
        wrappers: From the inside out, each a name or a mapping with ``name`` and the wrapper's arguments. Names are those of
            ``gymnasium.wrappers``, ``mo_gymnasium.wrappers``, and components of the kind ``wrapper`` that plug-ins add. None
            means none.

    Returns:
        What puts them around an environment (None if there are none), and what to add to the environment's name: wrappers that
        may change rewards or the length of episodes make another problem of it, of which no front is known.

    Raises:
        ConfigurationError: An unknown name, or arguments that the wrapper does not take.
    """
    if wrappers is None:
        return None, ""
    if isinstance(wrappers, (str, Mapping)) or not isinstance(wrappers, Sequence):
        raise ConfigurationError(
            "env.wrappers must be a list of names or of mappings with name, from the inside out, such as "
            f"[{{name: RescaleAction, min_action: -1, max_action: 1}}, FlattenObservation]; found {wrappers!r:.80}"
        )
    chosen = [_wrapper(entry, f"env.wrappers.{i}") for i, entry in enumerate(wrappers)]
    kept = (gym.ObservationWrapper, gym.ActionWrapper)
    suffix = "".join(f"+{name}" for name, found, _ in chosen if not (isinstance(found, type) and issubclass(found, kept)))

    def wrap(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        return reduce(_wrapped, chosen, env)

    return wrap if chosen else None, suffix


_Chosen = tuple[str, Callable[..., gym.Env[Any, Any]], Mapping[str, Any]]


def _wrapped(env: gym.Env[Any, Any], wrapper: _Chosen) -> gym.Env[Any, Any]:
    name, make, arguments = wrapper
    try:
        return make(env, **arguments)
    except Exception as error:
        raise EnvironmentFault(f"the wrapper {name} cannot be put around the environment: {described(error)}") from error


def _wrapper(entry: Any, where: str) -> _Chosen:
    """Name, maker and arguments of one entry."""
    given = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ConfigurationError(f"{where}: expected a name or a mapping with name and arguments, found {entry!r:.80}")
    name = given["name"]
    make = _maker(name, where)
    parameters = dict(list(inspect.signature(make).parameters.items())[1:])
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    own = {key: p for key, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    arguments = {str(key): value for key, value in given.items() if key != "name"}
    for key in arguments:
        if key not in own and not takes_any:
            raise ConfigurationError(
                f"{where}: {name} has no argument {key!r}.{closest(key, own)} It takes: {', '.join(own) or 'none'}"
            )
    missing = [key for key, p in own.items() if p.default is p.empty and key not in arguments]
    if missing:
        raise ConfigurationError(f"{where}: {name} needs the argument(s) {', '.join(missing)}")
    return name, make, {key: _value(value, own.get(key)) for key, value in arguments.items()}


def _value(value: Any, parameter: inspect.Parameter | None) -> Any:
    """A list of YAML as what the wrapper takes: an array where it says so, else a tuple."""
    if not isinstance(value, (list, tuple)):
        return value
    wants_array = parameter is not None and "ndarray" in str(parameter.annotation)
    return np.asarray(value, np.float32) if wants_array else tuple(value)


def _maker(name: str, where: str) -> Callable[..., gym.Env[Any, Any]]:
    import mo_gymnasium.wrappers

    own = names(KIND) if KIND in kinds() else ()
    known: dict[str, Any] = {key: gym.wrappers for key in gym.wrappers.__all__ if key != "vector"}
    known |= {key: mo_gymnasium.wrappers for key, value in vars(mo_gymnasium.wrappers).items() if _is_wrapper(value)}
    if name not in own and name not in known:
        raise ConfigurationError(
            f"{where}: unknown wrapper {name!r}.{closest(name, [*own, *known])} Known are those of gymnasium.wrappers, "
            "mo_gymnasium.wrappers and of plug-ins"
        )
    try:
        make: Callable[..., gym.Env[Any, Any]] = component(KIND, name) if name in own else getattr(known[name], name)
    except (ImportError, gym.error.DependencyNotInstalled) as error:
        raise ConfigurationError(
            f"{where}: the wrapper {name!r} needs a package that is missing: {described(error)}"
        ) from error
    if "Normalize" in name:
        _log.warning(
            "%s keeps statistics from episode to episode: each copy of the environment has its own, and a run that is resumed "
            "starts them anew. The solvers' own normalisation has neither fault",
            name,
        )
    return make


def _is_wrapper(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, gym.Wrapper)
