"""Offline learning reproduces what its data shows."""

from __future__ import annotations

import numpy as np
import pytest

from morl.data import Dataset
from morl.evaluation import Evaluation
from morl.experiments.shipped import find_data
from morl.indicators import hypervolume
from morl.solvers import BehaviourCloning, MORvS

pytestmark = pytest.mark.learning

DATA = "data/deep-sea-treasure"
ONCE = Evaluation(episodes=1, period=1_000, final_preferences=0)


def test_morvs_gets_every_return_of_the_front_of_its_data() -> None:
    front = Dataset.open(find_data(DATA)).front(0.99)
    assert len(front) == 10
    result = MORvS().run("deep-sea-treasure-v0", data=DATA, updates=1_000, evaluation=ONCE)
    asked = np.array([[row["treasure"], row["time"]] for row in result.tables["population"]])
    assert hypervolume(asked, [0.0, -50.0]) >= 0.98 * hypervolume(front, [0.0, -50.0])
    np.testing.assert_allclose(np.unique(asked.round(4), axis=0), front.round(4), atol=1e-3)


def test_cloning_mixes_good_and_bad_of_the_same_preference() -> None:
    result = BehaviourCloning(hidden=(64, 64)).run("deep-sea-treasure-v0", data=DATA, updates=300, evaluation=ONCE)
    found = hypervolume(np.array([[row["treasure"], row["time"]] for row in result.tables["population"]]), [0.0, -50.0])
    assert 600.0 < found < 854.0
