"""Makers of the registered environments: sizes, or an instance, in; batched environment out.

All take the options of :class:`~envs.cormab.restless.RestlessBandit`, and either sizes, whose defaults and meaning are those
of the generator of the same name in :mod:`envs.cormab.generators`, or an ``instance``: any
:class:`~envs.cormab.instance.Instance`, or the folder in which one was saved.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from envs.cormab import generators
from envs.cormab.instance import Instance
from envs.cormab.restless import Infeasible, RestlessBandit, RewardKind

InstanceOrFolder = Instance | str | FilePath


def _instance(make: Callable[..., Instance], given: InstanceOrFolder | None, sizes: dict[str, Any]) -> Instance:
    """The instance that was given, or a generated one."""
    sizes = {name: value for name, value in sizes.items() if value is not None}
    if given is None:
        return make(**sizes)
    if sizes:
        named = ", ".join("instance_seed" if name == "seed" else name for name in sizes)
        raise ValueError(f"{named} and an instance were given; an instance has its own sizes: give one or the other")
    return Instance.load(given) if isinstance(given, str | FilePath) else given


def budget(
    num_envs: int,
    *,
    num_arms: int | None = None,
    budget: int | None = None,
    instance_seed: int | None = None,
    paper_order: bool | None = None,
    instance: InstanceOrFolder | None = None,
    horizon: int = 20,
    reward: RewardKind = "scalar",
    expected_rewards: bool = False,
    infeasible: Infeasible | None = None,
    penalty: float = 1.0,
    max_episode_steps: int | None = None,
) -> RestlessBandit:
    """``cormab/budget-v0``: at most ``budget`` arms are pulled."""
    sizes = {"num_arms": num_arms, "budget": budget, "seed": instance_seed, "paper_order": paper_order}
    return RestlessBandit(
        num_envs,
        instance=_instance(generators.budget_instance, instance, sizes),
        horizon=horizon,
        reward=reward,
        expected_rewards=expected_rewards,
        infeasible=infeasible,
        penalty=penalty,
        max_episode_steps=max_episode_steps,
    )


def capacity(
    num_envs: int,
    *,
    num_arms: int | None = None,
    budget: int | None = None,
    instance_seed: int | None = None,
    paper_order: bool | None = None,
    instance: InstanceOrFolder | None = None,
    horizon: int = 20,
    reward: RewardKind = "scalar",
    expected_rewards: bool = False,
    infeasible: Infeasible | None = None,
    penalty: float = 1.0,
    max_episode_steps: int | None = None,
) -> RestlessBandit:
    """``cormab/capacity-v0``: arms are shared out to workers with capacities."""
    sizes = {"num_arms": num_arms, "budget": budget, "seed": instance_seed, "paper_order": paper_order}
    return RestlessBandit(
        num_envs,
        instance=_instance(generators.capacity_instance, instance, sizes),
        horizon=horizon,
        reward=reward,
        expected_rewards=expected_rewards,
        infeasible=infeasible,
        penalty=penalty,
        max_episode_steps=max_episode_steps,
    )


def scheduling(
    num_envs: int,
    *,
    num_arms: int | None = None,
    budget: int | None = None,
    distinct_workers: bool | None = None,
    instance_seed: int | None = None,
    paper_order: bool | None = None,
    instance: InstanceOrFolder | None = None,
    horizon: int = 20,
    reward: RewardKind = "scalar",
    expected_rewards: bool = False,
    infeasible: Infeasible | None = None,
    penalty: float = 1.0,
    max_episode_steps: int | None = None,
) -> RestlessBandit:
    """``cormab/scheduling-v0``: arms are visited twice, in time slots."""
    sizes = {
        "num_arms": num_arms,
        "budget": budget,
        "distinct_workers": distinct_workers,
        "seed": instance_seed,
        "paper_order": paper_order,
    }
    return RestlessBandit(
        num_envs,
        instance=_instance(generators.scheduling_instance, instance, sizes),
        horizon=horizon,
        reward=reward,
        expected_rewards=expected_rewards,
        infeasible=infeasible,
        penalty=penalty,
        max_episode_steps=max_episode_steps,
    )


def path(
    num_envs: int,
    *,
    num_arms: int | None = None,
    budget: int | None = None,
    graph: Any = None,
    source: Any = None,
    max_edges: int | None = None,
    instance_seed: int | None = None,
    paper_order: bool | None = None,
    instance: InstanceOrFolder | None = None,
    horizon: int = 20,
    reward: RewardKind = "scalar",
    expected_rewards: bool = False,
    infeasible: Infeasible | None = None,
    penalty: float = 1.0,
    max_episode_steps: int | None = None,
) -> RestlessBandit:
    """``cormab/path-v0``: arms lie on one round trip."""
    sizes = {
        "num_arms": num_arms,
        "budget": budget,
        "graph": graph,
        "source": source,
        "max_edges": max_edges,
        "seed": instance_seed,
        "paper_order": paper_order,
    }
    return RestlessBandit(
        num_envs,
        instance=_instance(generators.path_instance, instance, sizes),
        horizon=horizon,
        reward=reward,
        expected_rewards=expected_rewards,
        infeasible=infeasible,
        penalty=penalty,
        max_episode_steps=max_episode_steps,
    )


def interventions(
    num_envs: int,
    *,
    num_arms: int | None = None,
    budget: int | None = None,
    num_interventions: int | None = None,
    instance_seed: int | None = None,
    paper_order: bool | None = None,
    instance: InstanceOrFolder | None = None,
    horizon: int = 20,
    reward: RewardKind = "scalar",
    expected_rewards: bool = False,
    infeasible: Infeasible | None = None,
    penalty: float = 1.0,
    max_episode_steps: int | None = None,
) -> RestlessBandit:
    """``cormab/interventions-v0``: interventions are chosen that reach several arms each."""
    sizes = {
        "num_arms": num_arms,
        "budget": budget,
        "num_interventions": num_interventions,
        "seed": instance_seed,
        "paper_order": paper_order,
    }
    return RestlessBandit(
        num_envs,
        instance=_instance(generators.interventions_instance, instance, sizes),
        horizon=horizon,
        reward=reward,
        expected_rewards=expected_rewards,
        infeasible=infeasible,
        penalty=penalty,
        max_episode_steps=max_episode_steps,
    )
