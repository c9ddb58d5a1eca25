"""Archives: what stays, in which order, what is copied when, exact saving, bad input."""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from morl.archives import Archive, ArchiveEntry, BoundedArchive, ConvexCoverageSet, ParetoArchive, Status
from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.policies import TabularPolicy
from morl.scalarizations import Chebyshev, WeightedSum
from morl.testing import check_archive

ARCHIVES: list[Archive] = [ParetoArchive(), ConvexCoverageSet(), BoundedArchive(), BoundedArchive(capacity=3)]


def entry(*values: float, **changes: Any) -> ArchiveEntry:
    given: dict[str, Any] = {
        "values": values,
        "standard_errors": [0.1] * len(values),
        "undiscounted": [2 * v for v in values],
        "weights": None,
        "policy": None,
        "env_steps": 10,
        "member": 0,
        "episodes": 5,
        "gamma": 0.99,
        "deterministic": True,
    }
    return ArchiveEntry(**(given | changes))


def tabular(action: int) -> TabularPolicy:
    space = gym.spaces.Discrete(4)
    return TabularPolicy(space, gym.spaces.Discrete(3), torch.full((1, 4), action))


@pytest.mark.parametrize("archive", ARCHIVES, ids=repr)
@pytest.mark.parametrize("m", [1, 2, 4])
def test_conformance(archive: Archive, m: int) -> None:
    check_archive(archive, num_objectives=m)


def test_statuses() -> None:
    archive = ParetoArchive()
    assert archive.add([entry(1.0, 1.0)]) == [Status.ADDED]
    offered = [entry(0.0, 1.0), entry(1.0, 1.0), entry(2.0, 0.0), entry(2.0, 0.0)]
    assert archive.add(offered) == [Status.DOMINATED, Status.DUPLICATE, Status.ADDED, Status.DUPLICATE]
    assert archive.add([entry(3.0, 3.0)]) == [Status.ADDED]
    assert archive.values.tolist() == [[3.0, 3.0]]
    assert archive.add([]) == []


def test_entries_keep_the_order_of_acceptance() -> None:
    archive = ParetoArchive()
    archive.add([entry(3.0, 0.0, member=1), entry(0.0, 3.0, member=2)])
    archive.add([entry(4.0, -1.0, member=3), entry(3.5, 0.0, member=4)])
    assert [e.member for e in archive] == [2, 3, 4]


def test_cost_73_a_dominated_policy_is_never_copied() -> None:
    copies = []

    def snapshot() -> TabularPolicy:
        copies.append(1)
        return tabular(1)

    archive = ParetoArchive()
    archive.add([entry(1.0, 1.0, policy=tabular(0))])
    archive.add([entry(0.0, 0.0, policy=snapshot), entry(1.0, 1.0, policy=snapshot), entry(2.0, 0.0, policy=snapshot)])
    assert len(copies) == 1
    assert [type(e.policy) for e in archive] == [TabularPolicy, TabularPolicy]


def test_estimators_are_never_mixed() -> None:
    archive = ParetoArchive()
    archive.add([entry(1.0, 1.0)])
    for change in ({"gamma": 1.0}, {"episodes": 1}, {"deterministic": False}):
        with pytest.raises(ConfigurationError, match="never mixes estimators"):
            archive.add([entry(2.0, 2.0, **change)])
    with pytest.raises(ConfigurationError, match="never mixes estimators"):
        ParetoArchive().add([entry(1.0, 0.0), entry(0.0, 1.0, gamma=0.5)])
    assert len(archive) == 1


