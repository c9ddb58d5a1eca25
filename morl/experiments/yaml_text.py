"""YAML text to plain data and back, where every number has one meaning, the same in files and on the command line.

Numbers are written as in Python: ``10``, ``1_000``, ``0x10``, ``.5``, ``1e3``, and ``.inf`` and ``.nan`` for what Python spells
in letters. What YAML 1.1 reads as another number is none: ``010`` (octal 8) is refused, ``1:30`` (90 in base 60) is text.
``true``, ``yes`` and ``on`` are true, ``false``, ``no`` and ``off`` are false, ``null``, ``~`` and nothing are null; in quotes
everything is text.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from morl.errors import ConfigurationError, shown

MOST_CHARACTERS = 4_000_000
"""Of a configuration; real ones have a thousand."""
_MOST_LEVELS = 50
_MOST_NODES = 100_000
_MOST_DIGITS = 100

_D = "[0-9](?:_?[0-9])*"
_WHOLE = re.compile(r"^[-+]?(?:0|[1-9](?:_?[0-9])*|0x[0-9a-fA-F](?:_?[0-9a-fA-F])*|0o[0-7](?:_?[0-7])*|0b[01](?:_?[01])*)$")
_REAL = re.compile(
    rf"^(?:[-+]?(?:{_D}\.(?:{_D})?|\.{_D}|{_D}(?=[eE]))(?:[eE][-+]?{_D})?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_NUMBER = re.compile(f"{_REAL.pattern}|{_WHOLE.pattern}")
_LEADING_ZERO = re.compile(r"^[-+]?0[0-9_]+$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$")
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")

_TAG = "tag:yaml.org,2002:"
_MEANINGS = (
    (f"{_TAG}bool", _BOOL, "tTfFyYnNoO"),
    (f"{_TAG}null", _NULL, ["~", "n", "N", ""]),
    (f"{_TAG}int", _WHOLE, "-+0123456789"),
    (f"{_TAG}float", _REAL, "-+0123456789."),
    ("!leading-zero", _LEADING_ZERO, "-+0"),
    (f"{_TAG}merge", re.compile("^<<$"), "<"),
)

_VALUES = {f"{_TAG}bool": _BOOL, f"{_TAG}null": _NULL, f"{_TAG}int": _WHOLE, f"{_TAG}float": _NUMBER}
_PLAIN_TAGS = {*(tag for tag, *_ in _MEANINGS), f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map"}

# The classes of yaml are not typed, so theirs are made without a class statement.
_Loader: Any = type("_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {"yaml_implicit_resolvers": {}})
# Writing also quotes what other readers of YAML would take for a number.
_Dumper: Any = type("_Dumper", (yaml.SafeDumper,), {})
for _tag, _pattern, _first in _MEANINGS:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_first))


def _text(dumper: Any, text: str) -> Any:
    # Line breaks of Unicode are breaks to YAML too; only between double quotes are they written as what they are.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _refuse(problem: str, node: Any) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _whole(_: Any, node: Any) -> int:
    text = str(node.value)
    if len(text) > _MOST_DIGITS:
        raise _refuse(f"{shown(text)} is a number of {len(text):,} digits; nothing here needs more than {_MOST_DIGITS}", node)
    return int(text, 0)


def _real(_: Any, node: Any) -> float:
    text = str(node.value)
    if text.lstrip("-+").lower() in (".inf", ".nan"):
        return float(text.replace(".", "", 1))
    value = float(int(text, 0)) if _WHOLE.match(text) else float(text)
    if math.isinf(value):
        raise _refuse(f"{shown(text)} is too large for a number; infinity is written .inf", node)
    if value == 0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        raise _refuse(f"{shown(text)} is too small for a number; write 0 if that is meant", node)
    return value


def _leading_zero(_: Any, node: Any) -> None:
    text = str(node.value)
    sign, digits = ("-" if text[0] == "-" else ""), text.lstrip("-+0_") or "0"
    raise _refuse(
        f"{shown(text)} has leading zeros, which some read as base 8: write {sign + digits if len(text) < 20 else 'none'}, "
        "or put text in quotes",
        node,
    )


_Loader.add_constructor(f"{_TAG}int", _whole)
_Loader.add_constructor(f"{_TAG}float", _real)
_Loader.add_constructor("!leading-zero", _leading_zero)


def parse(text: str, source: str) -> Any:
    """Read YAML.

    Args:
        text: One document.
        source: What to call it in an error.

    Returns:
        Mappings, lists, text, numbers, truth values and None.

    Raises:
        ConfigurationError: Not valid YAML, or no configuration: a number without one meaning, a key that is given twice,
            thousands of levels, aliases that unfold to a huge document.
    """
    text = text.removeprefix("\ufeff")
    try:
        # Counting levels first keeps the reader from recursing.
        levels = 0
        for event in yaml.parse(text, Loader=_Loader):
            levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if levels > _MOST_LEVELS:
                raise _refuse(f"more than {_MOST_LEVELS} levels of nesting", event)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return {}
            _check(node, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark and "\n" in text.strip() else ""
        spaces = "; indent with spaces, not with tabs" if mark and "\t" in _line(text, mark.line) else ""
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigurationError(f"{source}{line}: not valid YAML: {problem}{spaces}") from error
    except yaml.reader.ReaderError as error:
        raise ConfigurationError(f"{source}: not valid YAML: {str(error).splitlines()[0]}") from error
    except UnicodeError as error:  # half a character, from bytes on the command line
        raise ConfigurationError(f"{source}: not valid YAML: it holds bytes that are no text; expected UTF-8") from error


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number] if number < len(lines) else ""


_Size = tuple[int, int]
"""Nodes with aliases unfolded, and levels."""


def _check(node: Any, sizes: dict[Any, _Size | None]) -> _Size:
    """Refuse what is no configuration."""
    if node in sizes:
        known = sizes[node]
        if known is None:
            raise _refuse("an alias that contains itself", node)
        return known
    sizes[node] = None
    pattern = _VALUES.get(node.tag)
    if node.tag not in _PLAIN_TAGS or (pattern is not None and not pattern.match(node.value)):
        what = f"{shown(node.value)} as {node.tag}" if isinstance(node, yaml.ScalarNode) else f"the tag {node.tag}"
        raise _refuse(f"{what.replace(_TAG, '!!')} is no value of a configuration; leave out the tag", node)
    inner: list[_Size] = []
    if isinstance(node, yaml.SequenceNode):
        inner = [_check(item, sizes) for item in node.value]
    elif isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in keys and key.tag != f"{_TAG}merge":
                    raise _refuse(f"duplicate key {shown(key.value)}", key)
                keys.add((key.tag, key.value))
            inner += [_check(key, sizes), _check(value, sizes)]
    size = sum(count for count, _ in inner) + 1
    levels = max((level for _, level in inner), default=-1) + 1
    if size > _MOST_NODES:
        raise _refuse(f"aliases that unfold to more than {_MOST_NODES:,} values", node)
    if levels > _MOST_LEVELS:
        raise _refuse(f"more than {_MOST_LEVELS} levels of nesting", node)
    sizes[node] = size, levels
    return size, levels


def resolve(node: Any, source: str) -> Any:
    """Replace interpolations such as ``${seed}``.

    Args:
        node: Plain data.
        source: What to call it in an error.

    Returns:
        Plain data.

    Raises:
        ConfigurationError: An interpolation names nothing, or itself.
    """
    if not _interpolates(node):
        return node
    try:
        return OmegaConf.to_container(OmegaConf.create(node), resolve=True)
    except RecursionError as error:
        raise ConfigurationError(f"{source}: an interpolation ${{...}} leads back to itself") from error
    except (OmegaConfBaseException, ValueError) as error:
        raise ConfigurationError(f"{source}: {str(error).splitlines()[0]}") from error


def _interpolates(node: Any) -> bool:
    if isinstance(node, (dict, list)):
        return any(_interpolates(value) for value in (node.values() if isinstance(node, dict) else node))
    return isinstance(node, str) and "${" in node


def dump(plain: Any) -> str:
    """Write plain data as YAML; :func:`parse` reads the same back.

    Args:
        plain: Mappings, lists, text, numbers, truth values and None.

    Returns:
        YAML text.
    """
    text: str = yaml.dump(plain, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text
