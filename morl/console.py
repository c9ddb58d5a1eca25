"""What the ``morl`` command prints: how a run goes on, what it found, and what it is worth in fresh episodes."""

from __future__ import annotations

import errno
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from morl.experiments.units import SHORT, WORDS, Unit

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from morl.evaluation import Certificate
    from morl.experiments.result import RunResult

_SHOWN_COLUMNS, _SHOWN_TABLE_ROWS = 6, 12
_ALWAYS_SHOWN = ("lower", "verified", "upper", "bound", "status")
"""Columns of proofs and estimates, for which a table is made."""
_FILES_ONLY = ("population", "instances", "walks")
_SHOWN_ROWS = 25
_PIPE_WIDTH = 200


class _Console(Console):
    """A console that says when nobody reads it any more, instead of leaving the program."""

    def on_broken_pipe(self) -> None:
        """Called while the :class:`BrokenPipeError` is handled."""
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def _console() -> Console:
    console = _Console(highlight=False, soft_wrap=True)
    # A file or a pipe has no width: leave the tables in one piece.
    return console if console.is_terminal else _Console(highlight=False, soft_wrap=True, width=_PIPE_WIDTH)


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "-"
    if isinstance(value, int) or 10_000 <= abs(value) < math.inf:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _measured(value: float, error: float) -> str:
    # Equal numbers have a standard error of rounding noise.
    return f"{_number(value)} {_plus_minus()} {error:.2g}" if error > 1e-9 * abs(value) else _number(value)


def _plus_minus() -> str:
    """The sign, in letters that the output has."""
    try:
        "±".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "+/-"
    return "±"


