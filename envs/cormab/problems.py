"""Makers of the registered environments: sizes, or an instance, in; batched environment out.

All take the options of :class:`~envs.cormab.restless.RestlessBandit`, and either sizes, whose defaults and meaning are those
of the generator of the same name in :mod:`envs.cormab.generators`, or an ``instance``: any
:class:`~envs.cormab.instance.Instance`, or the folder in which one was saved.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path as FilePath
from typing import Any

from envs.cormab import generators
from envs.cormab.instance import Instance
from envs.cormab.restless import RestlessBandit

InstanceOrFolder = Instance | str | FilePath


def _maker(generate: Callable[..., Instance]) -> Callable[[Callable[[], None]], Callable[..., RestlessBandit]]:
    """Turn a function that has only a name and a docstring into the maker of environments on instances of a generator.

    It takes the generator's sizes, whose ``seed`` is called ``instance_seed``, an instance, and the environment's options.
    """
    parameters = signature(generate, eval_str=True).parameters
    sizes = {"instance_seed" if size == "seed" else size: size for size in parameters}
    first, *options = signature(RestlessBandit, eval_str=True).parameters.values()
    keywords = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=parameters[size].annotation | None)
        for name, size in sizes.items()
    ]
    optional = Parameter("instance", Parameter.KEYWORD_ONLY, default=None, annotation=InstanceOrFolder | None)
    keywords += [optional if option.name == "instance" else option for option in options]
    accepted = Signature([first, *keywords], return_annotation=RestlessBandit)
    annotations = {name: parameter.annotation for name, parameter in accepted.parameters.items()}

    def of(declared: Callable[[], None]) -> Callable[..., RestlessBandit]:
        @wraps(declared)
        def make(num_envs: int, *, instance: InstanceOrFolder | None = None, **given: Any) -> RestlessBandit:
            try:
                accepted.bind(num_envs, **given)
            except TypeError as error:
                raise TypeError(f"{declared.__name__}() {error}") from None
            chosen = {sizes[size]: value for size in sizes if (value := given.pop(size, None)) is not None}
            if instance is None:
                instance = generate(**chosen)
            elif chosen:
                named = ", ".join("instance_seed" if size == "seed" else size for size in chosen)
                raise ValueError(f"{named} and an instance were given; an instance has its own sizes: give one or the other")
            elif isinstance(instance, str | FilePath):
                instance = Instance.load(instance)
            return RestlessBandit(num_envs, instance=instance, **given)

        vars(make)["__signature__"] = accepted
        make.__annotations__ = {**annotations, "return": RestlessBandit}
        return make

    return of


@_maker(generators.budget_instance)
def budget() -> None:
    """``cormab/budget-v0``: at most ``budget`` arms are pulled."""


@_maker(generators.capacity_instance)
def capacity() -> None:
    """``cormab/capacity-v0``: arms are shared out to workers with capacities."""


@_maker(generators.scheduling_instance)
def scheduling() -> None:
    """``cormab/scheduling-v0``: arms are visited twice, in time slots."""


@_maker(generators.path_instance)
def path() -> None:
    """``cormab/path-v0``: arms lie on one round trip."""


@_maker(generators.interventions_instance)
def interventions() -> None:
    """``cormab/interventions-v0``: interventions are chosen that reach several arms each."""