def test_best_follows_the_utility() -> None:
    archive = ParetoArchive()
    archive.add([entry(10.0, 0.0, member=0), entry(4.0, 4.0, member=1), entry(0.0, 10.0, member=2)])
    half, z = np.array([0.5, 0.5]), np.array([10.0, 10.0])
    assert archive.best(lambda v: WeightedSum()(v, half)).member == 0
    assert archive.best(lambda v: Chebyshev()(v, half, ideal_point=z)).member == 1
    assert archive.best(lambda v: torch.as_tensor(v)[:, 1]).member == 2
    with pytest.raises(ShapeError, match="one utility per entry"):
        archive.best(lambda v: v)
    with pytest.raises(ConfigurationError, match="empty"):
        ParetoArchive().best(lambda v: v[:, 0])


@pytest.mark.parametrize("archive", ARCHIVES, ids=repr)
def test_saving_restores_everything_exactly(archive: Archive) -> None:
    filled = archive.fresh()
    rng = np.random.default_rng(0)
    filled.add(
        [entry(*rng.normal(size=2), weights=w, member=i, policy=tabular(i % 3)) for i, w in enumerate(rng.dirichlet([1, 1], 9))]
    )
    filled.add([entry(9.0, -9.0, member=9, standard_errors=[np.nan, 0.0])])
    state = filled.state()
    assert all(isinstance(v, (torch.Tensor, int, float, bool, str, dict)) for v in state.values())
    restored = archive.fresh()
    restored.load_state({k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in state.items()})
    assert len(restored) == len(filled) > 1
    for old, new in zip(filled, restored, strict=True):
        for name in ("values", "standard_errors", "undiscounted"):
            np.testing.assert_array_equal(getattr(old, name), getattr(new, name))
        assert (old.weights is None) == (new.weights is None)
        assert (old.env_steps, old.member, old.estimator) == (new.env_steps, new.member, new.estimator)
        if old.policy is None:
            assert new.policy is None
        else:
            states = np.arange(4)
            assert (old.policy.act(states) == new.policy.act(states)).all()
    offered = [entry(0.1, 0.1), entry(8.0, 8.0)]
    assert restored.add(offered) == filled.add(offered)


def test_an_incomplete_state_is_refused() -> None:
    archive = ParetoArchive()
    archive.add([entry(1.0, 1.0)])
    state = archive.state()
    del state["member"]
    with pytest.raises(CheckpointError, match="member"):
        ParetoArchive().load_state(state)


def test_bug_14_convex_coverage_set_of_few_and_degenerate_points() -> None:
    for m in (2, 3, 5):
        for points in (np.zeros((1, m)), np.eye(m)[:2], np.ones((4, m)), np.linspace(0, 1, 5)[:, None] * np.ones(m)):
            archive = ConvexCoverageSet()
            archive.add([entry(*p) for p in points])
            assert 1 <= len(archive) <= 2
    collinear = ConvexCoverageSet()
    collinear.add([entry(x, 4.0 - x, 1.0) for x in (0.0, 1.0, 2.0, 3.0, 4.0)])
    assert sorted(collinear.values[:, 0].tolist()) == [0.0, 4.0]


def test_convex_coverage_set_of_deep_sea_treasure_has_nine_points() -> None:
    front = [
        (0.7, -1),
        (8.2, -3),
        (11.5, -5),
        (14, -7),
        (15.1, -8),
        (16.1, -9),
        (19.6, -13),
        (20.3, -14),
        (22.4, -17),
        (23.7, -19),
    ]
    archive = ConvexCoverageSet()
    statuses = archive.add([entry(*p) for p in front])
    assert [p for p, s in zip(front, statuses, strict=True) if s is not Status.ADDED] == [(20.3, -14)]
    concave = [(1, -1), (2, -3), (3, -5), (5, -7), (8, -8), (16, -9), (24, -13), (50, -14), (74, -17), (124, -19)]
    archive = ConvexCoverageSet()
    archive.add([entry(*p) for p in concave])
    assert archive.values.tolist() == [[1, -1], [124, -19]]


