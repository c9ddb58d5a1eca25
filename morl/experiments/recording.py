"""A run's training episodes become a data set in its directory (``record: true``)."""

from __future__ import annotations

from pathlib import Path

from morl.capabilities import TellsEpisodes
from morl.data import DatasetWriter, Header, Recorder
from morl.errors import CapabilityError
from morl.evaluation import HasEvaluator
from morl.experiments.run_config import RunConfig
from morl.problem import Problem
from morl.protocols import Learner, State, prefixed, unprefixed

FOLDER = "data"
"""Of the run directory."""


class Recording:
    """Listens to a learner and writes what it went through."""

    def __init__(self, config: RunConfig, problem: Problem, learner: Learner, path: Path) -> None:
        """Listen from now on.

        Args:
            config: Of the run.
            problem: Where it acts.
            learner: Who acts.
            path: The run directory.
        """
        solver = config.solver
        header = Header.of(problem.spec, gamma=solver.gamma, recorded_by={"solver": type(solver).__name__, "seed": config.seed})
        self.writer = DatasetWriter(path / FOLDER, header)
        self.recorder = Recorder(self.writer)
        assert isinstance(learner, TellsEpisodes)
        learner.tell(self.recorder)

    def publish(self) -> None:
        """Make every finished episode readable."""
        self.writer.publish()

    def state(self) -> State:
        """Everything needed to go on exactly."""
        return {**prefixed("open", self.recorder.state()), **prefixed("writer", self.writer.state())}

    def load_state(self, state: State) -> None:
        """Go on from a saved state; what was written after it is written again, and no episode twice."""
        self.recorder.load_state(unprefixed("open", state))
        self.writer.load_state(unprefixed("writer", state))


def require_recordable(config: RunConfig, learner: Learner) -> None:
    """Refuse a run whose episodes cannot be kept as a data set.

    Args:
        config: With ``record: true``.
        learner: Who acts.

    Raises:
        CapabilityError: Says why.
    """
    name = type(config.solver).__name__
    if isinstance(config.solver, HasEvaluator):
        raise CapabilityError(
            f"record: {name} trains under several transition models, which a data set does not tell apart; set record: false"
        )
    if not isinstance(learner, TellsEpisodes):
        raise CapabilityError(f"record: {name} has no training episodes of its own to record; set record: false")
