"""Which environments have a native batched form, and under which ids this package's own ones are made."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envs.protocols import BatchedEnv

_OWN_ENTRY_POINT = "envs.adapters:single_form"

OWN_IDS = {
    "tabular/identity-v0": "envs.tabular.identity:Identity",
    "tabular/treasure-corridor-v0": "envs.tabular.treasure_corridor:TreasureCorridor",
    "tabular/walk-room-v0": "envs.tabular.walk_room:WalkRoom",
    "tabular/windy-walk-v0": "envs.tabular.windy_walk:WindyWalk",
    "tabular/river-swim-v0": "envs.tabular.river_swim:RiverSwim",
    "tabular/machine-replacement-v0": "envs.tabular.machine_replacement:MachineReplacement",
    "continuous/two-targets-v0": "envs.continuous.two_targets:TwoTargets",
    "continuous/quadratic-bandit-v0": "envs.continuous.quadratic_bandit:QuadraticBandit",
    "coverage/grid-v0": "envs.coverage.grid:Grid",
    "coverage/two-rooms-v0": "envs.coverage.two_rooms:TwoRooms",
    "coverage/gp-v0": "envs.coverage.gp:GP",
    "coverage/bimodal-v0": "envs.coverage.bimodal:Bimodal",
    "coverage/items-v0": "envs.coverage.items:Items",
    "coverage/experiment-design-v0": "envs.coverage.experiment_design:ExperimentDesign",
    "coverage/graph-v0": "envs.coverage.graph:Graph",
    "coverage/hub-v0": "envs.coverage.hub:Hub",
    "coverage/ant-v0": "envs.coverage.ant:Ant",
    "coverage/car-v0": "envs.coverage.car:Car",
    "parametric/pendulum-v0": "envs.parametric.pendulum:Pendulum",
    "parametric/cartpole-v0": "envs.parametric.cartpole:CartPole",
    "parametric/acrobot-v0": "envs.parametric.acrobot:Acrobot",
    "parametric/mountain-car-v0": "envs.parametric.mountain_car:MountainCar",
    "parametric/hopper-v0": "envs.parametric.hopper:Hopper",
    "parametric/mo-hopper-v0": "envs.parametric.mo_hopper:MOHopper",
    "parametric/walker2d-v0": "envs.parametric.walker2d:Walker2d",
    "parametric/half-cheetah-v0": "envs.parametric.half_cheetah:HalfCheetah",
    "parametric/ant-v0": "envs.parametric.ant:Ant",
    "parametric/humanoid-standup-v0": "envs.parametric.humanoid_standup:HumanoidStandup",
    "parametric/inverted-pendulum-v0": "envs.parametric.inverted_pendulum:InvertedPendulum",
    "parametric/wrapped-v0": "envs.parametric.wrappers.wrapped:wrapped",
    "cormab/budget-v0": "envs.cormab.problems:budget",
    "cormab/capacity-v0": "envs.cormab.problems:capacity",
    "cormab/scheduling-v0": "envs.cormab.problems:scheduling",
    "cormab/path-v0": "envs.cormab.problems:path",
    "cormab/interventions-v0": "envs.cormab.problems:interventions",
}
"""Environments of this package: id and maker of the batched form."""

NATIVE_FORMS = {
    "mo_gymnasium.envs.deep_sea_treasure.deep_sea_treasure:DeepSeaTreasure": (
        "envs.tabular.deep_sea_treasure:deep_sea_treasure"
    ),
    "mo_gymnasium.envs.fruit_tree.fruit_tree:FruitTreeEnv": "envs.tabular.fruit_tree:fruit_tree",
    "mo_gymnasium.envs.resource_gathering.resource_gathering:ResourceGathering": (
        "envs.tabular.resource_gathering:resource_gathering"
    ),
    "mo_gymnasium.envs.fishwood.fishwood:FishWood": "envs.tabular.fishwood:fishwood",
    "mo_gymnasium.envs.four_room.four_room:FourRoom": "envs.four_room:FourRoom",
    "mo_gymnasium.envs.minecart.minecart:Minecart": "envs.minecart:Minecart",
}
"""Other packages' environments: the entry point gymnasium knows them by, and the maker of our batched form. Keyed by entry
point and not by id, so that every id registered for the same class is covered, with the arguments it is registered with."""

_GYMNASIUM_ROBOTS = {
    "ant": "envs.mujoco.ant:Ant",
    "half_cheetah": "envs.mujoco.half_cheetah:HalfCheetah",
    "hopper": "envs.mujoco.hopper:Hopper",
    "humanoid": "envs.mujoco.humanoid:Humanoid",
    "humanoidstandup": "envs.mujoco.humanoid_standup:HumanoidStandup",
    "inverted_double_pendulum": "envs.mujoco.inverted_double_pendulum:InvertedDoublePendulum",
    "inverted_pendulum": "envs.mujoco.inverted_pendulum:InvertedPendulum",
    "pusher": "envs.mujoco.pusher:Pusher",
    "reacher": "envs.mujoco.reacher:Reacher",
    "swimmer": "envs.mujoco.swimmer:Swimmer",
    "walker2d": "envs.mujoco.walker2d:Walker2d",
}
_MO_GYMNASIUM_ROBOTS = {
    "ant": "MOAntEnv",
    "half_cheetah": "MOHalfCheehtahEnv",  # spelt like this
    "hopper": "MOHopperEnv",
    "humanoid": "MOHumanoidEnv",
    "reacher": "MOReacherEnv",
    "swimmer": "MOSwimmerEnv",
    "walker2d": "MOWalker2dEnv",
}
ROBOTS = {
    f"{package}.envs.mujoco.{robot}_v{version}:{name}": _GYMNASIUM_ROBOTS[robot]
    for version in (4, 5)
    for package, names in (
        ("gymnasium", {robot: f"{path.partition(':')[2]}Env" for robot, path in _GYMNASIUM_ROBOTS.items()}),
        ("mo_gymnasium", _MO_GYMNASIUM_ROBOTS),
    )
    for robot, name in names.items()
    if (robot, version) != ("pusher", 4)  # does not run with today's MuJoCo
}
"""MuJoCo's robots, keyed in the same way; their makers are told the entry point, of which they take everything over."""


