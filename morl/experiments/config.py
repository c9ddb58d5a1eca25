"""Configurations: YAML -> dataclasses -> YAML, with overrides ``key.sub=value`` and errors that name the key.

A component's constructor is its configuration. Where a component is expected, YAML has a mapping whose ``name`` picks the
class in the registry and whose other keys are the fields of that class; the bare name stands for all defaults; a mapping
without ``name`` changes some fields of the default. An override that changes the name starts from the new component's own
defaults. What a number means is :mod:`morl.experiments.yaml_text`'s; the types are checked here, against the dataclass itself.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from morl.errors import ConfigurationError, MorlError, closest, shown
from morl.evaluation import Evaluation
from morl.experiments import yaml_text
from morl.experiments.run_config import RunConfig, TaskConfig
from morl.experiments.shipped import find_config
from morl.fields import bare, field_types
from morl.registry import KIND, component, load_plugins, name_of, names

T = TypeVar("T")

NOT_YAML = "# This run cannot be written as YAML"
"""How the text begins that stands for a configuration that YAML cannot hold."""

_MOST_KEYS = 20
"""Of an override, one below the other."""
_SHOWN_KEY = 80
"""Characters of a key that a message shows."""


# --- reading ---------------------------------------------------------------------------------------------------------


def load_config(config: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a configuration file and apply overrides.

    Args:
        config: Path of a YAML file, or the name of a shipped configuration such as ``quickstart``.
        overrides: ``key.sub=value`` items; values are YAML.

    Returns:
        The checked configuration.

    Raises:
        ConfigurationError: Missing file, unknown key or name, wrong type, impossible value; names the key and the remedy.
    """
    path = find_config(config)
    if path.stat().st_size > yaml_text.MOST_CHARACTERS:
        raise ConfigurationError(f"{config} has {path.stat().st_size:,} bytes, which no configuration has; is it another file?")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{config} is not a text file: byte {error.start} is not UTF-8; expected YAML, saved as UTF-8"
        ) from error
    return from_yaml(text, overrides=overrides, source=str(config))


@typing.overload
def from_yaml(text: str, *, kind: None = None, overrides: Sequence[str] = (), source: str = "configuration") -> RunConfig: ...
@typing.overload
def from_yaml(text: str, *, kind: str, overrides: Sequence[str] = (), source: str = "configuration") -> Any: ...
def from_yaml(text: str, *, kind: str | None = None, overrides: Sequence[str] = (), source: str = "configuration") -> Any:
    """Build a configuration from YAML text; the inverse of :func:`to_yaml`.

    Args:
        text: YAML.
        kind: Kind of the component that the text describes; None for a whole run.
        overrides: See :func:`load_config`.
        source: What to call the text in an error about its syntax.

    Returns:
        A :class:`RunConfig`, or the component.

    Raises:
        ConfigurationError: See :func:`load_config`.
    """
    node = yaml_text.parse(text, source)
    if isinstance(node, dict):
        for override in overrides:
            node = _merged(node, _parse_override(override), ())
    node = yaml_text.resolve(node, source)
    if kind is not None:
        return _component(kind, Any, node, (), dataclasses.MISSING)
    if not isinstance(node, dict):
        raise ConfigurationError(f"{source}: expected a mapping with env, solver, env_steps, ...; found {_found(node)}")
    load_plugins(_convert(tuple[str, ...], node.get("plugins") or (), ("plugins",)))
    return _build(RunConfig, cast("dict[str, Any]", node), ())


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > _MOST_KEYS:
        raise ConfigurationError(f"override {shown(text)}: expected KEY=VALUE, such as seed=1 or solver.gamma=0.98")
    node = yaml_text.parse(value, f"override {shown(text)}") if value.strip() else None
    for part in reversed(parts):
        node = {part: node}
    return cast("dict[str, Any]", node)


