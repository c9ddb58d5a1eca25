"""Hypervolumes of the fronts that mo-gymnasium prints, and of those that are right where these are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import mo_gymnasium  # noqa: F401 - registers its environments
import numpy as np
import pytest

from morl.benchmarks import benchmark
from morl.functional.dominance import non_dominated
from morl.indicators import hypervolume, igd, maximum_utility_loss
from morl.weights import riesz

pytestmark = pytest.mark.filterwarnings("ignore:.*precision lowered by casting.*")

DEEP_SEA = (0.0, -50.0)
MINECART = (-1.0, -1.0, -200.0)
# environment, reference point, then hypervolume at gamma = 1, 0.99 and 0.98
TABLE = [
    ("deep-sea-treasure-v0", DEEP_SEA, 994.3, 854.8504, 731.6139),
    ("deep-sea-treasure-concave-v0", DEEP_SEA, 4255.0, 3688.3771, 3175.1971),
    ("deep-sea-treasure-mirrored-v0", DEEP_SEA, 4255.0, 3688.3771, 3175.1971),
    ("fruit-tree-v0", (0.0,) * 6, 12575.8733, 9302.3782, 6859.9417),
    ("resource-gathering-v0", (-1.0,) * 3, 3.729, 3.3451, 3.0219),
    ("minecart-v0", MINECART, 879.6953, 763.5194, 668.1833),
    ("minecart-deterministic-v0", MINECART, 944.929, 823.7928, 723.0482),
]
CASES = [
    (env_id, reference, gamma, value)
    for env_id, reference, *row in TABLE
    for gamma, value in zip((1.0, 0.99, 0.98), row, strict=True)
]


@pytest.fixture(scope="module")
def environments() -> Iterator[dict[str, Any]]:
    made = {env_id: gymnasium.make(env_id, disable_env_checker=True).unwrapped for env_id, *_ in TABLE}
    yield made
    for env in made.values():
        env.close()


@pytest.mark.parametrize(("env_id", "reference", "gamma", "expected"), CASES)
def test_printed_front(environments: dict[str, Any], env_id: str, reference: Any, gamma: float, expected: float) -> None:
    printed = np.asarray(environments[env_id].pareto_front(gamma=gamma))
    assert hypervolume(printed, reference) == pytest.approx(expected, abs=1e-3)
    found = benchmark(env_id)
    assert found is not None
    known = found.known_front(gamma, environments[env_id])
    assert known is not None
    assert non_dominated(known.values).all()
    assert known.exact == ("minecart" not in env_id)
    if env_id != "resource-gathering-v0":
        assert hypervolume(known.values, reference) == pytest.approx(expected, abs=1e-3)
        assert igd(printed, known.values) == 0.0
        assert maximum_utility_loss(printed, known.values, riesz(10, len(reference))) == pytest.approx(0.0, abs=1e-9)


def test_resource_gathering_is_discounted_once_too_often(environments: dict[str, Any]) -> None:
    printed = np.asarray(environments["resource-gathering-v0"].pareto_front(gamma=0.99))
    assert hypervolume(printed / 0.99, (-1.0,) * 3) == pytest.approx(3.374, abs=1e-3)


SAFE_ROUTE = [0, 0, 2, 0, 0, 3, 2, 1, 1, 3, 3, 3, 0, 1, 1, 1, 2, 2]
"""Up, up, left, up, up, right to the gold; back, round to the gem, home: 18 steps, no enemy."""


def test_resource_gathering_has_a_safe_route_to_both_resources(environments: dict[str, Any]) -> None:
    env = environments["resource-gathering-v0"]
    env.reset(seed=0)
    total = np.zeros(3)
    for step, action in enumerate(SAFE_ROUTE):
        _, reward, terminated, _, _ = env.step(action)
        total += 0.99**step * reward
        assert terminated == (step == len(SAFE_ROUTE) - 1)
    np.testing.assert_allclose(total, [0.0, 0.99**17, 0.99**17])
    assert (total[1:] > np.asarray(env.pareto_front(gamma=0.99)).min(axis=0)[1:]).all()


@pytest.mark.parametrize(("gamma", "expected"), [(1.0, 4.0), (0.99, 3.5194), (0.97, 2.8414)])
def test_resource_gathering_front_is_what_set_valued_value_iteration_finds(
    environments: dict[str, Any], gamma: float, expected: float
) -> None:
    env = environments["resource-gathering-v0"]
    exact = exact_front(env, gamma)
    found = benchmark("resource-gathering-v0")
    assert found is not None
    known = found.known_front(gamma, env)
    assert known is not None
    assert known.exact
    np.testing.assert_allclose(known.values, exact[np.lexsort(exact.T[::-1])], atol=1e-9)
    assert hypervolume(known.values, (-1.0,) * 3) == pytest.approx(expected, abs=1e-3)


def exact_front(env: Any, gamma: float, steps: int = 30) -> np.ndarray:
    """Pareto front over all action sequences of at most ``steps`` steps.

    Every action has a single successor that the episode survives to, so that backing up sets needs no combinations.
    """
    states = [(r, c, gold, gem) for r in range(5) for c in range(5) for gold in (0, 1) for gem in (0, 1)]
    moves: dict[Any, list[tuple[np.ndarray, float, Any]]] = {}
    for r, c, gold, gem in states:
        moves[r, c, gold, gem] = []
        for direction in env.dir.values():
            target = np.array([r, c]) + direction
            y, x = target if env.is_valid_state(target) else (r, c)
            cell = env.map[y, x]
            reward, survival = np.zeros(3), 1.0
            if cell in {"E1", "E2"}:
                reward, survival = np.array([-0.1, 0.0, 0.0]), 0.9
            elif cell == "H":
                reward, survival = np.array([0.0, gold, gem]), 0.0
            moves[r, c, gold, gem].append((reward, survival, (y, x, gold or int(cell == "R1"), gem or int(cell == "R2"))))
    front = {state: np.zeros((1, 3)) for state in states}
    for _ in range(steps):
        updated = {}
        for state in states:
            points = np.vstack([reward + gamma * survival * front[successor] for reward, survival, successor in moves[state]])
            points = points.round(12)
            updated[state] = points[non_dominated(points)]
        front = updated
    return front[(*env.initial_pos.tolist(), 0, 0)]
