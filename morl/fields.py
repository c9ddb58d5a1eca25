"""Ranges of numbers: declared once, in the type of the field, and checked in one place for every component.

A component says what its numbers may be where it declares them::

    @dataclass(frozen=True, kw_only=True)
    class Mine(CheckedFields):
        learning_rate: Positive = 1e-3
        hidden: Widths = (64, 64)
        temperature: NonNegative | None = None

The constructor is the configuration, so the same check holds for Python and for YAML. NaN is never a setting.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, NamedTuple

from morl.errors import ConfigurationError, shown

_EXACT = 2**53
"""Whole numbers up to here are the same as floats; nothing that is counted here goes beyond."""


class Range(NamedTuple):
    """What a number may be; as metadata of its type, such as ``Annotated[float, Range(gt=0)]``."""

    ge: float = -math.inf
    """At least this."""
    gt: float = -math.inf
    """More than this."""
    le: float = math.inf
    """At most this."""
    lt: float = math.inf
    """Less than this."""
    finite: bool = True
    """Whether infinity is refused."""

    def __repr__(self) -> str:
        given = (
            f"{name}={getattr(self, name)!r}" for name in self._fields if getattr(self, name) != self._field_defaults[name]
        )
        return f"Range({', '.join(given)})"

    def holds(self, value: float) -> bool:
        """Whether a number is in the range; NaN never is."""
        inside = self.ge <= value <= self.le and (value > self.gt or self.gt == -math.inf)
        inside = inside and (value < self.lt or self.lt == math.inf)
        return inside and not (self.finite and math.isinf(value))

    def description(self, value: float, *, whole: bool) -> str:
        """What a number outside should be, in words that follow "must be"; empty if any number would do."""
        low, high = max(self.ge, self.gt), min(self.le, self.lt)
        if whole and value < low:
            high = math.inf  # the other end is far away
        if low > -math.inf and high < math.inf:
            if whole:
                return f"from {low} to {high}"
            return f"in {'(' if self.gt >= self.ge else '['}{low:g}, {high:g}{')' if self.lt <= self.le else ']'}"
        if high < math.inf:
            return f"{'below' if self.lt <= self.le else 'at most'} {high:g}"
        if low == -math.inf:
            return ""
        if low == 0:
            return "positive" if self.gt >= self.ge else "not negative"
        return f"{'above' if self.gt >= self.ge else 'at least'} {low:g}"


class Length(NamedTuple):
    """How many entries a list may have; as metadata of its type."""

    least: int = 1
    most: int = 10_000


Number = Annotated[float, Range()]
"""Any finite number."""
Positive = Annotated[float, Range(gt=0.0)]
"""Above zero."""
NonNegative = Annotated[float, Range(ge=0.0)]
"""Zero or more."""
Share = Annotated[float, Range(ge=0.0, le=1.0)]
"""Between none and all."""
PositiveShare = Annotated[float, Range(gt=0.0, le=1.0)]
"""More than none, up to all."""
InnerShare = Annotated[float, Range(gt=0.0, lt=1.0)]
"""Neither none nor all."""
LogDeviation = Annotated[float, Range(ge=-20.0, le=2.0)]
"""Logarithm of a standard deviation."""
Count = Annotated[int, Range(ge=1)]
"""One or more."""
CountOrZero = Annotated[int, Range(ge=0)]
"""None or more."""
Seed = Annotated[int, Range(ge=0, le=2**64 - 1)]
"""64 bits."""
Repeats = Annotated[int, Range(ge=1, le=1_000_000)]
"""How often something is done in a row; beyond that a slip of the pen."""
RepeatsOrNone = Annotated[int, Range(ge=0, le=1_000_000)]
"""The same, or not at all."""
BatchSize = Annotated[int, Range(ge=1, le=2**20)]
"""Of one update."""
UpdatesPerStep = Annotated[float, Range(gt=0.0, le=1_000.0)]
"""Gradient updates for one step."""
GridPoints = Annotated[int, Range(ge=1, le=1_000)]
"""Per parameter."""
Widths = Annotated[tuple[Annotated[int, Range(ge=1, le=4_096)], ...], Length(least=1, most=100)]
"""Width of each hidden layer of a network."""


class CheckedFields:
    """Mixin of configuration dataclasses: the constructor checks every number and every choice.

    A class with rules of its own calls ``super().__post_init__()`` before them.
    """

    def __post_init__(self) -> None:
        check_fields(self)


def check_fields(obj: Any, label: str | None = None) -> None:
    """Check numbers, choices, and numbers inside lists and mappings, against the types of a dataclass's fields.

    Where a whole number is expected, ``1e4`` becomes one.

    Args:
        obj: An instance of a dataclass.
        label: What to call it before the name of a field; by default the name of its class and a dot.

    Raises:
        ConfigurationError: A value is out of range; names the field, what it must be, and what was found.
    """
    prefix = f"{type(obj).__name__}." if label is None else label
    cls: Any = type(obj)
    for name, hint in checked_types(cls).items():
        value = getattr(obj, name)
        if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT and _is_whole(hint):
            value = int(value)
            object.__setattr__(obj, name, value)
        if (complaint := _complaint(hint, value)) is not None:
            inside = "" if complaint.culprit is value else f" in {shown(value)}"
            raise ConfigurationError(f"{prefix}{name} must {complaint.must}, found {shown(complaint.culprit)}{inside}")


@cache
def field_types(cls: Any) -> dict[str, Any]:
    """Types of the constructor's fields of a dataclass, with their ranges.

    Args:
        cls: The dataclass.

    Returns:
        Type by name.

    Raises:
        ConfigurationError: A type cannot be found at run time.
    """
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ConfigurationError(f"{cls.__name__}: the types of its fields must be importable at run time ({error})") from error
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


@cache
def checked_types(cls: Any) -> dict[str, Any]:
    """Those of :func:`field_types` that hold numbers or choices somewhere."""
    return {name: hint for name, hint in field_types(cls).items() if _is_checked(hint)}


def _is_whole(hint: Any) -> bool:
    """Whether a number of this type is a whole one."""
    alternatives = {bare(each) for each in (hint, *typing.get_args(hint))}
    return int in alternatives and float not in alternatives


def _is_checked(hint: Any) -> bool:
    if hint in (int, float) or typing.get_origin(hint) is Literal:
        return True
    return any(_is_checked(argument) for argument in typing.get_args(hint) if argument is not Ellipsis)


def bare(hint: Any) -> Any:
    """A type without its range."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


