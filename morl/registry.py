"""The registry: which components exist, by kind and name. Strings only, so that listing them imports nothing.

A component's name is its file's name. Other packages add theirs through the entry-point group ``morl.plugins``: each entry
point names a module with ``COMPONENTS = {kind: {name: "module:Class"}}``. A configuration may also name such modules
explicitly (``plugins: [module]``).
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from morl.errors import ConfigurationError, closest, shown

ENTRY_POINT_GROUP = "morl.plugins"
"""Entry-point group through which installed packages add components."""

KIND = "kind"
"""Key of a dataclass field's metadata that says which kind of component the field holds."""

_COMPONENTS: dict[str, dict[str, str]] = {
    "solver": {
        "morld": "morl.solvers.morld:MORLD",
        "mosac": "morl.solvers.mosac:MOSAC",
        "moppo": "morl.solvers.moppo:MOPPO",
        "nlmoppo": "morl.solvers.nlmoppo:NLMOPPO",
        "modqn": "morl.solvers.modqn:MODQN",
        "moq": "morl.solvers.moq:MOQLearning",
        "eupg": "morl.solvers.eupg:EUPG",
        "sequoia": "morl.solvers.sequoia:SEQUOIA",
        "subpo": "morl.solvers.subpo:SubPO",
        "pareto_q": "morl.solvers.pareto_q:ParetoQLearning",
        "reward_aware": "morl.solvers.reward_aware:RewardAwareLearning",
        "behaviour_cloning": "morl.solvers.offline.behaviour_cloning:BehaviourCloning",
        "morvs": "morl.solvers.offline.morvs:MORvS",
        "pcn": "morl.solvers.pcn:PCN",
    },
    "scalarization": {
        "weighted_sum": "morl.scalarizations.weighted_sum:WeightedSum",
        "chebyshev": "morl.scalarizations.chebyshev:Chebyshev",
        "augmented_chebyshev": "morl.scalarizations.augmented_chebyshev:AugmentedChebyshev",
        "smooth_chebyshev": "morl.scalarizations.smooth_chebyshev:SmoothChebyshev",
        "pbi": "morl.scalarizations.pbi:PBI",
        "achievement": "morl.scalarizations.achievement:Achievement",
        "constrained": "morl.scalarizations.constrained:Constrained",
        "saturate": "morl.scalarizations.saturate:Saturate",
    },
    "weights": {
        "simplex_lattice": "morl.weights.simplex_lattice:simplex_lattice",
        "riesz": "morl.weights.riesz:riesz",
        "dirichlet": "morl.weights.dirichlet:dirichlet",
        "extrema": "morl.weights.extrema:extrema",
    },
    "weight_source": {
        "own": "morl.weights.sources.own:OwnWeights",
        "dirichlet": "morl.weights.sources.dirichlet:DirichletWeights",
        "support": "morl.weights.sources.support:SupportWeights",
        "hindsight": "morl.weights.sources.hindsight:Hindsight",
    },
    "bootstrap": {
        "double_q": "morl.bootstrapping.double_q:DoubleQ",
        "smaller_q": "morl.bootstrapping.smaller_q:SmallerQ",
        "envelope": "morl.bootstrapping.envelope:Envelope",
        "preference_driven": "morl.bootstrapping.preference_driven:PreferenceDriven",
    },
    "acting": {
        "own_policy": "morl.acting.own_policy:OwnPolicy",
        "policy_improvement": "morl.acting.policy_improvement:PolicyImprovement",
    },
    "dominance": {
        "pareto": "morl.dominance.pareto:Pareto",
        "lorenz": "morl.dominance.lorenz:Lorenz",
    },
    "weight_adaptation": {
        "psa": "morl.weights.adaptation.psa:PSA",
        "constrained_extension": "morl.weights.adaptation.constrained_extension:ConstrainedExtension",
        "linear_support": "morl.weights.adaptation.linear_support:LinearSupport",
        "ipro": "morl.weights.adaptation.ipro:IPRO",
        "awa": "morl.weights.adaptation.awa:AWA",
        "prediction_guided": "morl.weights.adaptation.prediction_guided:PredictionGuided",
        "ucb": "morl.weights.adaptation.ucb:UCB",
        "random": "morl.weights.adaptation.random:RandomWeights",
    },
    "neighbourhood": {
        "k_nearest": "morl.cooperation.neighbourhood.k_nearest:KNearest",
        "everyone": "morl.cooperation.neighbourhood.everyone:Everyone",
        "no_neighbours": "morl.cooperation.neighbourhood.no_neighbours:NoNeighbours",
    },
    "cooperation": {
        "hard_transfer": "morl.cooperation.hard_transfer:HardTransfer",
        "soft_transfer": "morl.cooperation.soft_transfer:SoftTransfer",
        "crossover": "morl.cooperation.crossover:Crossover",
        "shared_replay": "morl.cooperation.shared_replay:SharedReplay",
    },
    "trigger": {
        "first_sweep": "morl.cooperation.trigger.first_sweep:FirstSweep",
        "periodic": "morl.cooperation.trigger.periodic:Periodic",
        "on_improvement": "morl.cooperation.trigger.on_improvement:OnImprovement",
    },
    "selection": {
        "round_robin": "morl.selection.round_robin:RoundRobin",
        "random": "morl.selection.random:Random",
        "tournament": "morl.selection.tournament:Tournament",
        "roulette": "morl.selection.roulette:Roulette",
        "elitist": "morl.selection.elitist:Elitist",
        "crowding": "morl.selection.crowding:Crowding",
        "linear_support_priority": "morl.selection.linear_support_priority:LinearSupportPriority",
    },
    "archive": {
        "pareto_archive": "morl.archives.pareto_archive:ParetoArchive",
        "convex_coverage_set": "morl.archives.convex_coverage_set:ConvexCoverageSet",
        "bounded_archive": "morl.archives.bounded_archive:BoundedArchive",
    },
    "planner": {
        "greedy": "morl.planners.greedy:Greedy",
        "modular_policy": "morl.planners.modular_policy:ModularPolicy",
        "travel_greedy": "morl.planners.travel_greedy:TravelGreedy",
        "beam_search": "morl.planners.beam_search:BeamSearch",
        "mixed_integer": "morl.planners.mixed_integer:MixedInteger",
        "exhaustive": "morl.planners.exhaustive:Exhaustive",
    },
    "action_optimizer": {
        "enumerate": "morl.actions.enumerate:Enumerate",
        "local_search": "morl.actions.local_search:LocalSearch",
        "mip": "morl.actions.mip:MIP",
    },
    "policy": {
        "mlp": "morl.policies.mlp:MLPPolicy",
        "tabular": "morl.policies.tabular:TabularPolicy",
        "mip": "morl.policies.mip:MIPPolicy",
        "network": "morl.policies.network:NetworkPolicy",
        "conditioned": "morl.policies.conditioned:ConditionedPolicy",
        "tracking": "morl.policies.tracking:TrackingPolicy",
        "reward_aware": "morl.policies.reward_aware:RewardAwarePolicy",
        "return_conditioned": "morl.policies.return_conditioned:ReturnConditionedPolicy",
    },
    "critic": {
        "twin": "morl.critics.twin:TwinCritic",
        "table": "morl.critics.table:ActionTableCritic",
        "twin_table": "morl.critics.twin_table:TwinActionTableCritic",
        "state": "morl.critics.state:StateValueCritic",
        "tabular": "morl.critics.tabular:TabularCritic",
        "folded": "morl.critics.folded:FoldedCritic",
    },
}

