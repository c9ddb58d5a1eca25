"""The second kind of problem: a data set to learn from, and an environment to be judged in."""

from __future__ import annotations

from dataclasses import dataclass

from morl.data.dataset import Dataset
from morl.data.episode import Header
from morl.errors import DataError
from morl.problem import Problem


@dataclass(frozen=True, kw_only=True)
class DataProblem(Problem):
    """A problem that is solved from a data set; nothing is learned from its environment, which only judges."""

    data: Dataset
    """The episodes."""

    @classmethod
    def of(cls, judge: Problem, data: Dataset) -> DataProblem:
        """Put both together.

        Args:
            judge: The environment in which policies are judged.
            data: Episodes of the same environment.

        Raises:
            DataError: The data set is empty, or of another environment, action space, observation space or other objectives.
        """
        if not len(data):
            raise DataError(f"{data!r} has no finished episode to learn from; let the run that records it go on for longer")
        data.header.require_same(Header.of(judge.spec), "env")
        return cls(judge.spec, judge.make_env, judge.make_batched, data=data)
