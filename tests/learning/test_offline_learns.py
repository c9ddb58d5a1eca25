"""Offline learning reproduces what its data shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from morl.data import Dataset
from morl.evaluation import Evaluation
from morl.experiments.shipped import find_data
from morl.indicators import hypervolume
from morl.solvers import BehaviourCloning, MORvS
from morl.solvers.offline.solver import OfflineSolver

pytestmark = pytest.mark.learning

ONCE = Evaluation(episodes=1, period=2_000, final_preferences=0)
FAST = {"hidden": (64, 64), "learning_rate": 3e-3, "batch_size": 64}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Every twentieth episode of the shipped data set, most of them bad, and one for each return of its front."""
    shipped = Dataset.open(find_data("data/deep-sea-treasure"))
    front, returns = shipped.front(0.99), shipped.returns(0.99)
    best = {int((returns == point).all(1).argmax()) for point in front}
    path = tmp_path_factory.mktemp("data")
    Dataset.of(shipped.header, [e for i, e in enumerate(shipped.episodes()) if i % 20 == 0 or i in best]).save(path)
    found = Dataset.open(path)
    assert len(front) == 10
    np.testing.assert_array_equal(found.front(0.99), front)
    return found


def asked(solver: OfflineSolver, data: Dataset, updates: int) -> npt.NDArray[np.float64]:
    """What the network got when it was asked for each return of the front, ``(10, 2)``."""
    result = solver.run("deep-sea-treasure-v0", data=data.path, updates=updates, evaluation=ONCE)
    return np.array([[row["treasure"], row["time"]] for row in result.tables["population"]])


def test_morvs_gets_every_return_of_the_front_of_its_data(data: Dataset) -> None:
    found, front = asked(MORvS(), data, 2_000), data.front(0.99)
    assert hypervolume(found, [0.0, -50.0]) >= 0.98 * hypervolume(front, [0.0, -50.0])
    np.testing.assert_allclose(np.unique(found.round(4), axis=0), front.round(4), atol=1e-3)


def test_cloning_mixes_good_and_bad_of_the_same_preference(data: Dataset) -> None:
    found = hypervolume(asked(BehaviourCloning(**FAST), data, 400), [0.0, -50.0])
    assert 500.0 < found < 854.0