def register() -> None:
    """Make this package's ids known to gymnasium. Imports nothing but gymnasium's registry; may be called again."""
    from gymnasium.envs.registration import register as register_id
    from gymnasium.envs.registration import registry

    for env_id, native in OWN_IDS.items():
        if env_id not in registry:
            register_id(
                id=env_id,
                entry_point=_OWN_ENTRY_POINT,
                vector_entry_point="envs.adapters:vector_form",
                kwargs={"native": native},
                # gymnasium's passive checker expects a reward that is one number.
                disable_env_checker=True,
            )


def batched_form(env_id: str, num_envs: int, **arguments: Any) -> BatchedEnv | None:
    """Make the native batched form of an environment, where there is one.

    Args:
        env_id: An id that gymnasium knows; mo-gymnasium's are looked up too.
        num_envs: Number of rows.
        arguments: As for :func:`gymnasium.make`, ``max_episode_steps`` included.

    Returns:
        The batched environment, or None if the environment, or the environment with these arguments, has no native form; then
        use the environment that ``gymnasium.make`` gives.

    Example:
        >>> batched_form("deep-sea-treasure-v0", 8).num_envs
        8
        >>> batched_form("CartPole-v1", 8) is None
        True
    """
    import gymnasium

    from envs.adapters import load
    from envs.native_env import NoNativeFormError

    if env_id not in gymnasium.registry:
        # It may be one of mo-gymnasium's, which are registered when that is imported.
        with suppress(ModuleNotFoundError):
            import mo_gymnasium  # noqa: F401
    try:
        spec = gymnasium.spec(env_id)
    except gymnasium.error.Error:
        return None
    # Copied: the specification belongs to gymnasium's registry.
    given = {**spec.kwargs, **arguments}
    if spec.entry_point == _OWN_ENTRY_POINT:
        path = given.pop("native")
    else:
        known = spec.entry_point if isinstance(spec.entry_point, str) else ""
        path = NATIVE_FORMS.get(known) or ROBOTS.get(known)
        if known in ROBOTS:
            given["original"] = known
    if path is None or spec.additional_wrappers or given.pop("render_mode", None) is not None:
        return None
    given.pop("disable_env_checker", None)
    limit = given.pop("max_episode_steps", None)
    # As in gymnasium.make: None stands for the registered limit, -1 for no limit.
    given["max_episode_steps"] = spec.max_episode_steps if limit is None else None if limit == -1 else limit
    maker = load(path)
    try:
        inspect.signature(maker).bind_partial(num_envs, **given)
    except TypeError:
        return None
    try:
        return maker(num_envs, **given)
    except NoNativeFormError:
        return None