class _Complaint(NamedTuple):
    must: str
    """What follows "must"."""
    culprit: Any
    """The value, or what is wrong inside it."""
    of_type: bool = True
    """Whether the culprit has the right type at least."""


def _complaint(hint: Any, value: Any) -> _Complaint | None:
    limits = hint.__metadata__[0] if typing.get_origin(hint) is Annotated else Range()
    hint = bare(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (int, float):
        return _number_complaint(limits, value, whole=hint is int)
    if hint is str:
        return None if isinstance(value, str) else _Complaint("be text", value, of_type=False)
    if hint is type(None):
        return None if value is None else _Complaint("be None", value, of_type=False)
    if origin is Literal:
        fine = any(type(value) is type(a) and value == a for a in arguments)
        return None if fine else _Complaint(f"be one of {', '.join(map(repr, arguments))}", value)
    if origin in (types.UnionType, typing.Union):
        complaints = [_complaint(alternative, value) for alternative in arguments]
        if any(complaint is None for complaint in complaints):
            return None
        found = [complaint for complaint in complaints if complaint is not None]
        return next((complaint for complaint in found if complaint.of_type), found[0])
    if origin is tuple:
        return _tuple_complaint(limits, arguments, value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            return _Complaint("be a mapping", value, of_type=False)
        return next((c for item in value.values() if (c := _complaint(arguments[1], item)) is not None), None)
    return None


def _number_complaint(limits: Range, value: Any, *, whole: bool) -> _Complaint | None:
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        return _Complaint("be a whole number" if whole else "be a number", value, of_type=False)
    exact: Any = value
    try:
        number = int(exact) if whole else float(exact)
    except OverflowError:  # a whole number beyond all floats
        number = math.inf
    ceiling = _EXACT if limits.le == math.inf else limits.le
    if whole and number > ceiling >= _EXACT:
        return _Complaint(f"be at most {ceiling}", value)
    if limits.holds(number):
        return None
    description = limits.description(number, whole=whole)
    if not whole and (math.isnan(number) or (math.isinf(number) and limits.finite)):
        comma = "," if description in ("positive", "not negative") else ""
        return _Complaint(f"be a {'finite ' if limits.finite else ''}number{comma} {description}".rstrip(), value)
    return _Complaint("not be negative" if description == "not negative" else f"be {description}", value)


def _tuple_complaint(limits: Any, arguments: tuple[Any, ...], value: Any) -> _Complaint | None:
    if not isinstance(value, (tuple, list)):
        return _Complaint("be a list", value, of_type=False)
    if isinstance(limits, Length) and not limits.least <= len(value) <= limits.most:
        return _Complaint(f"have {limits.least} to {limits.most} entries", value)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        return _Complaint(f"have {len(arguments)} entries", value)
    return next((c for h, item in zip(arguments, value, strict=True) if (c := _complaint(h, item)) is not None), None)
