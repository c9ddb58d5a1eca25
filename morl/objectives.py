"""What the objectives of an environment are called: declared by the environment, else by the benchmark table, else numbered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from morl.benchmarks import benchmark
from morl.errors import EnvironmentFault

_FORBIDDEN = ",;\"'\\/"
_COLUMNS = frozenset(
    {"policy", "member", "env_steps", "episodes", "gamma", "deterministic", "non_dominated", "utility", "nodes", "start"}
)
"""Other columns of the tables in which every objective has one of its own."""


def declared_objectives(env: gym.Env[Any, Any], num_objectives: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units that an environment declares (:class:`envs.protocols.NamedObjectives`).

    The outermost wrapper that declares names counts. What a layer declares for its own ``reward_space`` is void where a wrapper
    outside it has made other objectives of the reward.

    Args:
        env: The environment, with its wrappers.
        num_objectives: ``m``, of the reward that it really gives.

    Returns:
        Names and units, each ``(m,)``; both empty if it declares none.

    Raises:
        EnvironmentFault: Not one name or unit per objective, a name twice, or one that cannot be the column of a table.
    """
    layer: Any = env
    while not (names := tuple(getattr(layer, "objective_names", None) or ())):
        if not isinstance(layer, gym.Wrapper):
            return (), ()
        layer = layer.env
    if len(names) != num_objectives:
        own = getattr(getattr(layer, "reward_space", None), "shape", None)
        if own == (len(names),) and layer is not env:
            return (), ()
        raise EnvironmentFault(
            f"objective_names of {type(layer).__name__} names {len(names)} objectives ({_listed(names)}), but the reward has "
            f"{num_objectives}; give each of them one name"
        )
    units = tuple(getattr(layer, "objective_units", None) or ("",) * num_objectives)
    if len(units) != num_objectives:
        raise EnvironmentFault(
            f"objective_units of {type(layer).__name__} has {len(units)} entries for {num_objectives} objectives; give each "
            "of them one, empty text for none"
        )
    _check(names, type(layer).__name__)
    return names, tuple(str(unit) for unit in units)


def _check(names: Sequence[Any], owner: str) -> None:
    for name in names:
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or any(c in name for c in _FORBIDDEN):
            raise EnvironmentFault(
                f"objective_names of {owner} has {name!r}; expected text without line breaks, commas, quotes or slashes: names "
                "become columns of tables"
            )
        if (
            name in _COLUMNS
            or name.startswith(("weight_", "start_"))
            or name.endswith(("_standard_error", "_undiscounted", "_archived"))
        ):
            raise EnvironmentFault(
                f"objective_names of {owner} has {name!r}, which is another column of the tables; choose another name"
            )
    if len(set(names)) < len(names):
        raise EnvironmentFault(f"objective_names of {owner} has a name twice ({_listed(names)}); give each objective its own")


def _listed(names: Sequence[Any]) -> str:
    shown = ", ".join(map(str, names[:8]))
    return shown if len(names) <= 8 else f"{shown}, ..."


def objectives_of(
    env_id: str, declared: Sequence[str], units: Sequence[str], num_objectives: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of every objective of an environment.

    Args:
        env_id: To look it up in the benchmark table.
        declared: What the environment declares, ``(m,)`` or empty.
        units: Its units, ``(m,)`` or empty.
        num_objectives: ``m``.

    Returns:
        Names and units, each ``(m,)``: the declared ones, else those of the benchmark table, else ``objective_1`` to
        ``objective_m`` (``return`` for a single one) without units.
    """
    if declared:
        return tuple(declared), tuple(units)
    known = benchmark(env_id)
    if known is not None and known.num_objectives == num_objectives:
        return known.objective_names, known.units
    names = tuple(f"objective_{i + 1}" for i in range(num_objectives)) if num_objectives > 1 else ("return",)
    return names, ("",) * num_objectives


def return_label(name: str, unit: str, gamma: float) -> str:
    """Name a return on an axis or over a column: it is a sum over the steps of an episode, not what one step pays.

    Args:
        name: Of the objective.
        unit: Of one step's reward; empty text for none.
        gamma: Discount of the returns.

    Returns:
        The label.

    Example:
        >>> return_label("speed", "m/s", 0.99)
        'speed [m/s, discounted sum]'
        >>> return_label("return", "", 1.0)
        'return [sum]'
    """
    kind = "sum" if gamma == 1.0 else "discounted sum"
    return f"{name} [{unit}, {kind}]" if unit else f"{name} [{kind}]"