def _merged(base: Any, override: Any, path: tuple[str, ...]) -> Any:
    """Lay ``override`` over ``base``."""
    if not isinstance(override, dict):
        return override
    if isinstance(base, str):
        base = {"id" if path == ("env",) else "name": base}
    if not isinstance(base, dict) or ("name" in override and override["name"] != base.get("name")):
        # Another component: what was set for the old one means nothing to the new one.
        return override
    return base | {key: _merged(base.get(key), value, (*path, key)) for key, value in override.items()}


# --- checking and building -------------------------------------------------------------------------------------------

_Path = tuple[str, ...]


def _key(*path: str) -> str:
    """A key as a message shows it."""
    key = ".".join(path)
    return key if len(key) <= _SHOWN_KEY else f"{key[: _SHOWN_KEY - 1]}…"


def _where(path: _Path) -> str:
    return _key(*path) + ": " if path else ""


def _found(value: Any) -> str:
    kind = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "null", str: "text"}.get(
        type(value), type(value).__name__
    )
    return kind if isinstance(value, (dict, type(None))) else f"{shown(value)} ({kind})"


def _describe(hint: Any) -> str:
    """A type as a person would say it."""
    hint = bare(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(repr(a) for a in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_describe(a) for a in arguments)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"a list of {_describe(arguments[0])}"
        return "a list [" + ", ".join(_describe(a) for a in arguments) + "]"
    if hint is type(None):
        return "null"
    if (origin is not None and isinstance(origin, type) and issubclass(origin, Mapping)) or dataclasses.is_dataclass(hint):
        return "a mapping"
    return {str: "text", bool: "true or false"}.get(hint, getattr(hint, "__name__", str(hint)))


def _fields(cls: type[Any]) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Constructor fields of a dataclass with their types."""
    types_of = field_types(cast(Any, cls))
    return {f.name: (f, types_of[f.name]) for f in dataclasses.fields(cls) if f.init}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _build(cls: type[T], node: Mapping[str, Any], path: _Path, base: T | None = None, label: str = "") -> T:
    """Make a dataclass from a mapping, starting from ``base`` where given."""
    fields = _fields(cls)
    arguments = {}
    for key, value in node.items():
        if key not in fields:
            of = f" of {label}" if label else ""
            meant = _meant(cls, node, base, path, str(key))
            raise ConfigurationError(
                f"{_key(*path, str(key))}: unknown key{of}.{meant} Valid keys: {', '.join(fields) or 'none'}"
            )
        field, hint = fields[key]
        place = (*path, str(key))
        default = _default(field) if base is None else getattr(base, key)
        if KIND in field.metadata:
            arguments[key] = _component(field.metadata[KIND], hint, value, place, default)
        else:
            arguments[key] = _convert(hint, value, place, default)
    if base is None:
        for key, (field, hint) in fields.items():
            if key not in arguments and _default(field) is dataclasses.MISSING:
                kind = field.metadata.get(KIND)
                expected = f"a {kind}: {', '.join(names(kind))}" if kind else _describe(hint)
                raise ConfigurationError(f"{_key(*path, key)}: missing; expected {expected}")
    try:
        return cls(**arguments) if base is None else dataclasses.replace(cast("Any", base), **arguments)
    except MorlError as error:
        raise type(error)(f"{_where(path)}{error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{_where(path)}{error}") from error


def _meant(cls: type[Any], node: Mapping[str, Any], base: Any, path: _Path, key: str) -> str:
    """Say which key is meant by one that a dataclass does not have: deeper, misspelt, or higher up."""
    own, value = _fields(cls), node.get(key)
    if isinstance(value, dict) and value and set(value) <= set(own):  # one level too deep
        return f" Did you mean {_key(*path, str(next(iter(value))))!r}?"
    nested = sorted(_nested_keys(cls, node, base), key=len)
    if exact := [inner for inner in nested if inner[-1] == key]:
        return f" Did you mean {' or '.join(repr(_key(*path, *inner)) for inner in exact[:3])}?"
    if path and key != "solver" and key in _fields(RunConfig):
        return f" Did you mean {key!r}?"
    # Of equally close ones, what is here comes first; what is deeper must be closer.
    candidates = [(name,) for name in own] + nested
    closeness = [difflib.SequenceMatcher(None, key, inner[-1]).ratio() for inner in candidates]
    best = max(range(len(candidates)), key=lambda i: (closeness[i], -len(candidates[i])), default=None)
    if best is None or closeness[best] < (0.5 if best < len(own) else 0.75):
        return closest(key, own)
    return f" Did you mean {_key(*(path if best >= len(own) else ()), *candidates[best])!r}?"


def _nested_keys(cls: type[Any], node: Mapping[str, Any], base: Any) -> Iterator[_Path]:
    """Paths of the fields of the parts that a dataclass holds, and of theirs."""
    for name, (field, hint) in _fields(cls).items():
        part = getattr(base, name, None) if base is not None else _default(field)
        inner = node.get(name)
        chosen = inner.get("name") if isinstance(inner, dict) else inner
        of_kind = field.metadata.get(KIND)
        if of_kind and isinstance(chosen, str) and chosen in names(of_kind):
            inner_cls, part = component(of_kind, chosen), None
        else:
            inner_cls = next((h for h in (hint, *typing.get_args(hint)) if h in (Evaluation, TaskConfig)), type(part))
        if isinstance(inner_cls, type) and dataclasses.is_dataclass(inner_cls):
            for key in _fields(inner_cls):
                yield name, key
            for path in _nested_keys(inner_cls, inner if isinstance(inner, dict) else {}, part):
                yield name, *path


def _component(kind: str, hint: Any, node: Any, path: _Path, default: Any) -> Any:
    """Make what a component field holds: a component, a tuple of them, None, or plain data where the type allows it."""
    alternatives = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    several = any(typing.get_origin(a) is tuple for a in alternatives)
    if node is None and (type(None) in alternatives or default is None):
        return None
    only_several = several and all(typing.get_origin(a) is tuple or a is type(None) for a in alternatives)
    if only_several and isinstance(node, (str, dict)):
        raise ConfigurationError(f"{_where(path)}expected a list of {kind} names or mappings, such as [{names(kind)[0]}]")
    if isinstance(node, str):
        return _instance(kind, node, {}, path)
    if isinstance(node, dict):
        own = {key: value for key, value in node.items() if key != "name"}
        if "name" in node:
            name = _convert(str, node["name"], (*path, "name"))
            return _instance(kind, name, own, path)
        if dataclasses.is_dataclass(default) and not isinstance(default, type):
            registered = name_of(default, kind)
            return _build(type(default), own, path, default, registered[1] if registered else type(default).__name__)
        raise ConfigurationError(f"{_key(*path, 'name')}: missing; expected a {kind}: {', '.join(names(kind))}")
    if isinstance(node, (list, tuple)) and several:
        if all(isinstance(item, (str, dict)) for item in node):
            return tuple(_component(kind, Any, item, (*path, str(i)), dataclasses.MISSING) for i, item in enumerate(node))
        return _convert(hint, node, path)
    expected = f"{'a list of ' if several else 'a '}{kind}{' names' if several else ''} ({', '.join(names(kind))})"
    raise ConfigurationError(f"{_where(path)}expected {expected}, found {_found(node)}")


def _instance(kind: str, name: str, node: Mapping[str, Any], path: _Path) -> Any:
    try:
        found = component(kind, name)
    except ConfigurationError as error:
        raise ConfigurationError(f"{_where(path)}{error}") from error
    if isinstance(found, type) and dataclasses.is_dataclass(found):
        return _build(found, node, path, label=name)
    if isinstance(found, type) or not callable(found):
        raise ConfigurationError(f"{_where(path)}the {kind} {name!r} is {shown(found)}; expected a dataclass")
    if node:
        raise ConfigurationError(
            f"{_where(path)}the {kind} {name!r} has no keys of its own, found {_key(', '.join(map(str, node)))}"
        )
    return found


def _convert(hint: Any, value: Any, path: _Path, default: Any = dataclasses.MISSING) -> Any:
    """Check a value against a type; lists become tuples, integral floats become ints where an int is expected."""
    converted = _try_convert(hint, value, path, default)
    if converted is _NO:
        raise ConfigurationError(f"{_where(path)}expected {_describe(hint)}, found {_found(value)}")
    return converted


_NO = object()


def _try_convert(hint: Any, value: Any, path: _Path, default: Any = dataclasses.MISSING) -> Any:
    hint = bare(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return value
    if hint is type(None):
        return None if value is None else _NO
    if origin is Literal:
        return value if any(value == a and type(value) is type(a) for a in arguments) else _NO
    if origin in (types.UnionType, typing.Union):
        # The type that fits as it stands comes first, so that 0.5 for `int | float` stays what it is.
        for alternative in sorted(arguments, key=lambda a: type(value) is not a):
            converted = _try_convert(alternative, value, path, default)
            if converted is not _NO:
                return converted
        return _NO
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            return _NO
        base = default if type(default) is hint else None
        return _build(cast("type[Any]", hint), value, path, base)
    if origin is tuple or hint is tuple:
        if not isinstance(value, (list, tuple)):
            return _NO
        if not arguments:
            return tuple(value)
        inner = (arguments[0],) * len(value) if len(arguments) == 2 and arguments[1] is Ellipsis else arguments
        if len(inner) != len(value):
            return _NO
        items = tuple(_try_convert(h, v, path) for h, v in zip(inner, value, strict=True))
        return _NO if any(item is _NO for item in items) else items
    if isinstance(origin or hint, type) and issubclass(origin or hint, Mapping):
        return dict(value) if isinstance(value, Mapping) else _NO
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)  # text of at most a hundred digits
    if hint is int and not isinstance(value, bool):
        # From 2**53 on a float may no longer be the whole number that was written.
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value if isinstance(value, int) else _NO
    return value if isinstance(hint, type) and type(value) is hint else _NO


# --- writing ---------------------------------------------------------------------------------------------------------


def to_yaml(obj: Any) -> str:
    """Write a configuration as YAML, every value spelled out; the inverse of :func:`from_yaml`.

    Args:
        obj: A :class:`RunConfig` or a registered component.

    Returns:
        YAML text.

    Raises:
        ConfigurationError: It holds something that YAML cannot (a callable, a component that is not registered).
    """
    plain = to_plain(obj)
    return yaml_text.dump(plain if isinstance(plain, dict) else {"name": plain})


def config_text(config: RunConfig, env_id: str) -> str:
    """What ``config.yaml`` of a run holds.

    Args:
        config: Of the run.
        env_id: Of its problem.

    Returns:
        YAML, or after :data:`NOT_YAML` why there is none.
    """
    try:
        if env_id.startswith("custom/"):
            raise ConfigurationError("env is a Python callable")
        return to_yaml(config)
    except ConfigurationError as error:
        return f"{NOT_YAML}: {error}.\n# Run it again from Python with the same objects.\n"


def to_plain(obj: Any, path: tuple[str, ...] = ()) -> Any:
    """The mapping that :func:`to_yaml` writes."""
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (tuple, list)):
        return [to_plain(item, (*path, str(i))) for i, item in enumerate(obj)]
    if isinstance(obj, Mapping):
        return {str(key): to_plain(value, (*path, str(key))) for key, value in obj.items()}
    registered = name_of(obj)
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        if registered is None and not isinstance(obj, (RunConfig, TaskConfig, Evaluation)):
            raise ConfigurationError(
                f"{_where(path)}{type(obj).__name__} is not registered, so YAML cannot name it; declare it in a module's "
                "COMPONENTS and list that module under plugins"
            )
        own = {f.name: to_plain(getattr(obj, f.name), (*path, f.name)) for f in dataclasses.fields(obj) if f.init}
        return own if registered is None else {"name": registered[1], **own}
    if registered is not None:
        return registered[1]
    raise ConfigurationError(f"{_where(path)}YAML cannot hold {obj!r}; such a run works from Python only")
