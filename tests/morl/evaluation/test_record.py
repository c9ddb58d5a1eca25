"""The record of a population: what is found, what is archived, and that it comes back."""

from __future__ import annotations

import numpy as np

from morl.archives import ParetoArchive
from morl.evaluation import Evaluation, Evaluator, Record
from morl.problem import make_problem
from morl.protocols import Candidate
from morl.testing.solver import difference, through_files
from tests.conformance.cases import CORRIDOR, CPU
from tests.morl.evaluation.test_evaluator import digs_at


def empty() -> Record:
    return Record(Evaluator(make_problem(CORRIDOR), Evaluation(episodes=2), gamma=0.5, device=CPU), ParetoArchive())


def test_a_record_and_the_archive_agree() -> None:
    judge = empty()
    weights = np.array([[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]])
    some = [Candidate(digs_at(k), w, uid) for k, w, uid in zip((0, 3, 3), weights, (4, 7, 9), strict=True)]
    record = judge.evaluate(some, env_steps=123)
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
    judge = empty()
    judge.evaluate([Candidate(digs_at(k), np.eye(2)[k], k) for k in (0, 1)], env_steps=5)
    other = empty()
    other.load_state(through_files(judge.state()))
    assert difference(judge.state(), other.state()) is None
    assert other.evaluator.env_steps == judge.evaluator.env_steps > 0
    for each in (judge, other):
        each.evaluate([Candidate(digs_at(2), np.eye(2)[0], 2)], env_steps=9)
    assert difference(judge.state(), other.state()) is None


def test_nothing_recorded_yet() -> None:
    judge, other = empty(), empty()
    other.evaluate([Candidate(digs_at(0), np.eye(2)[0], 0)], env_steps=5)
    other.load_state(through_files(judge.state()))
    assert other.latest is None
    assert len(other.archive) == 0
