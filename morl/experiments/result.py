"""What a run returns: the front, the policies behind it, and what is known about how they came about."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from envs.arrays import read_floats
from morl.archives import Archive, ArchiveEntry
from morl.errors import ConfigurationError, MorlError, ShapeError
from morl.evaluation.evaluator import Evaluator
from morl.evaluation.report import Certificate, Table
from morl.policies.base import BasePolicy
from morl.scalarizations import Scalarization, WeightedSum

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from morl.experiments.interpolation import Interpolation
    from morl.protocols import Policy
    from morl.task import Utility

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Preference:
    """How a run turns a vector value and weights into one number; what :meth:`RunResult.policy` maximises."""

    scalarization: Scalarization = field(default_factory=WeightedSum)
    """The run's scalarization."""
    ideal_point: tuple[float, ...] | None = None
    """The run's final ideal point ``(m,)``, return units; None: the best archived value of each objective."""
    scale: tuple[float, ...] | None = None
    """Unit of each objective ``(m,)``, return units; None means 1."""

    @classmethod
    def of(cls, utility: Utility) -> Self:
        """That of a population's utility."""

        def vector(tensor: Tensor | None) -> tuple[float, ...] | None:
            return None if tensor is None else tuple(tensor.reshape(-1, tensor.shape[-1])[0].tolist())

        return cls(scalarization=utility.scalarization, ideal_point=vector(utility.ideal_point), scale=vector(utility.scale))

    def __call__(self, values: Array, weights: Array) -> Array:
        """Utility of values ``(p, m)`` under weights ``(m,)``: ``(p,)``, larger is better."""
        scale = np.ones(values.shape[1]) if self.scale is None else np.asarray(self.scale)
        ideal = values.max(0) if self.ideal_point is None else np.asarray(self.ideal_point)
        return np.asarray(self.scalarization(values / scale, np.broadcast_to(weights, values.shape), ideal_point=ideal / scale))


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """What a run answers to a preference."""

    policy: Policy
    """Acts for it."""
    origin: Literal["archive", "network"]
    """The best of the archived policies, or the run's one network for all weights at just these weights."""
    values: Array
    """Its mean discounted return, ``(m,)``, return units."""
    utility: float
    """Of these values, by the run's own utility."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """Everything a run leaves behind; the same object comes from training and from :meth:`Run.load`.

    Arrays have one row per policy of the front, ordered by the first objective.
    """

    archive: Archive
    """Every policy kept, with its values under both discounts."""
    objectives: tuple[str, ...]
    """Names of the objectives, ``m``."""
    units: tuple[str, ...]
    """Their units, ``m``; empty text for none."""
    indicators: Mapping[str, float]
    """Final indicators, such as ``hypervolume``."""
    manifest: Mapping[str, Any]
    """Versions, device, seed, environment steps and wall time by purpose."""
    summary: Mapping[str, Any]
    """Reference point, discount, episodes and seeds behind the indicators; status of the run."""
    metrics: Table
    """One row per evaluation: ``env_steps`` (or ``updates``), indicators, training statistics."""
    timing: Table
    """One row per evaluation: ``env_steps`` (or ``updates``) and seconds by purpose."""
    preference: Preference
    """The run's own utility."""
    config: str
    """The resolved configuration, YAML."""
    certificate: Certificate | None = None
    """Proven bounds; None where the solver proves none."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    """What the solver adds; always ``population``: weights and latest values of the members."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Figures that the solver adds."""
    network: BasePolicy | None = None
    """The final network for all weights, where there is one."""
    evaluator: Evaluator | None = None
    """Judges as the run did; None for one that is read from files, where it is made when it is needed."""
    path: Path | None = None
    """The run directory, if there is one."""

    @property
    def entries(self) -> tuple[ArchiveEntry, ...]:
        """Archive entries in the order of :attr:`front`."""
        return tuple(sorted(self.archive.entries, key=lambda entry: tuple(entry.values)))

    def _stacked(self, name: str) -> Array:
        return (
            np.stack([getattr(entry, name) for entry in self.entries])
            if len(self.archive)
            else np.zeros((0, len(self.objectives)))
        )

    @property
    def front(self) -> Array:
        """Non-dominated values ``(p, m)`` at the evaluation's discount, return units."""
        return self._stacked("values")

    @property
    def values(self) -> Array:
        """The same as :attr:`front`."""
        return self.front

    @property
    def undiscounted(self) -> Array:
        """Undiscounted values of the same policies, ``(p, m)``, return units."""
        return self._stacked("undiscounted")

    @property
    def standard_errors(self) -> Array:
        """Standard errors of :attr:`front`, ``(p, m)``, return units; NaN where one episode gives none."""
        return self._stacked("standard_errors")

    @property
    def weights(self) -> Array:
        """Preference each policy was trained for, ``(p, m)``; NaN where there is none."""
        m = len(self.objectives)
        rows = [np.full(m, np.nan) if entry.weights is None else entry.weights for entry in self.entries]
        return np.stack(rows) if rows else np.zeros((0, m))

    def policy(self, weights: Sequence[float] | Array | None = None) -> Policy:
        """Pick the policy that is best for a preference, by the run's own utility; :meth:`choose` says where it is from.

        It is the best archived one; or, after a run with one network for all weights, that network at these weights, where a
        few episodes say that it is better. A policy that takes weights acts by those that it was picked with, unless it is
        given others.

        Args:
            weights: Preference ``(m,)`` on the simplex; None only with one objective.

        Returns:
            A policy: ``policy.act(observation)``.

        Raises:
            ShapeError: Not one weight per objective.
            ConfigurationError: The weights are off the simplex, or nothing was archived.
        """
        return self.choose(weights).policy

    def choose(self, weights: Sequence[float] | Array | None = None) -> Choice:
        """Pick as :meth:`policy` does, and say what was picked; same arguments and errors."""
        entry = self.entry(weights)
        preference = self._checked(weights)

        def utility(values: Array) -> float:
            return float(self.preference(values[None], preference)[0])

        policy = entry.policy if entry.weights is None else entry.policy.at(entry.weights)
        archived = Choice(policy=policy, origin="archive", values=entry.values, utility=utility(entry.values))
        if self.network is None:
            return archived
        at = self.network.at(preference)
        try:
            values = self.judge([at], weights=preference[None]).mean()[0]
        except MorlError as error:
            _log.info("the network cannot be tried here (%s): the answer is from the archive", error)
            return archived
        ours = Choice(policy=at, origin="network", values=values, utility=utility(values))
        best = max(archived, ours, key=lambda choice: choice.utility)
        _log.info("policy for %s: from the %s, utility %.6g", preference.tolist(), best.origin, best.utility)
        return best

    @cached_property
    def judge(self) -> Evaluator:
        """Plays episodes as the run did: ``judge(policies, weights=...).mean()``. Made again for a run from files."""
        if self.evaluator is not None:
            return self.evaluator
        from morl.experiments.fresh_evaluation import evaluator_from

        return evaluator_from(self.config)[0]

    def _checked(self, weights: Sequence[float] | Array | None) -> Array:
        """A preference ``(m,)``; see :meth:`policy`."""
        m = len(self.objectives)
        if weights is None and m > 1:
            raise ConfigurationError(f"a preference over {m} objectives is needed: policy([{', '.join([f'{1 / m:.2g}'] * m)}])")
        return checked_weights(np.ones(1) if weights is None else weights, m, self.objectives)

    def entry(self, weights: Sequence[float] | Array | None = None) -> ArchiveEntry:
        """The best archive entry for a preference, with its values; arguments and errors of :meth:`policy`."""
        preference = self._checked(weights)
        return self.archive.best(lambda values: self.preference(values, preference))

    def interpolate(self, *, between: int = 3, pairs: int | None = None) -> Interpolation:
        """Fill gaps of the front: try policies whose parameters lie between those of neighbours on it.

        That costs an evaluation and no training. It works between relatives, such as members that began as copies of each
        other; what it does between others the barrier of each pair tells (:mod:`morl.experiments.interpolation`). Values are
        those of the run's own evaluation episodes, so quote what fresh episodes say (``morl evaluate``).

        Args:
            between: Policies that are tried between two neighbours.
            pairs: Pairs of neighbours, those with the widest gap first; None for all.

        Returns:
            What was found; ``interpolate().result`` is the run with what is worth keeping.

        Raises:
            CapabilityError: Nothing can lie between any two of the policies: they are tables of choices, or one network.
            ConfigurationError: ``between`` or ``pairs`` is no whole number of at least 1.
        """
        from morl.experiments.interpolation import interpolate

        return interpolate(self, between=between, pairs=pairs)

    def save(self, path: str | Path) -> Path:
        """Write the run directory.

        Args:
            path: A folder that does not exist or is empty.

        Returns:
            The folder.

        Raises:
            ConfigurationError: The folder is not empty.
            MorlError: The disk refuses; names the file.
        """
        from morl.experiments.run_directory import RunDirectory

        directory = RunDirectory.create(Path(path))
        with directory.writing():
            directory.write_config(self.config)
            directory.write_result(self)
        return directory.path