class Watcher:
    """Shows a run: a bar on a terminal, a line per evaluation otherwise."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._console = _console()
        self._bar: Bar | None = None
        self._shown = -1
        self._total = 0
        self._unit: Unit = "env_steps"
        self._started = perf_counter()

    def start(self, description: Mapping[str, Any]) -> None:
        """Say what is trained on what, where."""
        if self._quiet:
            return
        d = description
        members = "1 policy" if d["members"] == 1 else f"{d['members']} policies"
        if d.get("one_network"):
            members = f"one network for all weights ({d['members']} in training)"
        self._console.print(f"Training {d['solver']} on {d['env']} (objectives: {', '.join(d['objectives'])})")
        self._unit, self._total = d["unit"], d[d["unit"]]
        word = WORDS[d["unit"]]
        begin = f"from {d['done']:,} to {self._total:,} {word}" if d["done"] else f"{self._total:,} {word}"
        threads = "1 thread" if d["threads"] == 1 else f"{d['threads']} threads"
        self._console.print(f"{members}, {begin}, seed {d['seed']}, device {d['device']}, {threads}")
        self._console.print(f"Run directory: {d['out']}")
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TextColumn("{task.fields[indicators]}"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=self._total, completed=d["done"], indicators="", speed="")
            self._bar.start()
        self._started, self._begin = perf_counter(), d["done"]

    def update(self, done: int, metrics: Mapping[str, Any]) -> None:
        """Show how far it is and the latest indicators."""
        if self._quiet:
            return
        seconds = max(perf_counter() - self._started, 1e-9)
        speed = f"{(done - self._begin) / seconds:,.0f} {SHORT[self._unit]}/s" if done > self._begin else ""
        name = "hypervolume" if "hypervolume" in metrics else "expected_utility"
        shown = f"{name.replace('_', ' ')} {_number(metrics[name])}"
        if "cardinality" in metrics:
            shown += f", {metrics['cardinality']} on the front"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, indicators=shown, speed=speed)
        elif metrics[self._unit] != self._shown:
            self._console.print(f"{metrics[self._unit]:>11,} / {self._total:,}  {shown}  {speed}".rstrip())
        self._shown = metrics[self._unit]

    def stop(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()


def print_json(content: Any) -> None:
    """Print one JSON object and nothing else."""
    from morl.files import json_text

    typer.echo(json_text(content), nl=False)


def print_run(result: RunResult, quiet: bool, as_json: bool) -> None:
    """Print the front and where everything lies."""
    path = result.path
    assert path is not None
    try:
        _print_run(result, path, quiet, as_json)
    except BrokenPipeError:
        with suppress(OSError):
            typer.echo(f"nobody reads the report any more; the run is finished: {path}", err=True)
        raise


def _print_run(result: RunResult, path: Path, quiet: bool, as_json: bool) -> None:
    if as_json:
        from morl.experiments.run_directory import summary_of

        print_json({"run_directory": str(path), **summary_of(result), "manifest": result.manifest})
        return
    if quiet:
        typer.echo(path)
        return
    console = _console()
    several = len(result.objectives) > 1
    front, errors, weights = result.front, result.standard_errors, result.weights
    count = "1 policy" if len(front) == 1 else f"{len(front)} policies"
    kind = "return" if result.summary["gamma"] == 1.0 else "discounted return"
    table = Table(title=f"Front: {count} (simulated: mean {kind} {_plus_minus()} standard error)", title_justify="left")
    table.add_column("policy")
    for name, unit in zip(result.objectives, result.units, strict=True):
        # A return is a sum over steps: its unit is not that of one step.
        table.add_column(f"{name}\n[sum of {unit}]" if unit else name, justify="right", header_style="bold")
    if several:
        table.add_column("trained for weights", justify="right", no_wrap=True)
    most = min(len(front), _SHOWN_ROWS)
    for i in (round(k * (len(front) - 1) / max(most - 1, 1)) for k in range(most)):  # evenly, the ends among them
        cells = [f"policy-{i:03d}", *(_measured(v, e) for v, e in zip(front[i].tolist(), errors[i].tolist(), strict=True))]
        table.add_row(*cells, *([" ".join(f"{w:.2f}" for w in weights[i])] if several else []))
    console.print()
    console.print(table)
    if len(front) > most:
        console.print(f"({len(front) - most} more in front.csv)")
    if "hypervolume" in result.indicators:
        point = ", ".join(f"{x:g}" for x in result.summary["reference_point"])
        console.print(f"Hypervolume {_number(result.indicators['hypervolume'])} from reference point ({point})")
    if result.certificate is not None:
        console.print(_certificate(result.certificate))
    seconds = result.manifest["wall_time"]
    shares = ", ".join(
        f"{name} {share:.0%}"
        for name in seconds
        if name != "total" and (share := seconds[name] / max(seconds["total"], 1e-9)) >= 0.005
    )
    console.print(f"Time {seconds['total']:.0f} s: {shares}")
    for name, rows in result.tables.items():
        if name not in _FILES_ONLY and 0 < len(rows) <= _SHOWN_TABLE_ROWS:
            console.print(_report_table(name, rows))
    console.print(f"Plot: {path / 'plots' / 'front.png'}")
    if more := sorted(plot.name for plot in (path / "plots").glob("*.png") if plot.name != "front.png"):
        console.print(f"Beside it: {', '.join(more)}")
    console.print(f"Run directory: {path}")


def _certificate(found: Certificate) -> str:
    """What is proven or estimated beside what was simulated, and how sure that is."""
    if math.isinf(found.lower) and math.isinf(found.upper):
        return f"Bounds: none; {found.semantics}"
    kind = "Proven" if found.proven else "Estimated, not proven"
    return (
        f"{kind}: lower bound {_number(found.lower)}, upper bound {_number(found.upper)}, gap {_number(found.gap)} "
        f"({found.status}); {found.semantics}"
    )


def _report_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Some columns of a small table that the solver wrote, bounds among them; the file has all of them."""
    columns = [column for column in rows[0] if any(row.get(column) is not None for row in rows)]
    always = [column for column in columns if column in _ALWAYS_SHOWN]
    others = [column for column in columns if column not in always][: max(0, _SHOWN_COLUMNS - len(always))]
    shown = [column for column in columns if column in others or column in always]
    left = f", {len(columns) - len(shown)} more columns there" if len(columns) > len(shown) else ""
    table = Table(title=f"{name.capitalize()} (tables/{name}.csv{left})", title_justify="left")
    for column in shown:
        is_number = all(isinstance(row.get(column), int | float | None) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in shown))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_fresh_evaluation(
    result: RunResult, rows: Sequence[Mapping[str, Any]], indicators: Mapping[str, float], path: Path, *, episodes: int
) -> None:
    """Print what the policies are worth in fresh episodes, beside what the run found."""
    console = _console()
    table = Table(title=f"{len(rows)} policies in {episodes} fresh episodes", title_justify="left")
    table.add_column("policy")
    for name in result.objectives:
        table.add_column(name, justify="right")
        table.add_column("archived", justify="right", style="dim")
    table.add_column("non-dominated")
    for row in rows[:_SHOWN_ROWS]:
        cells = [row["policy"]]
        for name in result.objectives:
            cells += [_measured(row[name], row[f"{name}_standard_error"]), _number(row[f"{name}_archived"])]
        table.add_row(*cells, "yes" if row["non_dominated"] else "no")
    console.print(table)
    for name, value in indicators.items():
        console.print(f"{name.replace('_', ' ')}: {_number(value)} (in the run: {_number(result.indicators.get(name))})")
    console.print(f"table: {path}")


def print_data(summary: Mapping[str, Any]) -> None:
    """Print what :func:`morl.data.summary_of` found."""
    console = _console()
    d = summary
    console.print(f"{d['episodes']:,} episodes of {d['env']}, {d['steps']:,} steps, the longest {d['longest']:,}")
    kind = "return" if d["gamma"] == 1.0 else f"return discounted by {d['gamma']:g}"
    table = Table(title=f"Returns ({kind})", title_justify="left")
    for column in ("objective", "lowest", "mean", "highest"):
        table.add_column(column, justify="left" if column == "objective" else "right")
    for name, found in d["objectives"].items():
        unit = f" [sum of {found['unit']}]" if found["unit"] else ""
        table.add_row(name + escape(unit), *(_number(float(found[column])) for column in ("lowest", "mean", "highest")))
    console.print(table)
    cut = d["episodes"] - d["terminated"]
    console.print(f"{d['front']:,} returns on the front; {d['terminated']:,} episodes terminated, {cut:,} were cut")
    console.print(f"{d['weights']:,} episodes with recorded weights, by {d['policies']:,} policies")
