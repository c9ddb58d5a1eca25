"""One run in this process: train in slices, evaluate, checkpoint, report.

A run is a deterministic function of its configuration: slices, clocks and interruptions never change it. Everything that
decides what comes next is in the checkpoint: the learner, its archive, the counters, and the rows of the metrics table.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from morl.archives import ParetoArchive
from morl.capabilities import ChoosesTasks, HasFirstUpdate, ServesAnyWeights, criterion_of, solver_name
from morl.errors import CapabilityError, CheckpointError, ConfigurationError, MorlError
from morl.evaluation import (
    Evaluated,
    EvaluatesItself,
    HasReport,
    Record,
    Report,
    Table,
    candidates_of,
    evaluator_of,
    make_learner,
)
from morl.evaluation.record import own_utilities
from morl.experiments import machine
from morl.experiments.checkpoint import save_checkpoint
from morl.experiments.checks import ANOTHER, check_counters, check_finite
from morl.experiments.config import NOT_YAML, config_text
from morl.experiments.fresh_evaluation import evaluate_afresh
from morl.experiments.progress import Interrupted, Progress, Unheard, interruptible
from morl.experiments.recording import Recording, require_recordable
from morl.experiments.result import Preference, RunResult
from morl.experiments.run_config import RunConfig
from morl.experiments.run_directory import FORMAT_VERSION, RunDirectory
from morl.experiments.run_indicators import RunIndicators, expected_utilities
from morl.experiments.units import WORDS, option
from morl.files import naming
from morl.policies.base import BasePolicy
from morl.problem import Problem
from morl.protocols import State, prefixed, unprefixed
from morl.weights import largest_lattice

_log = logging.getLogger(__name__)

_SLICE_SECONDS = 0.2
_EVALUATIONS = 20
_CHECKPOINTS = 20
_CHECKPOINT_SHARE = 0.03
_PROGRESS_SHARE = 0.03
_PURPOSES = ("acting", "environment", "learning", "search", "evaluating")

_COUNTERS = (
    "done", "spent", "period", "checkpoint_period", "next_evaluation", "next_checkpoint",
    "metrics", "timing", "started_at",
)  # fmt: skip
"""Attributes of a session that a checkpoint holds as they are."""


class Session:
    """A run in this process."""

    def __init__(self, config: RunConfig, problem: Problem) -> None:
        self.config, self.problem = config, problem
        self.text = config_text(config, problem.spec.env_id)
        self.device = machine.resolve_device(config.device)
        self.threads = config.threads or machine.computing_threads(config.solver)
        solver, evaluation = config.solver, config.evaluation
        self.gamma = solver.gamma if evaluation.gamma is None else evaluation.gamma
        self.indicators = RunIndicators(problem, gamma=self.gamma, reference_point=evaluation.reference_point)
        task = None if config.task is None else config.task.make(problem.spec, criterion_of(solver))
        if task is not None and isinstance(solver, ChoosesTasks):
            raise CapabilityError(
                f"task: {type(solver).__name__} chooses its members' sub-problems itself; set {solver.instead_of_task()}"
            )
        with machine.using_threads(self.threads):
            self.learner = make_learner(solver, problem, task, seed=config.seed, device=self.device, evaluation=evaluation)
        own = self.learner if isinstance(self.learner, EvaluatesItself) else None
        self.record = Record(evaluator_of(solver, problem, evaluation, device=self.device), ParetoArchive())
        if own is not None:
            self.record = own.record
        self.evaluates_itself = own is not None
        usual = own.evaluation_period if own is not None else max(1, round(config.budget / _EVALUATIONS))
        period = evaluation.period or usual
        self.period, self.checkpoint_period = int(period), max(1, round(config.budget / _CHECKPOINTS))
        self.next_evaluation, self.next_checkpoint = 0, 0
        self.saved, self.saving, self.saved_steps = 0.0, 0.0, 0
        self.written, self.writing = 0.0, 0.0
        self.warned = False
        self.done = 0
        self.spent: dict[str, int] = {}
        self.report = Report()
        self.metrics: Table = []
        self.timing: Table = []
        self.earlier_seconds: dict[str, float] = {}
        self.started, self.started_at = time.perf_counter(), machine.now()
        self.directory: RunDirectory | None = None
        if config.record:
            require_recordable(config, self.learner)
        self.recording: Recording | None = None
        self.network: BasePolicy | None = None

    def _recording(self) -> Recording | None:
        """Who writes the training episodes, if somebody is to."""
        if self.config.record and self.recording is None:
            if self.directory is None:
                raise ConfigurationError("record: true writes to the run directory; say where it is (out=...)")
            self.recording = Recording(self.config, self.problem, self.learner, self.directory.path)
        return self.recording

    # --- training ----------------------------------------------------------------------------------------------------

    def train(self, progress: Progress) -> RunResult:
        """Train to the end, or to the interruption."""
        with machine.using_threads(self.threads):
            return self._train(Unheard(progress))

    def _train(self, progress: Progress) -> RunResult:
        with interruptible(self.directory is not None) as interrupted:
            self._write_manifest("running")
            self._recording()
            progress.start(self._description())
            try:
                self._loop(progress, interrupted)
            except Exception as error:
                if self.directory is not None and isinstance(error, OSError) and self.directory.concerns(error):
                    # Nothing more can be written; every file is whole, and so is the last checkpoint.
                    raise
                remedy = self._remedy()
                cause = str(error) if isinstance(error, MorlError) else f"{type(error).__name__}: {error}"
                self._write_manifest("failed", cause=cause + remedy)
                if isinstance(error, MorlError) and remedy:
                    raise type(error)(f"{error}{remedy}") from error
                raise
            finally:
                progress.stop()
            status = "interrupted" if interrupted() else "finished"
            result = self._result(status)
            if self.directory is not None:
                self.directory.write_result(result)
                result = dataclasses.replace(result, path=self.directory.path)
                if status == "interrupted":
                    raise Interrupted(self.directory.path, self.done, self.config.unit)
        return result

    def _loop(self, progress: Progress, interrupted: Callable[[], bool]) -> None:
        total, budget = self.config.budget, 1
        if not self.metrics:
            self._evaluate()
            self._checkpoint(always=True)
        progress.update(self.done, self.metrics[-1])
        while self.done < total and not interrupted() and not self.learner.is_finished:
            round_steps = self.learner.next_round()
            # What happens at a given time happens at the last round boundary before it, so that the length of the slices,
            # which follows the clock, decides nothing. The end of the budget is met exactly.
            target = min(self.next_evaluation, self.next_checkpoint, total)
            start = time.perf_counter()
            spent = self.learner.learn(min(max(budget, round_steps), target - self.done))
            seconds = time.perf_counter() - start
            if seconds < _SLICE_SECONDS / 2:
                budget = 2 * max(budget, round_steps)
            elif seconds > 2 * _SLICE_SECONDS:
                budget //= 2
            for purpose, count in spent.items():
                self.spent[purpose] = self.spent.get(purpose, 0) + count
            self.done = self.spent.get("training", 0) + self.spent.get("search", 0)
            self.learner.statistics()
            self._warn_without_update()
            if self._is_due(self.next_evaluation):
                self._evaluate()
            if self._is_due(self.next_checkpoint):
                self._checkpoint(always=self.done >= total)
            progress.update(self.done, self.metrics[-1])
        if self.learner.is_finished and self.metrics[-1][self.config.unit] != self.done:
            self._evaluate()
        if interrupted() or self.learner.is_finished:
            self._checkpoint(always=True)

    def _warn_without_update(self) -> None:
        """Say once, while there is time, that half of the budget has taught nothing."""
        if self.warned or 2 * self.done < self.config.budget:
            return
        self.warned = True
        if isinstance(self.learner, HasFirstUpdate) and (reason := self.learner.waits_for()):
            _log.warning(
                "nothing was learned in %s of %s %s: %s",
                f"{self.done:,}", f"{self.config.budget:,}", WORDS[self.config.unit], reason,
            )  # fmt: skip

    def _remedy(self) -> str:
        """How to get at what a failed run had found, if there is a way."""
        if self.directory is None or not self.saved_steps or self.text.startswith(NOT_YAML):
            return ""
        again = f"morl resume {self.directory.path} {option(self.config.unit)} {self.saved_steps}"
        return f"; '{again}' ends the run at its last good checkpoint"

    def _is_due(self, time: int) -> bool:
        """Whether no further round fits before a time, in the run's unit; at the end of the budget everything is due."""
        if time >= self.config.budget:
            return self.done >= self.config.budget
        return time - self.done < self.learner.next_round()

    def _evaluate(self) -> None:
        """Judge the policies of the moment and add a row to the metrics table."""
        check_finite(self.learner.policies())
        if isinstance(self.learner, EvaluatesItself):
            self.learner.evaluate()
        else:
            self.record.evaluate(candidates_of(self.learner), env_steps=self.done)
        indicators = self.indicators(self.record.archive.values, self._latest().values)
        if (utilities := self._utilities()) is not None:
            indicators["mean_utility"] = float(utilities.mean())
        # NaN is how a learner says that it has not learned anything yet: the cell stays empty.
        statistics = {name: None if math.isnan(x) else x for name, x in self.learner.statistics().items()}
        self.metrics.append({self.config.unit: self.done, **indicators, **statistics})
        self.timing.append({self.config.unit: self.done, **self._seconds()})
        while self.next_evaluation - self.done < self.learner.next_round():
            self.next_evaluation += self.period
        self._write_progress()

    def _write_progress(self) -> None:
        """Write the tables so far, unless that would take more than a small share of the time: they are in checkpoints too."""
        start = time.perf_counter()
        if self.directory is not None and (start - self.written) * _PROGRESS_SHARE >= self.writing:
            self.directory.write_progress(self.metrics, self.timing)
            self.written = time.perf_counter()
            self.writing = self.written - start

    def _checkpoint(self, *, always: bool = False) -> None:
        """Save the run, unless that would take more than a small share of the time; a checkpoint changes nothing."""
        while self.next_checkpoint - self.done < self.learner.next_round():
            self.next_checkpoint += self.checkpoint_period
        start = time.perf_counter()
        if self.directory is not None and (always or (start - self.saved) * _CHECKPOINT_SHARE >= self.saving):
            self.save(self.directory)
            self.saving = self.saved - start

    def save(self, directory: RunDirectory) -> None:
        """Write a checkpoint, and make readable what was recorded."""
        if self.recording is not None:
            self.recording.publish()
        with naming(directory.checkpoint):
            save_checkpoint(directory.checkpoint, self.state())
        self.saved, self.saved_steps = time.perf_counter(), self.done

    # --- state -------------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything needed to go on exactly."""
        own: State = {
            "config": self.text,
            **{name: getattr(self, name) for name in _COUNTERS},
            "seconds": self._seconds(),
            "threads": self.threads,
        }
        own |= prefixed("learner", self.learner.state()) | prefixed("measures", self.indicators.state())
        own |= {} if self.recording is None else prefixed("recording", self.recording.state())
        return own if self.evaluates_itself else own | prefixed("assessor", self.record.state())

    def load_state(self, state: State) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: Something is missing, or its parts do not belong together.
        """
        try:
            check_counters(state, self.config.unit)
            # Its range is declared where a configuration names it.
            dataclasses.replace(self.config, threads=state["threads"])
            for name in _COUNTERS:
                setattr(self, name, state[name])
            self.saved_steps = self.done
            self.earlier_seconds = state["seconds"]
            # The last bits of sums depend on the number of threads, so a run keeps the one it began with.
            self.threads = state["threads"]
            self.indicators.load_state(unprefixed("measures", state))
            self.learner.load_state(unprefixed("learner", state))
            if not self.evaluates_itself:
                self.record.load_state(unprefixed("assessor", state))
            if (recording := self._recording()) is not None:
                recording.load_state(unprefixed("recording", state))
        except CheckpointError:
            raise
        except KeyError as error:
            raise CheckpointError(f"the checkpoint lacks {error}: {ANOTHER}") from error
        except Exception as error:
            # Its sums are right, so it is whole: somebody else wrote it, or it is of another run.
            text = " ".join(str(error).split())
            raise CheckpointError(
                f"the checkpoint contradicts itself or the configuration ({type(error).__name__}: {text:.200}): {ANOTHER}"
            ) from error

    # --- reports -----------------------------------------------------------------------------------------------------

    def _seconds(self) -> dict[str, float]:
        """Seconds by purpose since the run began, over all processes that worked on it."""
        measured = dict(self.learner.timing)
        measured["evaluating"] = self.record.evaluator.seconds
        measured["total"] = time.perf_counter() - self.started
        seconds = {p: self.earlier_seconds.get(p, 0.0) + measured.get(p, 0.0) for p in (*_PURPOSES, "total")}
        seconds["other"] = seconds["total"] - sum(seconds[p] for p in _PURPOSES)
        return seconds

    def _description(self) -> dict[str, Any]:
        any_weights = largest_lattice(1, len(self.indicators.objectives))
        return {
            "env": self.problem.spec.env_id,
            "solver": solver_name(self.config.solver),
            "members": self.learner.n,
            "one_network": isinstance(self.learner, ServesAnyWeights) and bool(self.learner.candidates_at(any_weights)),
            "objectives": self.indicators.objectives,
            "device": machine.describe_device(self.device),
            "threads": self.threads,
            self.config.unit: self.config.budget,
            "unit": self.config.unit,
            "seed": self.config.seed,
            "done": self.done,
            "out": None if self.directory is None else self.directory.path,
        }

    def _manifest(self, status: str, **more: Any) -> dict[str, Any]:
        return {
            "format": FORMAT_VERSION,
            "status": status,
            **more,
            **machine.describe_machine(self.device),
            "seed": self.config.seed,
            "started": self.started_at,
            "ended": None if status == "running" else machine.now(),
            **self._accounts(),
            "wall_time": self._seconds(),
        }

    def _accounts(self) -> dict[str, Any]:
        """What was spent, environment steps by purpose: evaluations here, the learner's own and its report's count together."""
        evaluation = self.record.evaluator.env_steps + self.spent.get("evaluation", 0) + self.report.env_steps
        if self.config.unit == "updates":
            return {"updates": self.done, "env_steps": {"training": 0, "search": 0, "evaluation": evaluation}}
        return {"env_steps": {"training": 0, "search": 0, **self.spent, "evaluation": evaluation}}

    def _write_manifest(self, status: str, **more: Any) -> None:
        if self.directory is not None:
            self.directory.write_manifest(self._manifest(status, **more))

    def _result(self, status: str) -> RunResult:
        """Collect what the run leaves behind."""
        evaluation = self.config.evaluation
        others = {self.config.unit, *self.learner.statistics()}
        indicators = {name: value for name, value in self.metrics[-1].items() if name not in others}
        surveyed = self._survey() if status == "finished" else None
        if surveyed is not None:
            indicators |= self.indicators(self.record.archive.values, self._latest().values)
            indicators |= expected_utilities(surveyed.values, surveyed.weights)
        kept = [entry.policy for entry in self.record.archive]
        self.report = report = self.learner.report(kept) if isinstance(self.learner, HasReport) else Report()
        summary = {
            "status": status,
            "env": self.problem.spec.env_id,
            "solver": solver_name(self.config.solver),
            self.config.unit: self.done,
            "seed": self.config.seed,
            "gamma": self.gamma,
            "episodes": evaluation.episodes,
            "deterministic": evaluation.deterministic,
            "evaluation_seed": evaluation.seed,
            "truncated": self.record.evaluator.truncated,
            **self.indicators.describe(),
        }
        tables: dict[str, Table] = {"population": self._population(), **report.tables}
        if surveyed is not None:
            tables["preferences"] = self._table(surveyed, range(len(surveyed.values)), "candidate")
        result = RunResult(
            archive=self.record.archive,
            objectives=self.indicators.objectives,
            units=self.indicators.units,
            indicators=indicators,
            manifest=self._manifest(status),
            summary=summary,
            metrics=self.metrics,
            timing=self.timing,
            preference=Preference.of(self.learner.task.utility),
            config=self.text,
            certificate=report.certificate,
            tables=tables,
            figures=report.figures,
            network=self.network,
            evaluator=self.record.evaluator,
        )
        if not evaluation.final_episodes or status != "finished":
            return result
        table, fresh = evaluate_afresh(result, self.record.evaluator, self.indicators, episodes=evaluation.final_episodes)
        return dataclasses.replace(
            result,
            indicators={**indicators, **{f"fresh_{name}": value for name, value in fresh.items()}},
            tables={**result.tables, "fresh_evaluation": table},
        )

    def _survey(self) -> Evaluated | None:
        """Judge one network for all weights at evenly spread ones, where there is one; it is handed out with the result."""
        most = self.config.evaluation.final_preferences
        weights = largest_lattice(max(most, 1), self.problem.spec.num_objectives)
        final = self.learner.candidates_at(weights) if most and isinstance(self.learner, ServesAnyWeights) else []
        if not final:
            return None
        network = final[0].policy
        assert isinstance(network, BasePolicy)
        # The last evaluation took a snapshot of it, too: if that is archived, one of them is enough.
        latest = (entry.policy for entry in self.record.archive if entry.env_steps == self.done)
        self.network = next((policy for policy in latest if network.is_same(policy)), network)
        final = [dataclasses.replace(each, policy=self.network) if each.policy is network else each for each in final]
        return self.record.survey(final, env_steps=self.done)

    def _latest(self) -> Evaluated:
        assert self.record.latest is not None  # the first evaluation takes place before training
        return self.record.latest

    def _population(self) -> Table:
        latest, uids = self._latest(), self.learner.uids
        # One network may stand for other preferences than its members'.
        members = uids if len(uids) == len(latest.values) else range(len(latest.values))
        utilities, rows = self._utilities(), self._table(latest, members, "member")
        return rows if utilities is None else [{**row, "utility": float(u)} for row, u in zip(rows, utilities, strict=True)]

    def _table(self, found: Evaluated, names: Sequence[int], what: str) -> Table:
        """What was found of candidates: a number for each, values, errors and weights by objective."""
        columns = (("{}", found.values), ("{}_standard_error", found.standard_errors), ("weight_{}", found.weights))
        rows: Table = []
        for i, name in enumerate(names):
            row: dict[str, Any] = {what: name}
            for form, values in columns:
                row |= {form.format(o): value for o, value in zip(self.indicators.objectives, values[i].tolist(), strict=True)}
            rows.append(row)
        return rows

    def _utilities(self) -> torch.Tensor | None:
        """Each member's own utility at its latest evaluation, ``(n,)``."""
        task, latest = self.learner.task, self._latest()
        return None if task.num_members != len(latest.values) else own_utilities(task.utility, latest)
