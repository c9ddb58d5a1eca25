"""The ``morl`` command. What is heavy is imported inside the commands, so that ``morl --help`` answers at once."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import strftime
from typing import Annotated, ParamSpec

import typer

from morl import __version__
from morl.console import Watcher, print_data, print_fresh_evaluation, print_json, print_run
from morl.errors import MorlError, one_line

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

_settings = {"debug": False}


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
    print_run(run_config(loaded, out=out, progress=Watcher(quiet or as_json)), quiet, as_json)


def _free(path: Path) -> Path:
    """The path, numbered if something is there already."""
    numbered, number = path, 2
    while numbered.exists():
        numbered, number = path.with_name(f"{path.name}-{number}"), number + 1
    return numbered


@app.command(epilog="Example: morl resume runs/quickstart/20260101-120000-0 --env-steps 100000")
@_reported
def resume(
    run: RunPath,
    env_steps: Annotated[int | None, typer.Option(help="New total of environment steps; extends a finished run.")] = None,
    updates: Annotated[int | None, typer.Option(help="The same for a run that learns from data: new total of updates.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Go on with an interrupted run, to the very result it would have had; or extend a finished one."""
    from morl.experiments.runner import resume

    print_run(resume(run, env_steps=env_steps, updates=updates, progress=Watcher(quiet or as_json)), quiet, as_json)


@app.command(epilog="Example: morl evaluate runs/quickstart/20260101-120000-0 --episodes 50")
@_reported
def evaluate(
    run: RunPath,
    episodes: Annotated[int, typer.Option(min=1, help="Fresh episodes per policy.")] = 20,
    as_json: Json = False,
) -> None:
    """Judge the archived policies again, in episodes that had no part in choosing them."""
    from morl.experiments.fresh_evaluation import evaluate_run_afresh

    result, rows, indicators, path = evaluate_run_afresh(run, episodes=episodes)
    if as_json:
        print_json({"table": str(path), "indicators": indicators, "policies": rows})
        return
    print_fresh_evaluation(result, rows, indicators, path, episodes=episodes)


@app.command(epilog="Example: morl interpolate runs/quickstart/20260101-120000-0 --out filled")
@_reported
def interpolate(
    run: RunPath,
    between: Annotated[int, typer.Option(min=1, help="Policies that are tried between two neighbours.")] = 3,
    pairs: Annotated[int | None, typer.Option(min=1, help="Only the pairs with the widest gaps.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the run with what was added into this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Try policies between neighbours on the front of a run: no training, the price is an evaluation."""
    from morl.experiments.result import Run

    found = Run.load(run).interpolate(between=between, pairs=pairs)
    written = None if out is None else found.result.save(out)
    if as_json:
        numbers = {name: getattr(found, name) for name in ("tried", "added", "gain", "valleys", "env_steps")}
        ways = [{"ends": list(way.ends), "barrier": way.barrier, "added": way.added} for way in found.pairs]
        print_json({"run": None if written is None else str(written), **numbers, "pairs": ways})
        return
    typer.echo(found)
    if written is not None:
        typer.echo(written)


@app.command(epilog="Example: morl plot runs/quickstart/20260101-120000-0")
@_reported
def plot(run: RunPath) -> None:
    """Draw the plots of a run again."""
    from morl.experiments.result import Run
    from morl.experiments.run_directory import RunDirectory

    for path in RunDirectory(run).write_plots(Run.load(run)):
        typer.echo(path)


@app.command(epilog="Example: morl data runs/first/data --csv returns.csv")
@_reported
def data(
    path: Annotated[Path, typer.Argument(metavar="DATA", help="A data set, or a run directory that has one.")],
    gamma: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Discount of the returns; by default that of the recording run, or 1."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row per episode to this file, too.")] = None,
    as_json: Json = False,
) -> None:
    """Sum up a data set of episodes: how many, how long, which returns. Every file is read and checked."""
    from morl.data import Dataset, summary_of
    from morl.experiments.shipped import find_data
    from morl.experiments.tables import write_table

    found = Dataset.open(find_data(str(path)))
    summary = summary_of(found, gamma)
    if csv is not None:
        write_table(csv, found.table(summary["gamma"]))
    if as_json:
        print_json(summary)
        return
    print_data(summary)


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
        print_json([{"check": name, "ok": good, "found": text} for name, good, text in checks])
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
