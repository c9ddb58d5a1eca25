"""Assessment: what is recorded, what is archived, and that it comes back."""

from __future__ import annotations

import numpy as np

from morl.archives import ParetoArchive
from morl.experiments.assessment import Assessor
from morl.experiments.evaluation import Evaluation, Evaluator
from morl.problem import make_problem
from morl.testing.solver import difference, through_files
from tests.conformance.cases import CORRIDOR, CPU
from tests.morl.experiments.test_evaluation import digs_at


def assessor() -> Assessor:
    return Assessor(Evaluator(make_problem(CORRIDOR), Evaluation(episodes=2), gamma=0.5, device=CPU), ParetoArchive())


def test_a_record_and_the_archive_agree() -> None:
    judge = assessor()
    weights = np.array([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]])
    record = judge.assess([digs_at(0), digs_at(3), digs_at(3)], weights=weights, members=[4, 7, 9], env_steps=123)
    assert judge.latest is record
    assert record.env_steps == 123
    assert record.returns.shape == (3, 2, 2)
    np.testing.assert_allclose(record.values, record.returns.mean(1))
    np.testing.assert_allclose(record.undiscounted, [[1.0, -1.0], [8.0, -4.0], [8.0, -4.0]])
    np.testing.assert_allclose(record.weights, weights)
    entries = judge.archive.entries
    # At discount 0.5 the fourth cell is worth 1, as the first is, and costs more; the duplicate is dropped anyway.
    assert [entry.member for entry in entries] == [4]
    (entry,) = entries
    assert (entry.gamma, entry.episodes, entry.deterministic, entry.env_steps) == (0.5, 2, True, 123)
    np.testing.assert_allclose(entry.weights, weights[0])
    weights[0] = 0.0
    np.testing.assert_allclose(entry.weights, [0.1, 0.9])
    np.testing.assert_allclose(record.weights[0], [0.1, 0.9])


def test_a_state_brings_everything_back() -> None:
    judge = assessor()
    judge.assess([digs_at(0), digs_at(1)], weights=np.eye(2), members=[0, 1], env_steps=5)
    other = assessor()
    other.load_state(through_files(judge.state()))
    assert difference(judge.state(), other.state()) is None
    assert other.evaluator.env_steps == judge.evaluator.env_steps > 0
    for each in (judge, other):
        each.assess([digs_at(2)], weights=np.eye(2)[:1], members=[2], env_steps=9)
    assert difference(judge.state(), other.state()) is None


def test_nothing_recorded_yet() -> None:
    judge, other = assessor(), assessor()
    other.assess([digs_at(0)], weights=np.eye(2)[:1], members=[0], env_steps=5)
    other.load_state(through_files(judge.state()))
    assert other.latest is None
    assert len(other.archive) == 0