def checked_weights(weights: Any, num_objectives: int, objectives: Sequence[str] = ()) -> Array:
    """Check a preference.

    Args:
        weights: ``(m,)``.
        num_objectives: ``m``.
        objectives: Their names, for the message.

    Returns:
        The weights as float64.

    Raises:
        ShapeError: Not one weight per objective.
        ConfigurationError: Negative, not finite, or not summing to one.
    """
    try:
        array = read_floats("weights", weights)
    except ValueError as error:
        raise ShapeError(str(error)) from None
    if array.shape != (num_objectives,):
        names = f" ({', '.join(objectives)})" if objectives else ""
        raise ShapeError(f"weights have shape {array.shape}; expected ({num_objectives},), one per objective{names}")
    # A weight that is what the others leave of one may come out a little below 0.
    if not (np.isfinite(array).all() and (array >= -1e-6).all() and abs(array.sum() - 1) < 1e-4):
        raise ConfigurationError(
            f"weights must be nonnegative and sum to one, found {array.tolist()} with sum {array.sum():.6g}"
        )
    return np.maximum(array, 0.0)


class Run:
    """Runs on disk."""

    @staticmethod
    def load(path: str | Path) -> RunResult:
        """Read a finished (or interrupted) run; needs nothing of what trained it.

        Args:
            path: The run directory.

        Returns:
            The result, as training returned it.

        Raises:
            CheckpointError: Something is missing, truncated, altered or of another version; names the file and the remedy.
            ConfigurationError: The run needs a plug-in that is missing here; names it.
        """
        from morl.experiments.run_directory import RunDirectory

        return RunDirectory.open(Path(path)).read_result()

    @staticmethod
    def resume(path: str | Path, *, env_steps: int | None = None, updates: int | None = None) -> RunResult:
        """Continue an interrupted run to the result it would have had, or extend a finished one.

        One process at a time; what ``config.yaml`` says of ``env_steps`` is not followed if it was changed.

        Args:
            path: The run directory.
            env_steps: New total of environment steps; None keeps the run's own.
            updates: New total of updates, of a run that learns from data; None keeps its own.

        Returns:
            The result.

        Raises:
            CheckpointError: There is nothing whole to go on from.
            ConfigurationError: ``env_steps`` is less than what was already done, the configuration was changed, or a plug-in is
                missing here.
            MorlError: Another process works on the run, or the disk refuses.
        """
        from morl.experiments.runner import resume

        return resume(path, env_steps=env_steps, updates=updates)
