"""Wrapped environments under an id, so that a configuration can name them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from envs.protocols import BatchedEnv

WRAPPERS = {
    "domain_randomization": "DomainRandomization",
    "dynamic_adversary": "DynamicAdversary",
    "noisy_action": "NoisyAction",
    "observation_delay": "ObservationDelay",
    "observation_noise": "ObservationNoise",
    "probabilistic_action": "ProbabilisticAction",
    "time_constrained_adversary": "TimeConstrainedAdversary",
}
"""Wrappers by name, which is also their module's."""


def wrapped(
    num_envs: int,
    *,
    base: str = "parametric/pendulum-v0",
    layers: Sequence[Mapping[str, Any]] | None = None,
    wrappers: Sequence[Mapping[str, Any]] | None = None,
    arguments: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
) -> BatchedEnv:
    """``parametric/wrapped-v0``: an environment in wrappers.

    Args:
        num_envs: Number of rows.
        base: Id of an environment with a native batched form.
        layers: Wrappers from the inside out, each a mapping with ``name`` and the wrapper's arguments, such as
            ``{"name": "observation_noise", "scale": 0.1}``; domain randomisation alone by default.
        wrappers: Another name of ``layers``, which :func:`gymnasium.make_vec` keeps to itself.
        arguments: For the environment.
        max_episode_steps: A shorter limit for the environment.

    Returns:
        The wrapped batched form.

    Raises:
        ValueError: There is no native form, an unknown wrapper, or arguments that it does not have; or both names were used.
    """
    from envs.registry import batched_form

    if layers is not None and wrappers is not None:
        raise ValueError("layers and wrappers were given, which are two names of the same; give layers alone")
    layers = wrappers if layers is None else layers
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    env = batched_form(base, num_envs, **{**(arguments or {}), **limit})
    if env is None:
        raise ValueError(f"{base!r} has no native batched form with these arguments; only such environments can be wrapped")
    for given in ({"name": "domain_randomization"},) if layers is None else layers:
        rest = dict(given)
        name = rest.pop("name", None)
        if name not in WRAPPERS:
            near = difflib.get_close_matches(str(name), WRAPPERS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(WRAPPERS)}"
            raise ValueError(f"unknown wrapper {name!r}; {hint}")
        wrapper = getattr(import_module(f"envs.parametric.wrappers.{name}"), WRAPPERS[name])
        try:
            env = wrapper(env, **rest)
        except TypeError as error:
            raise ValueError(f"wrapper {name!r}: {error}") from None
    return env
