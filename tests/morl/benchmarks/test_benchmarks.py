"""The table of benchmarks against the environments it describes."""

from __future__ import annotations

import importlib.util

import gymnasium
import mo_gymnasium  # noqa: F401 - registers its environments
import numpy as np
import pytest

from morl.benchmarks import Benchmark, benchmark, benchmark_ids
from morl.errors import ConfigurationError

pytestmark = pytest.mark.filterwarnings("ignore")
"""Making the environments of third parties warns about their versions and about the precision of their spaces."""
NEEDS = {"mo-highway": "highway_env", "mo-lunar-lander": "Box2D"}


def get(env_id: str) -> Benchmark:
    found = benchmark(env_id)
    assert found is not None
    return found


@pytest.mark.parametrize("env_id", benchmark_ids())
def test_row_fits_its_environment(env_id: str) -> None:
    row = get(env_id)
    assert len(set(row.objective_names)) == len(row.units) == row.num_objectives
    assert all(len(point) == row.num_objectives for point in row.reference_points)
    assert np.isfinite(row.reference_points).all()
    assert 0 < row.gamma <= 1
    for prefix, module in NEEDS.items():
        if env_id.startswith(prefix) and importlib.util.find_spec(module) is None:
            pytest.skip(f"{env_id} needs {module}")
    env = gymnasium.make(env_id, disable_env_checker=True)
    assert env.unwrapped.reward_space.shape == (row.num_objectives,)  # type: ignore[attr-defined]
    env.close()


def test_every_environment_that_can_run_here_is_in_the_table() -> None:
    registered = {i for i, spec in gymnasium.registry.items() if str(spec.entry_point).startswith("mo_gymnasium.")}
    assert registered - set(benchmark_ids()) == {"mo-supermario-v0"}, "Mario needs a numpy that is no longer supported"


@pytest.mark.parametrize(
    ("env_id", "point"),
    [
        ("mo-halfcheetah-v4", (-100, -100)),
        ("mo-hopper-2d-v4", (-100, -100)),
        ("mo-hopper-2obj-v5", (-100, -100)),
        ("mo-hopper-v4", (-100, -100, -100)),
        ("deep-sea-treasure-concave-v0", (0, -50)),
        ("fruit-tree-v0", (-1,) * 6),
        ("minecart-v0", (-1, -1, -200)),
        ("mo-lunar-lander-v3", (-101, -1001, -101, -101)),
        ("resource-gathering-v0", (-1, -1, -1)),
    ],
)
def test_published_reference_points(env_id: str, point: tuple[float, ...]) -> None:
    assert get(env_id).reference_points[0] == point
    assert get(env_id).reference_point().tolist() == list(point)


def test_halfcheetah_energy_has_another_scale_in_version_5() -> None:
    action = np.full(6, 0.5, dtype=np.float32)
    energies = {}
    for env_id in ("mo-halfcheetah-v4", "mo-halfcheetah-v5"):
        env = gymnasium.make(env_id, disable_env_checker=True)
        env.reset(seed=0)
        energies[env_id] = env.unwrapped.step(action)[1][get(env_id).objective_names.index("energy")]  # type: ignore[index]
        env.close()
    ratio = energies["mo-halfcheetah-v5"] / energies["mo-halfcheetah-v4"]
    assert ratio == pytest.approx(10.0)
    points = get("mo-halfcheetah-v4").reference_points[0], get("mo-halfcheetah-v5").reference_points[0]
    assert points[1][1] == pytest.approx(ratio * points[0][1])


def test_fishwood_objectives_are_in_the_order_of_the_code() -> None:
    env = gymnasium.make("fishwood-v0", fishproba=1.0, woodproba=1.0, disable_env_checker=True).unwrapped
    env.reset(seed=0)
    env.step(0)
    reward = np.asarray(env.step(0)[1])
    assert get("fishwood-v0").objective_names[int(reward.argmax())] == "fish"


def test_known_fronts_take_the_environment_that_was_made() -> None:
    row = get("deep-sea-treasure-v0")
    concave = gymnasium.make("deep-sea-treasure-concave-v0", disable_env_checker=True)
    front = row.known_front(1.0, concave)
    assert front is not None
    assert front.values.max() == 124.0
    own = row.known_front(1.0)
    assert own is not None
    assert own.exact
    assert own.values[:, 0].tolist() == [0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7]


def test_unknown_environments_and_fronts() -> None:
    assert benchmark("CartPole-v1") is None
    assert get("mo_gymnasium:deep-sea-treasure-v0") == get("deep-sea-treasure-v0")
    assert get("mo-hopper-v5").known_front(0.99) is None
    with pytest.raises(ConfigurationError, match="gamma is 2"):
        get("mo-hopper-v5").known_front(2.0)
