"""Entry points of a run: from Python objects, from a configuration, or from a run directory to go on with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from morl.errors import CheckpointError, ConfigurationError
from morl.experiments.checkpoint import load_checkpoint
from morl.experiments.config import RunConfig, TaskConfig, from_yaml
from morl.experiments.evaluation import Evaluation
from morl.experiments.progress import Progress, Silent
from morl.experiments.result import RunResult
from morl.experiments.run_directory import RunDirectory
from morl.experiments.session import NOT_YAML, Session
from morl.problem import EnvLike, make_problem
from morl.protocols import Solver
from morl.scalarizations import Scalarization


def run(
    solver: Solver,
    env: EnvLike,
    *,
    env_steps: int,
    seed: int = 0,
    device: str = "auto",
    evaluation: Evaluation | None = None,
    out: str | Path | None = None,
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
        env_steps=env_steps,
        seed=seed,
        device=device,
        evaluation=Evaluation() if evaluation is None else evaluation,
        task=task,
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
    session = Session(config, make_problem(config.env if env is None else env, evaluation=config.evaluation))
    if out is not None:
        session.directory = RunDirectory.create(Path(out))
        session.directory.write_config(session.text)
    return session.train(progress or Silent())


def resume(path: str | Path, *, env_steps: int | None = None, progress: Progress | None = None) -> RunResult:
    """Continue a run; see :meth:`morl.experiments.result.Run.resume`."""
    directory = RunDirectory.open(Path(path))
    directory.check_version()
    text = directory.read_config()
    if text.startswith(NOT_YAML):
        raise CheckpointError(f"{directory.path / 'config.yaml'} says why this run cannot be resumed from its files")
    try:
        config = from_yaml(text, source=str(directory.path / "config.yaml"))
    except ConfigurationError as error:
        raise CheckpointError(
            f"{directory.path / 'config.yaml'} is damaged or was changed ({error}); restore it from a copy"
        ) from error
    state = load_checkpoint(directory.checkpoint)
    if state is not None:
        if missing := {"config", "env_steps"} - state.keys():
            raise CheckpointError(f"the checkpoint lacks {min(missing)}: it was written by another version; start a new run")
        saved = from_yaml(state["config"])
        if dataclasses.replace(saved, env_steps=config.env_steps) != config:
            raise ConfigurationError(
                f"{directory.path / 'config.yaml'} was changed since the run began; undo that, or start a new run with "
                f"'morl run {directory.path / 'config.yaml'}'"
            )
    if env_steps is not None:
        config = dataclasses.replace(config, env_steps=env_steps)
    if state is not None and config.env_steps < state["env_steps"]:
        raise ConfigurationError(f"env_steps {config.env_steps} is less than the {state['env_steps']} steps already done")
    session = Session(config, make_problem(config.env, evaluation=config.evaluation))
    session.directory = directory
    if state is not None:
        session.load_state(state)
    directory.write_config(session.text)
    return session.train(progress or Silent())
