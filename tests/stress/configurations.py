"""Configurations that somebody changed at random: each runs, or is refused in one short line.

``python -m tests.stress.configurations --count 400 --seed 0`` is the long form; ``--only 17`` repeats one of them.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import math
import random
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from morl.errors import MorlError
from morl.evaluation import Evaluation
from morl.experiments.config import from_yaml, load_config, to_plain
from morl.experiments.run_config import RunConfig
from morl.experiments.runner import run_config
from morl.experiments.shipped import shipped_configs
from morl.experiments.yaml_text import dump
from morl.registry import kinds, names

CPU_SECONDS = 40
"""After that a configuration counts as one that hangs."""
LONGEST_MESSAGE = 2_000
EAGER = 200
"""Environment steps for a configuration that was accepted, at most."""

NUMBERS: list[Any] = [
    *(-1, 0, 1, 2, 3, 7, -5, 10**9, 10**18, -(10**12), 10**30),
    *(0.0, 0.5, -0.5, 1.5, 1e-12, -1e-9, 1e30, -1e300, math.nan, math.inf, -math.inf),
]
OTHERS: list[Any] = [
    *(None, True, False, "", "x", "none", "all", "mosac", "y" * 5_000, "1:30", "${seed}", "${nothing.here}", "é\u2028\u0007"),
    *([], {}, [1], [1, "a", None], [[0.5, 0.5], [1]], [math.nan, 1.0], {"name": "mosac"}, {"name": 3}, {"a": {"b": {"c": 1}}}),
]
RAW = [
    "010",
    "007",
    "0b12",
    "1e999",
    "1_",
    "9" * 5_000,
    "[" * 300,
    "!!python/name:os.system x",
    "&a [*a]",
    "*b",
    "\tx",
    "a: b: c",
    "'",
    "- 1",
]
"""Values as they stand in the text, which no data can be."""

HOW = ("number",) * 4 + ("scale", "other", "delete", "unknown", "component", "twin", "nest", "raw")
"""What happens to a place."""

Path = tuple[Any, ...]


class TookTooLongError(BaseException):
    """Not an Exception, so that nothing takes it for an error of a component's."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A changed configuration, and which numbers stand where."""

    name: str
    text: str
    numbers: dict[Path, Any]


