"""The ``morl`` command. What is heavy is imported inside the commands, so that ``morl --help`` answers at once."""

from __future__ import annotations

import errno
import io
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from time import perf_counter, strftime
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from morl import __version__
from morl.errors import MorlError, one_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from morl.experiments.result import Certificate, RunResult

P = ParamSpec("P")

app = typer.Typer(
    name="morl",
    help="Train populations of policies for trade-offs between objectives, and look at what they learned.",
    epilog="Start here: morl run quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(name="config", help="Look at configurations.", no_args_is_help=True)
app.add_typer(config_app)


def _completed_configs(incomplete: str) -> list[str]:
    from morl.experiments.shipped import shipped_configs

    here = (str(path) for path in Path().glob("*.yaml"))
    return [name for name in (*shipped_configs(), *here) if name.startswith(incomplete)]


def _completed_kinds(incomplete: str) -> list[str]:
    from morl.catalogue import every_kind

    return [kind for kind in every_kind() if kind.startswith(incomplete)]


Config = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="A YAML file, or the name of a shipped configuration (morl list configs).",
        autocompletion=_completed_configs,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Changes to the configuration, such as seed=1 evaluation.episodes=10."),
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the run directory only.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else, for scripts.")]

_SHOWN_COLUMNS, _SHOWN_TABLE_ROWS = 6, 12
_ALWAYS_SHOWN = ("lower", "verified", "upper", "bound", "status")
"""Columns of proofs and estimates, for which a table is made."""
_FILES_ONLY = ("population", "instances", "walks")
_SHOWN_ROWS = 25
_PIPE_WIDTH = 200
_settings = {"debug": False}


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


def _reported(command: Callable[P, None]) -> Callable[P, None]:
    """Report the project's errors as one line and exit code 2, Ctrl-C as exit code 130, and what nobody foresaw as 1."""

    @wraps(command)
    def reported(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt as interruption:
            typer.echo(one_line(str(interruption)) or "interrupted", err=True)
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BrokenPipeError:
            # Whoever reads has seen enough; what is still buffered must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(141) from None
        except Exception as error:
            if _settings["debug"]:
                raise
            text = one_line(str(error))
            if isinstance(error, (MorlError, OSError)):
                typer.echo(f"error: {text}", err=True)
                raise typer.Exit(2) from None
            typer.echo(f"error: {type(error).__name__}: {text}; nobody foresaw this, --debug shows where it happened", err=True)
            raise typer.Exit(1) from None

    return reported


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"morl {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    del version  # its callback has printed it
    _settings["debug"] = debug
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    logging.basicConfig(format="warning: %(message)s", level=logging.WARNING)
    # Simulators recommend their newer versions and announce changes: nothing that who runs an experiment can act upon.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", module=r"(gymnasium|mo_gymnasium|mujoco|pygame)(\..*)?")


@app.command(epilog="Example: morl run quickstart env_steps=20000 seed=1 --out runs/first")
@_reported
def run(
    config: Config,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run directory; by default runs/CONFIG/TIME-SEED.")] = None,
    env_steps: Annotated[
        str | None, typer.Option(metavar="N", help="Environment steps to train for; the same as env_steps=N.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train, and leave a run directory with the Pareto front, the policies and the plots."""
    from morl.experiments.config import load_config
    from morl.experiments.runner import run_config

    more = [] if env_steps is None else [f"env_steps={env_steps}"]
    loaded = load_config(config, [*(overrides or ()), *more])
    out = out or _free(Path("runs") / Path(config).stem / f"{strftime('%Y%m%d-%H%M%S')}-{loaded.seed}")
    _report(run_config(loaded, out=out, progress=_Watcher(quiet or as_json)), quiet, as_json)


@app.command(epilog="Example: morl resume runs/quickstart/20260101-120000-0 --env-steps 100000")
@_reported
def resume(
    run: RunPath,
    env_steps: Annotated[int | None, typer.Option(help="New total of environment steps; extends a finished run.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Go on with an interrupted run, to the very result it would have had; or extend a finished one."""
    from morl.experiments.runner import resume

    _report(resume(run, env_steps=env_steps, progress=_Watcher(quiet or as_json)), quiet, as_json)


@app.command(epilog="Example: morl evaluate runs/quickstart/20260101-120000-0 --episodes 50")
@_reported
def evaluate(
    run: RunPath,
    episodes: Annotated[int, typer.Option(min=1, help="Fresh episodes per policy.")] = 20,
    as_json: Json = False,
) -> None:
    """Judge the archived policies again, in episodes that had no part in choosing them."""
    from morl.experiments.reevaluation import reevaluate_run

    result, rows, indicators, path = reevaluate_run(run, episodes=episodes)
    if as_json:
        _print_json({"table": str(path), "indicators": indicators, "policies": rows})
        return
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


@app.command(epilog="Example: morl plot runs/quickstart/20260101-120000-0")
@_reported
def plot(run: RunPath) -> None:
    """Draw the plots of a run again."""
    from morl.experiments.result import Run
    from morl.experiments.run_directory import RunDirectory

    for path in RunDirectory(run).write_plots(Run.load(run)):
        typer.echo(path)


@app.command("list", epilog="Example: morl list solvers")
@_reported
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="A kind of component, or configs, benchmarks or environments.",
            autocompletion=_completed_kinds,
        ),
    ] = None,
) -> None:
    """List components, shipped configurations and environments: names, or the entries of one kind with a description.

    Every gymnasium environment can be trained on whose spaces a solver takes; those listed are installed here.
    """
    from morl.catalogue import entries
    from morl.experiments.shipped import shipped_configs
    from morl.registry import kinds, names

    if kind is None:
        for each in kinds():
            typer.echo(f"{each}: {', '.join(names(each))}")
        typer.echo(f"configs: {', '.join(shipped_configs()) or 'none'}")
        typer.echo("environments: see morl list environments; with reference points: morl list benchmarks")
        return
    rows, left_out = entries(kind)
    for row in rows:
        typer.echo("\t".join(row).rstrip("\t"))
    if left_out:
        typer.echo(f"left out: {'; '.join(left_out)}", err=True)


@app.command(epilog="Example: morl doctor")
@_reported
def doctor(as_json: Json = False) -> None:
    """Say what is installed, what trains where, and what is missing."""
    from morl.experiments.machine import diagnose

    checks = diagnose()
    if as_json:
        _print_json([{"check": name, "ok": good, "found": text} for name, good, text in checks])
    else:
        for name, good, text in checks:
            typer.echo(f"{'ok     ' if good else 'PROBLEM'}  {name}: {text}")
    if not all(good for _, good, _ in checks):
        raise typer.Exit(1)


@config_app.command("show", epilog="Example: morl config show quickstart solver.solver.gamma=0.98")
@_reported
def config_show(config: Config, overrides: Overrides = None) -> None:
    """Print a configuration with everything spelled out."""
    from morl.experiments.config import load_config, to_yaml

    typer.echo(to_yaml(load_config(config, overrides or ())), nl=False)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not end a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        arguments = ["--debug", *(a for a in arguments if a != "--debug")]
    app(arguments)


# --- what is printed -------------------------------------------------------------------------------------------------


def _free(path: Path) -> Path:
    """The path, numbered if something is there already."""
    numbered, number = path, 2
    while numbered.exists():
        numbered, number = path.with_name(f"{path.name}-{number}"), number + 1
    return numbered


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


class _Watcher:
    """Shows a run: a bar on a terminal, a line per evaluation otherwise."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._console = _console()
        self._bar: Bar | None = None
        self._shown = -1
        self._total = 0
        self._started = perf_counter()

    def start(self, description: Mapping[str, Any]) -> None:
        """Say what is trained on what, where."""
        if self._quiet:
            return
        d = description
        members = "1 policy" if d["members"] == 1 else f"{d['members']} policies"
        self._console.print(f"Training {d['solver']} on {d['env']} (objectives: {', '.join(d['objectives'])})")
        begin = f"from step {d['done']:,} to {d['env_steps']:,}" if d["done"] else f"{d['env_steps']:,} environment steps"
        threads = "1 thread" if d["threads"] == 1 else f"{d['threads']} threads"
        self._console.print(f"{members}, {begin}, seed {d['seed']}, device {d['device']}, {threads}")
        self._console.print(f"Run directory: {d['out']}")
        self._total = d["env_steps"]
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

    def update(self, env_steps: int, metrics: Mapping[str, Any]) -> None:
        """Show how far it is and the latest indicators."""
        if self._quiet:
            return
        seconds = max(perf_counter() - self._started, 1e-9)
        speed = f"{(env_steps - self._begin) / seconds:,.0f} steps/s" if env_steps > self._begin else ""
        name = "hypervolume" if "hypervolume" in metrics else "expected_utility"
        shown = f"{name.replace('_', ' ')} {_number(metrics[name])}"
        if "cardinality" in metrics:
            shown += f", {metrics['cardinality']} on the front"
        if self._bar is not None:
            self._bar.update(self._task, completed=env_steps, indicators=shown, speed=speed)
        elif metrics["env_steps"] != self._shown:
            self._console.print(f"{metrics['env_steps']:>11,} / {self._total:,}  {shown}  {speed}".rstrip())
        self._shown = metrics["env_steps"]

    def stop(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.stop()


def _print_json(content: Any) -> None:
    from morl.experiments.run_directory import json_text

    typer.echo(json_text(content), nl=False)


def _report(result: RunResult, quiet: bool, as_json: bool) -> None:
    """Print the front and where everything lies."""
    path = result.path
    assert path is not None
    try:
        _print_report(result, path, quiet, as_json)
    except BrokenPipeError:
        with suppress(OSError):
            typer.echo(f"nobody reads the report any more; the run is finished: {path}", err=True)
        raise


def _print_report(result: RunResult, path: Path, quiet: bool, as_json: bool) -> None:
    if as_json:
        from morl.experiments.run_directory import summary_of

        _print_json({"run_directory": str(path), **summary_of(result), "manifest": result.manifest})
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
    chosen = (
        sorted({round(i * (len(front) - 1) / (_SHOWN_ROWS - 1)) for i in range(_SHOWN_ROWS)})
        if len(front) > _SHOWN_ROWS
        else range(len(front))
    )
    for i in chosen:
        cells = [f"policy-{i:03d}", *(_measured(v, e) for v, e in zip(front[i].tolist(), errors[i].tolist(), strict=True))]
        table.add_row(*cells, *([" ".join(f"{w:.2f}" for w in weights[i])] if several else []))
    console.print()
    console.print(table)
    if len(front) > _SHOWN_ROWS:
        console.print(f"({len(front) - _SHOWN_ROWS} more in front.csv)")
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
