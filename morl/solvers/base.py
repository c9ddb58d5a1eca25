"""What every solver shares: the one ``run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.errors import ConfigurationError
from morl.fields import CheckedFields

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from morl.experiments.evaluation import Evaluation
    from morl.experiments.result import RunResult
    from morl.problem import EnvLike
    from morl.protocols import EnvFactory, Solver
    from morl.scalarizations import Scalarization


class RunnableSolver(CheckedFields):
    """Mixin of the solver dataclasses: trains from Python in one call."""

    def run(
        self,
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
        """Train on an environment and return what came out.

        Args:
            env: A gymnasium id, a mapping with ``id`` and arguments, or a callable that makes an environment.
            env_steps: Budget in environment steps, summed over members; evaluation is counted apart.
            seed: Seed of the run.
            device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
            evaluation: How policies are judged; the defaults of :class:`~morl.experiments.evaluation.Evaluation` if None.
            out: Directory to write the run to; None keeps everything in memory.
            weights: Preference of a single-member solver, ``(m,)`` on the simplex; equal weights if None.
            scalarization: Utility of a single-member solver; a weighted sum if None.
            ideal_point: Ideal point ``(m,)`` for scalarizations that need one, return units.

        Returns:
            The result: front, archive, indicators, policies.

        Raises:
            MorlError: The combination cannot work, or training failed; the message says why.
        """
        from morl.experiments.runner import run

        solver: Any = self
        return run(
            solver, env, env_steps=env_steps, seed=seed, device=device, evaluation=evaluation, out=out,
            weights=weights, scalarization=scalarization, ideal_point=ideal_point,
        )  # fmt: skip


def evaluator_of(solver: Solver, env: EnvFactory, *, device: torch.device) -> Any:
    """How the policies of a solver are judged: as the solver says (its own ``evaluator``), else as the problem says.

    Args:
        solver: Whose policies.
        env: The problem.
        device: Where policies act.

    Returns:
        A :class:`morl.experiments.evaluation.Evaluator`.
    """
    own = getattr(solver, "evaluator", None)
    return env.evaluator(gamma=solver.gamma, device=device) if own is None else own(env, device=device)


def waiting_for_episodes(solver: Any, ended: Any, lengths: Any) -> str:
    """What the first update of a solver that learns from whole episodes waits for, and the remedy.

    Args:
        solver: Which.
        ended: Rows whose episode of the first batch has ended, ``(R,)``.
        lengths: Steps of each row so far, ``(R,)``.
    """
    return (
        f"{type(solver).__name__} learns when the episodes of all its {len(ended)} rows have ended; {int(ended.sum())} have, "
        f"and the longest is at step {int(lengths.max()):,}; give the environment a time limit (max_episode_steps), lower "
        "rows_per_member, or raise env_steps"
    )


def require(condition: bool, message: str) -> None:
    """Raise a :class:`~morl.errors.ConfigurationError` unless a condition on solver fields holds."""
    if not condition:
        raise ConfigurationError(message)
