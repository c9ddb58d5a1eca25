"""The table itself: one row per environment. Change :data:`VERSION` with any number in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

VERSION = "1"
"""Version of this table, written into every run."""


class Row(NamedTuple):
    """One environment; see :class:`morl.benchmarks.Benchmark` for the meaning of the columns."""

    objectives: tuple[tuple[str, str], ...]
    reference_points: tuple[tuple[float, ...], ...]
    gamma: float
    source: str


_MORL_BASELINES = "morl-baselines, list of reference points (its issue 43) and examples"
_CHOSEN = "chosen here: "

_TREASURE = Row((("treasure", "treasure value"), ("time", "steps")), ((0.0, -50.0), (0.0, -25.0)), 0.99, _MORL_BASELINES)
_MINECART = Row(
    (("ore_1", "ore units"), ("ore_2", "ore units"), ("fuel", "fuel units")),
    ((-1.0, -1.0, -200.0), (-1.0, -1.0, -3.0), (0.0, 0.0, -200.0)),
    0.98,
    _MORL_BASELINES + "; the second point is sensitive to fuel, the third gives nothing for doing nothing (both chosen here)",
)
_SPEED = ("speed", "m/s")
_ENERGY = ("energy", "squared control")
_HEIGHT = ("height", "0.1 m above the start")


def _below_worst(what: str) -> str:
    return f"{_CHOSEN}below the worst return of {what} at the recommended discount"


def _locomotion(objectives: tuple[tuple[str, str], ...], *points: tuple[float, ...], source: str) -> Row:
    return Row(objectives, points, 0.99, source)


_FULL_TORQUE = _below_worst("full torque all the time")
_WALKER = _locomotion((_SPEED, _ENERGY), (-100.0, -600.0), source=_FULL_TORQUE)
_SWIMMER = _locomotion((_SPEED, _ENERGY), (-100.0, -200.0), source=_FULL_TORQUE)
_HUMANOID = _locomotion((_SPEED, _ENERGY), (-100.0, -300.0), source=_FULL_TORQUE)
_ANT = _locomotion((("x_speed", "m/s"), ("y_speed", "m/s"), _ENERGY), (-100.0, -100.0, -800.0), source=_FULL_TORQUE)
_ANT_2 = _locomotion(
    (("x_speed", "m/s minus weighted control cost"), ("y_speed", "m/s minus weighted control cost")),
    (-400.0, -400.0),
    source=_FULL_TORQUE,
)
_HOPPER = _locomotion((_SPEED, _HEIGHT, _ENERGY), (-100.0, -100.0, -100.0), source=_MORL_BASELINES)
_HOPPER_2 = _locomotion((_SPEED, _HEIGHT), (-100.0, -100.0), source=_MORL_BASELINES)
_REACHER = Row(
    tuple((f"target_{i}", "1 - 4 x distance in m") for i in range(1, 5)),
    ((-50.0,) * 4,),
    0.99,
    _CHOSEN + "the reward's lower bound over 50 steps",
)
_TIME = ("time", "steps")
_MOUNTAIN_CAR = _CHOSEN + "every penalty in each of the 200 steps, undiscounted"
_LANDER = (
    ("landing", "+100 landed, -100 crashed"),
    ("shaping", "shaping reward"),
    ("main_engine", "engine power"),
    ("side_engine", "engine power"),
)
_HIGHWAY = Row(
    (("speed", "fraction of the speed range"), ("right_lane", "fraction of the lanes"), ("collision", "collisions")),
    ((-1.0, -1.0, -2.0),),
    0.99,
    _CHOSEN + "below the reward's lower bounds; an episode has at most one collision",
)

TABLE: Mapping[str, Row] = {
    "deep-sea-treasure-v0": _TREASURE,
    "deep-sea-treasure-concave-v0": _TREASURE,
    "deep-sea-treasure-mirrored-v0": _TREASURE,
    "fruit-tree-v0": Row(
        tuple((name, "nutrient units") for name in ("protein", "carbohydrates", "fats", "vitamins", "minerals", "water")),
        ((-1.0,) * 6, (0.0,) * 6),
        0.99,
        _MORL_BASELINES + "; the second point is used for the front's tabulated hypervolume",
    ),
    "resource-gathering-v0": Row(
        (("death", "deaths"), ("gold", "gold delivered"), ("gem", "gems delivered")),
        ((-1.0, -1.0, -1.0),),
        0.99,
        _CHOSEN + "the lower bound of deaths, one unit below that of gold and gems",
    ),
    "minecart-v0": _MINECART,
    "minecart-deterministic-v0": _MINECART,
    "minecart-rgb-v0": _MINECART,
    "four-room-v0": Row(
        (("blue_squares", "squares"), ("green_triangles", "triangles"), ("red_circles", "circles")),
        ((-1.0, -1.0, -1.0),),
        0.99,
        _CHOSEN + "one unit below doing nothing",
    ),
    "breakable-bottles-v0": Row(
        (_TIME, ("delivery", "25 per bottle"), ("breakage", "1 while bottles lie on the way")),
        ((-101.0, -1.0, -2.0),),
        0.99,
        _CHOSEN + "one unit below the worst undiscounted return of 100 steps",
    ),
    "fishwood-v0": Row(
        (("fish", "fish"), ("wood", "pieces of wood")),
        ((-1.0, -1.0),),
        0.99,
        _CHOSEN + "one unit below getting nothing. Objectives in the order of the code, not of the environment's documentation",
    ),
    "water-reservoir-v0": Row(
        (("upstream_flooding", "level above the threshold"), ("supply_deficit", "water missing to the demand")),
        ((-2600.0, -3200.0),),
        0.99,
        _CHOSEN + "below the discounted return of 100 steps without any release (deficit) or at a level of 90 (flooding)",
    ),
    "mo-mountaincar-v0": Row(
        (_TIME, ("reverse", "steps"), ("forward", "steps")), ((-201.0, -201.0, -201.0),), 0.99, _MOUNTAIN_CAR
    ),
    "mo-mountaincar-3d-v0": Row(
        (_TIME, ("moves", "steps"), ("speed", "15 x |velocity|")), ((-201.0, -201.0, -1.0),), 0.99, _MOUNTAIN_CAR
    ),
    "mo-mountaincar-timemove-v0": Row((_TIME, ("moves", "steps")), ((-201.0, -201.0),), 0.99, _MOUNTAIN_CAR),
    "mo-mountaincar-timespeed-v0": Row((_TIME, ("speed", "15 x |velocity|")), ((-201.0, -1.0),), 0.99, _MOUNTAIN_CAR),
    "mo-mountaincarcontinuous-v0": Row(
        (_TIME, ("fuel", "squared force")), ((-110.0, -110.0),), 0.99, _below_worst("full force")
    ),
    "mo-lunar-lander-v3": Row(_LANDER, ((-101.0, -1001.0, -101.0, -101.0),), 0.99, _MORL_BASELINES),
    "mo-lunar-lander-continuous-v3": Row(
        _LANDER, ((-110.0, -400.0, -100.0, -100.0),), 0.99, _MORL_BASELINES + ", given there for version 2 of the environment"
    ),
    "mo-highway-v0": _HIGHWAY,
    "mo-highway-fast-v0": _HIGHWAY,
    # The energy of version 4 is the control cost already weighted by 0.1, that of version 5 is not: the reference point is
    # the same place in other units, and hypervolumes differ by a factor of ten.
    "mo-halfcheetah-v4": _locomotion((_SPEED, ("energy", "0.1 x squared control")), (-100.0, -100.0), source=_MORL_BASELINES),
    "mo-halfcheetah-v5": _locomotion(
        (_SPEED, _ENERGY),
        (-100.0, -1000.0),
        (-100.0, -500.0),
        source=_CHOSEN + "version 4's point in version 5's units; the second is used in published work on randomised dynamics",
    ),
    "mo-hopper-v4": _HOPPER,
    "mo-hopper-v5": _HOPPER,
    "mo-hopper-2d-v4": _HOPPER_2,
    "mo-hopper-2obj-v5": _HOPPER_2,
    "mo-walker2d-v4": _WALKER,
    "mo-walker2d-v5": _WALKER,
    "mo-swimmer-v4": _SWIMMER,
    "mo-swimmer-v5": _SWIMMER,
    "mo-humanoid-v4": _HUMANOID,
    "mo-humanoid-v5": _HUMANOID,
    "mo-ant-v4": _ANT,
    "mo-ant-v5": _ANT,
    "mo-ant-2d-v4": _ANT_2,
    "mo-ant-2obj-v5": _ANT_2,
    "mo-reacher-v4": _REACHER,
    "mo-reacher-v5": _REACHER,
}
"""From environment id to its row."""