def paths(node: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in plain data, its top left out."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


def at(node: Any, path: Path) -> Any:
    """What stands at a place."""
    for key in path:
        node = node[key]
    return node


def change(name: str, rng: random.Random) -> Case:
    """Change a shipped configuration in one to three places."""
    plain = to_plain(load_config(name))
    written: dict[Path, Any] = {}
    raw: dict[str, str] = {}
    mild = rng.random() < 0.4
    for number in range(rng.choice((1, 1, 1, 2, 3))):
        places = [path for path in paths(plain) if not mild or isinstance(at(plain, path), (int, float))]
        place = rng.choice(places or [("env",)])
        parent = at(plain, place[:-1]) if place[:-1] else plain
        if not (isinstance(parent, list) or place[-1] in parent):
            continue
        old = parent[place[-1]]
        how = "scale" if mild else rng.choice(HOW)
        if how == "number":
            parent[place[-1]] = written[place] = rng.choice(NUMBERS)
        elif how == "scale" and isinstance(old, (int, float)):
            scaled = old * rng.choice((0.5, 2, 1.1, 3)) if not isinstance(old, bool) else not old
            parent[place[-1]] = written[place] = int(scaled) if isinstance(old, int) and rng.random() < 0.9 else scaled
        elif how == "other":
            parent[place[-1]] = copy.deepcopy(rng.choice(OTHERS))
        elif how == "delete":
            del parent[place[-1]]
        elif how == "unknown" and isinstance(parent, dict):
            key = str(place[-1])
            parent[rng.choice((key[:-1], key + "s", "name", "solver", "x" * 3_000, 3))] = old
        elif how == "component":
            kind = rng.choice(kinds())
            parent[place[-1]] = rng.choice(names(kind))
        elif how == "twin":
            parent[place[-1]] = copy.deepcopy(at(plain, rng.choice(list(paths(plain)))))
        elif how == "nest":
            for _ in range(rng.choice((1, 2, 60))):
                old = rng.choice(([old], {str(place[-1]): old}))
            parent[place[-1]] = old
        elif how == "raw":
            parent[place[-1]] = f"RAW{number}"
            raw[f"RAW{number}"] = rng.choice(RAW)
    text = dump(plain)
    for mark, value in raw.items():
        text = text.replace(mark, value)
    if rng.random() < 0.05:
        i = rng.randrange(len(text))
        text = text[:i] + chr(rng.choice((0, 9, 58, 91, 123, 0xFEFF, 0x1F600))) + text[i + 1 :]
    elif rng.random() < 0.05:
        text += rng.choice(text.splitlines()) + "\n"
    return Case(name, text, written)


def try_case(case: Case) -> str:
    """Build and, if it is accepted, run for a moment.

    Returns:
        ``"refused"``, ``"ran"`` or ``"stopped"`` (an error of the project's while it ran).

    Raises:
        AssertionError: A number was changed or should have been refused, or the message is none.
        TookTooLongError: It hangs.
        Exception: Whatever nobody foresaw.
    """
    with limited_time(CPU_SECONDS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            config = from_yaml(case.text)
        except MorlError as error:
            check_message(error)
            return "refused"
        check_numbers(config, case)
        try:
            run_config(shortened(config))
        except MorlError as error:
            check_message(error)
            return "stopped"
        return "ran"


def shortened(config: RunConfig) -> RunConfig:
    """The same configuration, so short that only what was changed can take long."""
    evaluation = Evaluation(
        episodes=min(config.evaluation.episodes, 2), gamma=config.evaluation.gamma, seed=config.evaluation.seed,
        max_episode_steps=min(config.evaluation.max_episode_steps, 20), max_rows=config.evaluation.max_rows,
        reference_point=config.evaluation.reference_point, period=config.evaluation.period,
        deterministic=config.evaluation.deterministic,
    )  # fmt: skip
    return dataclasses.replace(config, **{config.unit: min(config.budget, EAGER)}, threads=1, evaluation=evaluation)


def check_message(error: MorlError) -> None:
    """It is one line, not too long, and says something."""
    text = str(error)
    assert text.strip(), "an empty message"
    assert "\n" not in text, f"several lines: {text[:300]!r}"
    assert len(text) <= LONGEST_MESSAGE, f"{len(text)} characters: {text[:300]}"


def check_numbers(config: RunConfig, case: Case) -> None:
    """What was accepted is what was written, and no setting is NaN."""
    plain = to_plain(config)
    for path in paths(plain):
        value = at(plain, path)
        assert path[0] == "env" or not (isinstance(value, float) and math.isnan(value)), f"NaN was accepted at {path}"
    for path, number in case.numbers.items():
        with contextlib.suppress(KeyError, IndexError, TypeError):
            found = at(plain, path)
            if isinstance(found, (int, float)) and not isinstance(found, bool):
                same = float(found) == float(number) or (math.isnan(found) and math.isnan(number))
                assert same, f"{number} became {found} at {path}"


@contextlib.contextmanager
def limited_time(seconds: float) -> Iterator[None]:
    """Raise :class:`TookTooLongError` inside after so many seconds of computing."""

    def stop(*_: Any) -> None:
        raise TookTooLongError(f"{seconds} CPU seconds")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def main() -> int:
    """Try many; the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.configurations", description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="repeat the one with this number, and show it")
    given = parser.parse_args()
    torch.set_num_threads(1)
    every = sorted(shipped_configs())
    counts: dict[str, int] = {}
    for number in range(given.count) if given.only is None else [given.only]:
        rng = random.Random(f"{given.seed}/{number}")
        case = change(rng.choice(every), rng)
        if given.only is not None:
            sys.stdout.write(case.text[:20_000])
        begin = time.process_time()
        try:
            outcome = try_case(case)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome = "FAILED"
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename}:{last.lineno}"
            sys.stdout.write(f"{number} {case.name}: {type(error).__name__}: {' '.join(str(error).split())[:300]} ({where})\n")
            if given.only is not None:
                traceback.print_exc()
        if (seconds := time.process_time() - begin) > CPU_SECONDS / 4:
            sys.stdout.write(f"{number} {case.name}: {outcome} after {seconds:.0f} s\n")
        counts[outcome] = counts.get(outcome, 0) + 1
        sys.stdout.flush()
    sys.stdout.write(f"{counts}, seed {given.seed}\n")
    return counts.get("FAILED", 0)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
