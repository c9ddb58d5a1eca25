"""Every number of every component has a declared range, and what is outside is refused: in Python and in YAML."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pytest

from morl.errors import ConfigurationError
from morl.evaluation import Evaluation
from morl.experiments.config import from_yaml
from morl.experiments.run_config import RunConfig, TaskConfig
from morl.fields import Length, Range, check_fields, field_types
from morl.registry import component, kinds, names

COMPONENTS = {
    **{
        f"{kind}/{name}": component(kind, name)
        for kind in kinds()
        if kind not in ("policy", "critic", "weights")  # policies are results, weights are functions
        for name in names(kind)
    },
    "task": TaskConfig,
    "evaluation": Evaluation,
}


def numbers(hint: Any, limits: Any = None) -> Iterator[tuple[type, Any]]:
    """Every number inside a type, with its declared range (None: there is none)."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        yield from numbers(arguments[0], hint.__metadata__[0])
    elif hint in (int, float):
        yield hint, limits
    elif origin in (tuple, types.UnionType, typing.Union) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        for argument in arguments:
            if argument is not Ellipsis:
                yield from numbers(argument)


def plain_numbers(cls: type) -> Iterator[tuple[str, type, Range]]:
    """Fields that hold one number (or None)."""
    for name, hint in field_types(cls).items():
        found = list(numbers(hint))
        if len(found) == 1 and "tuple" not in str(hint) and "Mapping" not in str(hint):
            yield name, *found[0]


@pytest.mark.parametrize("cls", COMPONENTS.values(), ids=COMPONENTS)
def test_every_number_has_a_range_and_the_range_is_kept(cls: Any) -> None:
    for name, hint in field_types(cls).items():
        assert all(isinstance(limits, Range) for _, limits in numbers(hint)), f"{cls.__name__}.{name} declares no range"
    for name, kind, limits in plain_numbers(cls):
        low, high = max(limits.ge, limits.gt), min(limits.le, limits.lt)
        bad: list[Any] = [math.nan, True, "1"]
        bad += [1.5, 10**400] if kind is int else []
        bad += [math.inf, -math.inf] if limits.finite and kind is float else []
        bad += [] if low == -math.inf else [kind(low) - 1] + ([kind(low)] if limits.gt == low else [])
        bad += [] if high == math.inf else [kind(high) + 1] + ([kind(high)] if limits.lt == high else [])
        for value in bad:
            with pytest.raises(ConfigurationError, match=rf"{name} must (not )?be ") as caught:
                cls(**{name: value})
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("key", "fields", "message"),
    [
        ("mosac", {"learning_rate": math.inf}, "MOSAC.learning_rate must be a finite number, positive, found inf"),
        ("mosac", {"hidden": (64, 0)}, r"MOSAC.hidden must be at least 1, found 0 in \(64, 0\)"),
        ("mosac", {"hidden": ()}, r"MOSAC.hidden must have 1 to 100 entries, found \(\)"),
        ("mosac", {"hidden": 64}, "MOSAC.hidden must be a list, found 64"),
        ("mosac", {"temperature": math.nan}, "MOSAC.temperature must be a finite number, not negative, found nan"),
        ("mosac", {"replay": "everybody"}, "MOSAC.replay must be one of 'per_member', 'shared', found 'everybody'"),
        ("mosac", {"batch_size": 64.5}, "MOSAC.batch_size must be a whole number, found 64.5"),
        ("mosac", {"capacity": 2**60}, "MOSAC.capacity must be at most 9007199254740992, found 1152921504606846976"),
        ("moppo", {"gamma": -0.1}, r"MOPPO.gamma must be in \[0, 1\], found -0.1"),
        (
            "morld",
            {"weights": ((0.5, math.nan),) * 6},
            r"weights must be a finite number, not negative, found nan in \(\(",
        ),
        ("morld", {"ideal_point": (0.0, math.inf)}, "MORLD.ideal_point must be a finite number, found inf in"),
    ],
)
def test_what_a_message_says(key: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        component("solver", key)(**fields)


def test_what_is_nested_is_checked_too() -> None:
    for text, message in {
        "name: iwocs\nvalidity: {hidden: [0]}": "validity: PredictiveCoding.hidden must be at least 1",
        "name: iwocs\nuncertainty: {name: ball, radii: {mass: .nan}}": "Ball.radii must be a finite number, positive",
        "name: iwocs\nuncertainty: {name: box, bounds: {mass: [0, .inf]}}": "uncertainty: Box.bounds must be a finite number",
        "name: morld\nsolver: {name: eupg, max_gradient_norm: -1}": "EUPG.max_gradient_norm must be positive, found -1.0",
        "name: morld\nneighbourhood: {k: -1}": "neighbourhood: KNearest.k must not be negative, found -1",
    }.items():
        with pytest.raises(ConfigurationError, match=message):
            from_yaml(text, kind="solver")
    with pytest.raises(ConfigurationError, match="env_steps must be at least 1, found -3"):
        RunConfig(env="a", solver=component("solver", "moq")(), env_steps=-3)


def test_types_that_hold_several_things() -> None:
    import dataclasses

    @dataclasses.dataclass
    class Several:
        either: str | tuple[Annotated[float, Range(gt=0)], ...] = "x"
        pair: tuple[Annotated[int, Range()], Annotated[float, Range()]] = (1, 2.0)
        some: Annotated[tuple[str, ...], Length(least=1, most=2)] = ("x",)

    Several.__annotations__ = {
        "either": str | tuple[Annotated[float, Range(gt=0)], ...],
        "pair": tuple[Annotated[int, Range()], Annotated[float, Range()]],
        "some": Annotated[tuple[str, ...], Length(least=1, most=2)],
    }
    check_fields(Several())
    check_fields(Several(either=(1.0, 2)))
    for fields, message in (
        ({"either": (1.0, -2.0)}, "either must be positive, found -2.0"),
        ({"either": 3}, "either must be text, found 3"),
        ({"pair": (1,)}, "pair must have 2 entries"),
        ({"pair": (1.5, 2.0)}, "pair must be a whole number, found 1.5"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            check_fields(Several(**fields))


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    text = str(ConfigurationError("expected\n    a thing, " + "found " * 2_000 + "nothing; do this"))
    assert text.startswith("expected a thing, found")
    assert text.endswith("nothing; do this")
    assert "\n" not in text
    assert len(text) < 1_600


def test_a_whole_number_may_be_written_as_a_float() -> None:
    mosac = component("solver", "mosac")
    assert mosac(batch_size=64.0) == mosac(batch_size=64)
    assert type(mosac(batch_size=64.0).batch_size) is int
    assert type(mosac(tau=1.0).tau) is float
    assert type(RunConfig(env="a", solver=mosac(), env_steps=1e4, threads=1.0).threads) is int
