"""Entry points of a run: from Python objects, from a configuration, or from a run directory to go on with."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from morl.capabilities import LearnsFromData, solver_name
from morl.data import DataProblem, Dataset
from morl.errors import CapabilityError, CheckpointError, ConfigurationError
from morl.evaluation import Evaluation
from morl.experiments.checkpoint import load_checkpoint
from morl.experiments.config import NOT_YAML, from_yaml
from morl.experiments.progress import Progress, Silent
from morl.experiments.result import RunResult
from morl.experiments.run_config import RunConfig, TaskConfig
from morl.experiments.run_directory import MISSING, RunDirectory
from morl.experiments.session import Session
from morl.experiments.shipped import find_data
from morl.experiments.units import SHORT, WORDS, option
from morl.files import remove
from morl.problem import EnvLike, Problem, make_problem
from morl.protocols import Solver, State
from morl.registry import plugins_of
from morl.scalarizations import Scalarization

_log = logging.getLogger(__name__)


def run(
    solver: Solver,
    env: EnvLike,
    *,
    env_steps: int | None = None,
    updates: int | None = None,
    data: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    evaluation: Evaluation | None = None,
    out: str | Path | None = None,
    record: bool = False,
    weights: Sequence[float] | None = None,
    scalarization: Scalarization | None = None,
    ideal_point: Sequence[float] | None = None,
) -> RunResult:
    """Train a solver; what :meth:`morl.solvers.base.RunnableSolver.run` calls, where the arguments are explained."""
    task = None
    if weights is not None or scalarization is not None or ideal_point is not None:
        task = TaskConfig(
            weights=None if weights is None else tuple(float(w) for w in weights),
            scalarization=scalarization,
            ideal_point=None if ideal_point is None else tuple(float(z) for z in ideal_point),
        )
    config = RunConfig(
        env=env if isinstance(env, (str, Mapping)) else {"id": f"custom/{getattr(env, '__name__', type(env).__name__)}"},
        solver=solver,
        data=None if data is None else str(data),
        env_steps=env_steps,
        updates=updates,
        seed=seed,
        device=device,
        evaluation=Evaluation() if evaluation is None else evaluation,
        plugins=plugins_of((solver, task)),
        task=task,
        record=record,
    )
    return run_config(config, env=env, out=out)


def run_config(
    config: RunConfig, *, env: EnvLike | None = None, out: str | Path | None = None, progress: Progress | None = None
) -> RunResult:
    """Run a configuration.

    Args:
        config: What to do.
        env: The environment where the configuration cannot hold it (a callable); None takes ``config.env``.
        out: Run directory; None keeps everything in memory.
        progress: Who watches.

    Returns:
        The result.

    Raises:
        MorlError: The combination cannot work, or training failed.
        Interrupted: Ctrl-C, after the run has saved itself (only with ``out``).
    """
    # Everything that can be wrong with the configuration is found before a file is written.
    session = Session(config, problem_of(config, env))
    if out is None:
        return session.train(progress or Silent())
    session.directory = directory = RunDirectory.create(Path(out))
    with directory.claimed():
        directory.write_config(session.text)
        return session.train(progress or Silent())


def problem_of(config: RunConfig, env: EnvLike | None = None) -> Problem:
    """What a run is about.

    Args:
        config: Of the run.
        env: See :func:`run_config`.

    Returns:
        An environment, or a data set with one that judges.

    Raises:
        CapabilityError: There is a data set, but the solver does not learn from any.
        DataError: The data set is missing, damaged, empty or of another problem.
    """
    if config.data is None:
        return make_problem(config.env if env is None else env)
    if not isinstance(config.solver, LearnsFromData):
        raise CapabilityError(
            f"data: {solver_name(config.solver)} learns from what it does in an environment; remove data and write env_steps, "
            "or choose a solver that learns from data, such as morvs or behaviour_cloning"
        )
    data = Dataset.open(find_data(config.data))
    return DataProblem.of(make_problem(config.env if env is None else env), data)


def resume(
    path: str | Path, *, env_steps: int | None = None, updates: int | None = None, progress: Progress | None = None
) -> RunResult:
    """Continue a run; see :meth:`morl.experiments.result.Run.resume`."""
    directory = RunDirectory.open(Path(path))
    directory.check_version()
    with directory.claimed():
        text = directory.read_config()
        if text.startswith(NOT_YAML):
            raise CheckpointError(f"{directory.path / 'config.yaml'} says why this run cannot be resumed from its files")
        directory.load_plugins(text)
        state = load_checkpoint(directory.checkpoint)
        config = _config_to_resume(directory, text, state)
        budgets = {"env_steps": env_steps, "updates": updates}
        if (budget := budgets.pop(config.unit)) is not None:
            config = config.with_budget(budget)
        if any(other is not None for other in budgets.values()):
            raise ConfigurationError(f"this run counts {WORDS[config.unit]}; give a new total by {option(config.unit)}")
        if state is not None and config.budget < state["done"]:
            already = f"{state['done']} {SHORT[config.unit]} already done"
            raise ConfigurationError(f"{config.unit} {config.budget} is less than the {already}")
        session = Session(config, problem_of(config))
        session.directory = directory
        if state is not None:
            session.load_state(state)
            if session.text != state["config"]:
                # The checkpoint says how far the run goes, also if this process ends before it writes the next one.
                session.save(directory)
        else:
            # The run starts over: what its manifest says of the configuration must not outlive that.
            remove(directory.path / "manifest.json")
        directory.write_config(session.text)
        return session.train(progress or Silent())


def _config_to_resume(directory: RunDirectory, text: str, state: State | None) -> RunConfig:
    """The configuration that the run began with, or was extended to.

    Args:
        directory: The run.
        text: Its ``config.yaml``.
        state: Its checkpoint, if there is one; the only witness of what the run is.

    Raises:
        CheckpointError: ``config.yaml`` cannot be read, or the checkpoint is of another version.
        ConfigurationError: ``config.yaml`` was changed, or needs something that is missing here.
    """
    path = directory.path / "config.yaml"
    if state is None:
        intact = directory.has_own_config()
        if intact is False:
            raise ConfigurationError(directory.changed)
    else:
        if "env_steps" in state:  # written before budgets had a unit
            state["done"] = state.pop("env_steps")
        if missing := {"config", "done"} - state.keys():
            raise CheckpointError(f"the checkpoint lacks {min(missing)}: it was written by another version; start a new run")
        if type(state["done"]) is not int or not isinstance(state["config"], str):
            raise CheckpointError(f"the checkpoint in {directory.checkpoint} was changed: delete that folder to start over")
        intact = text == state["config"]
    try:
        config = from_yaml(text, source=str(path))
    except ConfigurationError as error:
        if intact:
            raise ConfigurationError(f"{path} is as the run wrote it, but cannot be used here: {error} {MISSING}") from error
        raise CheckpointError(f"{path} is damaged or was changed ({error}); restore it from a copy") from error
    if state is None:
        return config
    saved = from_yaml(state["config"])
    if dataclasses.replace(saved, env_steps=config.env_steps, updates=config.updates) != config:
        raise ConfigurationError(directory.changed)
    if saved.budget != config.budget:
        _log.warning(
            "%s was changed to %s %d; that is not followed, the run goes to %d: only %s changes it",
            path, saved.unit, config.budget, saved.budget, option(saved.unit),
        )  # fmt: skip
    return saved