_LONGEST_NAME = 200
"""Characters of a module's name."""

_added: dict[str, dict[str, str]] = {}
_origins: dict[str, str] = {}
"""Which module, imported because a configuration or a program named it, declares a target."""


def _add(components: object, origin: str) -> None:
    """Add a plug-in's table; the same entry twice is fine, another target for a taken name is not."""
    if not isinstance(components, Mapping):
        raise ConfigurationError(
            f"{origin}: COMPONENTS must be a mapping kind -> name -> 'module:Class', found {shown(components)}"
        )
    for kind, table in components.items():
        if (
            not isinstance(table, Mapping)
            or not all(isinstance(text, str) for name, target in table.items() for text in (kind, name, target))
            or not all(target.count(":") == 1 for target in table.values())
        ):
            raise ConfigurationError(
                f"{origin}: COMPONENTS[{kind!r}] must map names to strings 'module:Class', found {shown(table)}"
            )
        for name, target in table.items():
            taken = _COMPONENTS.get(kind, {}).get(name) or _added.get(kind, {}).get(name)
            if taken is not None and taken != target:
                raise ConfigurationError(
                    f"{origin}: the {kind} {name!r} exists already ({taken}); give yours ({target}) another name"
                )
            _added.setdefault(kind, {})[name] = target


@cache
def _load_entry_points() -> None:
    """Add what installed packages declare; a broken one is reported and left out."""
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            _add(importlib.import_module(entry_point.value).COMPONENTS, f"plug-in {entry_point.name}")
        except Exception as error:
            warnings.warn(
                f"plug-in {entry_point.name} ({entry_point.value}) was left out: {error}", RuntimeWarning, stacklevel=2
            )


def load_plugins(modules: Iterable[str]) -> None:
    """Import modules that a configuration names and add the components they declare.

    Args:
        modules: Importable module names, also of the current folder, each with ``COMPONENTS = {kind: {name: "module:Class"}}``.

    Raises:
        ConfigurationError: A module cannot be imported, declares nothing, or takes a name that exists.
    """
    for module in modules:
        if len(module) > _LONGEST_NAME or not all(part.isidentifier() for part in module.split(".")):
            raise ConfigurationError(f"plugins: {shown(module)} is no name of a module; expected one such as my_lab.components")
        # Behind everything else, so that nothing there hides an installed module.
        if not {"", (here := str(Path.cwd()))} & set(sys.path):
            sys.path.append(here)
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            raise ConfigurationError(
                f"plugins: cannot import {shown(module)} ({error}); is it installed, on PYTHONPATH or in the current folder?"
            ) from error
        except (Exception, SystemExit) as error:
            raise ConfigurationError(
                f"plugins: importing {shown(module)} failed: {type(error).__name__}: {' '.join(str(error).split())}"
            ) from error
        if not hasattr(imported, "COMPONENTS"):
            raise ConfigurationError(f"plugins: {module!r} declares no COMPONENTS = {{kind: {{name: 'module:Class'}}}}")
        _add(imported.COMPONENTS, f"plugins: {module}")
        _origins.update({target: module for table in imported.COMPONENTS.values() for target in table.values()})


