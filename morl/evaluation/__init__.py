"""How policies are judged: settings, seeded episodes, the record of a population, and what solvers report."""

from morl.evaluation.capabilities import (
    EvaluatesItself,
    EvaluatingSolver,
    HasEvaluator,
    candidates_of,
    evaluator_of,
    make_learner,
)
from morl.evaluation.evaluator import Evaluation as Evaluation  # listed by `morl`
from morl.evaluation.evaluator import Evaluator, Returns
from morl.evaluation.record import Evaluated, Record
from morl.evaluation.report import Certificate, HasReport, Report, Table

__all__ = [
    "Certificate", "Evaluated", "EvaluatesItself", "EvaluatingSolver", "Evaluator", "HasEvaluator", "HasReport",
    "Record", "Report", "Returns", "Table", "candidates_of", "evaluator_of", "make_learner",
]  # fmt: skip