def test_bounded_archive_drops_what_covers_least() -> None:
    archive = BoundedArchive(capacity=3, reference_point=(-1.0, -1.0))
    offered = [entry(0.0, 10.0), entry(10.0, 0.0), entry(5.0, 5.0), entry(5.2, 4.0)]
    assert archive.add(offered) == [Status.ADDED, Status.ADDED, Status.ADDED, Status.CROWDED]
    assert archive.add([entry(8.0, 8.0)]) == [Status.ADDED]
    assert archive.values.tolist() == [[0.0, 10.0], [10.0, 0.0], [8.0, 8.0]]
    with pytest.raises(ConfigurationError, match="capacity must be at least 1"):
        BoundedArchive(capacity=0)
    short = BoundedArchive(capacity=1, reference_point=(0.0,))
    with pytest.raises(ShapeError, match="reference_point"):
        short.add([entry(0.0, 1.0), entry(1.0, 0.0)])


def test_equality_is_about_configuration_and_content() -> None:
    assert ParetoArchive() == ParetoArchive()
    assert BoundedArchive() != BoundedArchive(capacity=3)
    assert ParetoArchive() != ConvexCoverageSet()
    filled = ParetoArchive()
    filled.add([entry(1.0, 1.0)])
    assert filled != ParetoArchive()
    assert filled.fresh() == ParetoArchive()
    assert hash(filled) == hash(ParetoArchive())


def test_bad_entries() -> None:
    with pytest.raises(ConfigurationError, match="diverged"):
        entry(1.0, float("nan"))
    with pytest.raises(ShapeError, match="weights"):
        entry(1.0, 2.0, weights=[1.0])
    values = np.array([1.0, 2.0])
    stored = entry(1.0, 2.0, values=values)
    values[0] = 5.0
    assert stored.values.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        stored.values[0] = 3.0
    archive = ParetoArchive()
    archive.add([stored])
    with pytest.raises(ShapeError, match="2 objectives"):
        archive.add([entry(1.0, 2.0, 3.0)])


def test_a_thousand_entries_are_added_saved_and_restored_in_linear_time() -> None:
    """A pass over the state per entry took 2.6 s for these, and a pass over the archive per refused entry as long."""
    many = [entry(x, 1.0 - x, policy=tabular(i % 3), member=i) for i, x in enumerate(np.linspace(0.0, 1.0, 1_000).tolist())]
    start = time.process_time()
    archive = ParetoArchive()
    assert archive.add(many) == [Status.ADDED] * 1_000
    worse = [entry(*(e.values - 1.0)) for e in many]
    assert archive.add([*worse, *many]) == [Status.DOMINATED] * 1_000 + [Status.DUPLICATE] * 1_000
    restored = ParetoArchive()
    restored.load_state(archive.state())
    assert time.process_time() - start < 3.0
    for one, other in zip(archive, restored, strict=True):
        assert one.member == other.member
        assert one.values.tobytes() == other.values.tobytes()
        assert torch.equal(one.policy.actions, other.policy.actions)


def test_zero_has_no_sign_and_what_is_crowded_is_so_twice() -> None:
    archive = ParetoArchive()
    archive.add([entry(0.0, 1.0)])
    assert archive.add([entry(-0.0, 1.0)]) == [Status.DUPLICATE]
    bounded = BoundedArchive(capacity=2, reference_point=(0.0, 0.0))
    bounded.add([entry(4.0, 1.0), entry(1.0, 4.0)])
    offered = [entry(1.5, 1.5), entry(1.5, 1.5), entry(1.0, 1.0), entry(4.0, 1.0)]
    assert bounded.add(offered) == [Status.CROWDED, Status.CROWDED, Status.DOMINATED, Status.DUPLICATE]


def test_a_state_that_contradicts_itself_is_refused() -> None:
    archive = ParetoArchive()
    archive.add([entry(1.0, 1.0), entry(0.0, 2.0)])
    for count in (3, 10**12, -1):
        with pytest.raises(CheckpointError, match="entries, but its columns say something else"):
            ParetoArchive().load_state({**archive.state(), "num_entries": count})