def plugins_of(obj: object) -> tuple[str, ...]:
    """Plug-in modules that must be imported before a component can be built again from its configuration.

    Args:
        obj: A component; what its fields hold counts, too.

    Returns:
        Names of modules that were given to :func:`load_plugins`, without those of installed packages.
    """
    if isinstance(obj, str):
        # Some fields hold the name of a component.
        targets = [table[obj] for table in _added.values() if obj in table]
        return tuple(_origins[each] for each in targets if each in _origins)
    parts: list[object] = list(obj) if isinstance(obj, (tuple, list)) else []
    if is_dataclass(obj):
        parts += [getattr(obj, f.name, None) for f in fields(obj)]
        if (registered := name_of(obj)) is not None:
            parts.append(registered[1])
    return tuple(dict.fromkeys(module for part in parts for module in plugins_of(part)))


def _table(kind: str) -> dict[str, str]:
    _load_entry_points()
    if kind not in _COMPONENTS and kind not in _added:
        raise ConfigurationError(
            f"unknown kind of component {shown(kind)}.{closest(kind, kinds())} Known kinds: {', '.join(kinds())}"
        )
    return {**_COMPONENTS.get(kind, {}), **_added.get(kind, {})}


def kinds() -> tuple[str, ...]:
    """Every kind of component, built-in kinds first."""
    _load_entry_points()
    return (*_COMPONENTS, *(kind for kind in _added if kind not in _COMPONENTS))


def names(kind: str) -> tuple[str, ...]:
    """Names of the components of one kind.

    Args:
        kind: Such as ``"solver"`` or ``"scalarization"``.

    Returns:
        The names, built-in ones first.

    Raises:
        ConfigurationError: There is no such kind.
    """
    return tuple(_table(kind))


def target(kind: str, name: str) -> str:
    """Where a component lives, as ``"module:Class"``, without importing it.

    Args:
        kind: See :func:`names`.
        name: One of ``names(kind)``.

    Returns:
        The target string.

    Raises:
        ConfigurationError: Unknown kind or name; the message names the closest one and lists all.
    """
    table = _table(kind)
    if name not in table:
        raise ConfigurationError(f"unknown {kind} {shown(name)}.{closest(name, table)} Known: {', '.join(table)}")
    return table[name]


def component(kind: str, name: str) -> Any:
    """Import a component.

    Args:
        kind: See :func:`names`.
        name: One of ``names(kind)``.

    Returns:
        The class (for the kind ``"weights"`` the function).

    Raises:
        ConfigurationError: Unknown kind or name, or the component cannot be imported.
    """
    where = target(kind, name)
    module, _, attribute = where.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigurationError(f"the {kind} {name!r} ({where}) cannot be imported: {cause}") from error


def name_of(obj: object, kind: str | None = None) -> tuple[str, str] | None:
    """Find the registered kind and name of a component.

    Args:
        obj: A component, its class, or a registered function.
        kind: Look in this kind only.

    Returns:
        ``(kind, name)``, or None for what is not registered.
    """
    wanted: Any = obj if isinstance(obj, type) or hasattr(obj, "__qualname__") else type(obj)
    own = f"{wanted.__module__}:{wanted.__qualname__}"
    for candidate in kinds() if kind is None else (kind,):
        for name, where in _table(candidate).items():
            module, _, attribute = where.partition(":")
            # A plug-in may register a re-export; whoever holds the object has imported that module.
            if where == own or getattr(sys.modules.get(module), attribute, None) is wanted:
                return candidate, name
    return None


def component_field(kind: str, *, default: Any = MISSING, default_factory: Callable[[], Any] | Any = MISSING) -> Any:
    """Declare a dataclass field that holds a component (or a tuple of components, or None).

    In a YAML file the value is a mapping with ``name`` and the component's own fields, or just its name. Whether it is one
    component, a tuple of them or optional follows from the annotation::

        @dataclass(frozen=True)
        class MORLD:
            scalarization: Scalarization = component_field("scalarization", default=WeightedSum())
            cooperation: tuple[Cooperation, ...] = component_field("cooperation", default=())
            weight_adaptation: WeightAdaptation | None = component_field("weight_adaptation", default=None)

    Args:
        kind: Which kind of component the field takes.
        default: Default value; components are frozen dataclasses, so that one instance can be shared.
        default_factory: Makes the default value, where it cannot be shared or would import too much.

    Returns:
        What :func:`dataclasses.field` returns, with the kind in its metadata.
    """
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata={KIND: kind})
    return field(default=default, metadata={KIND: kind})
