"""The off-policy store: computed discounts, windows by hand, priorities, the population's changes, saved states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.stores import Ring

CPU = torch.device("cpu")
FIELDS = {"observation": 1, "action": 1, "reward": 2, "next_observation": 1, "discount": 1}


def make(fields: dict[str, int] = FIELDS, **options: Any) -> Ring:
    settings: dict[str, Any] = {"capacity": 12, "num_groups": 2, "shared": False, "num_rows": 4, "gamma": 0.5, "device": CPU}
    return Ring(fields, **(settings | options))


def add(
    ring: Ring,
    time: float,
    rows: tuple[int, ...] = (0, 1, 2, 3),
    groups: tuple[int, ...] = (0, 0, 1, 1),
    *,
    ended: tuple[int, ...] = (),
    truncated: tuple[int, ...] = (),
) -> None:
    """One step whose observation is ``10 * row + time`` and whose reward is ``(1, time)``."""
    ids = np.array(rows, dtype=np.int64)
    observation = torch.from_numpy(10.0 * ids + time)[:, None]
    ring.add(
        ids,
        np.array(groups, dtype=np.int64),
        terminated=torch.tensor([row in ended for row in rows], dtype=torch.bool),
        truncated=torch.tensor([row in truncated for row in rows], dtype=torch.bool),
        observation=observation,
        action=torch.zeros(len(ids), dtype=torch.int64),
        reward=torch.tensor([[1.0, time]]).expand(len(ids), 2),
        next_observation=observation + 1,
    )


def stored(ring: Ring) -> list[list[float]]:
    """Observation, both rewards, next observation and discount of all transitions, ring by ring in the order of slots."""
    data = ring.state()["data"]
    return data[:, [0, 2, 3, 4, 5]].tolist()


def test_discount_is_zero_after_termination_only() -> None:
    ring = make(shared=True)
    add(ring, 1.0, ended=(1,), truncated=(1, 2))
    assert stored(ring) == [
        [1.0, 1.0, 1.0, 2.0, 0.5],
        [11.0, 1.0, 1.0, 12.0, 0.0],
        [21.0, 1.0, 1.0, 22.0, 0.5],
        [31.0, 1.0, 1.0, 32.0, 0.5],
    ]


def test_numpy_flags_do_the_same() -> None:
    ring = make(num_rows=1)
    ring.add(
        np.array([0]),
        np.array([0]),
        terminated=np.array([True]),
        truncated=np.array([False]),
        observation=torch.ones(1),
        action=torch.ones(1),
        reward=torch.ones(1, 2),
        next_observation=torch.ones(1),
    )
    assert stored(ring) == [[1.0, 1.0, 1.0, 1.0, 0.0]]


def test_three_step_windows_by_hand() -> None:
    """gamma = 1/2, row 0 terminates at its fourth step, row 2 is truncated there."""
    ring = make(n_step=3)
    for time in range(4):
        add(ring, time, (0, 2), (0, 1), ended=(0,) if time == 3 else (), truncated=(2,) if time == 3 else ())
    windows = [[1.75, 0 + 0.5 + 0.5, 3.0], [1.75, 1 + 1 + 0.75, 4.0], [1.5, 2 + 1.5, 4.0], [1.0, 3.0, 4.0]]
    ended = [[float(t), *w, d] for t, w, d in zip(range(4), windows, [0.125, 0.0, 0.0, 0.0], strict=True)]
    cut = [[20.0 + t, *w[:2], 20 + w[2], d] for t, w, d in zip(range(4), windows, [0.125, 0.125, 0.25, 0.5], strict=True)]
    assert stored(ring) == ended + cut


def test_flush_stores_the_windows_of_abandoned_episodes() -> None:
    ring = make(n_step=3, shared=True)
    add(ring, 0.0, (0, 1), (0, 0))
    add(ring, 1.0, (0, 1), (0, 0))
    assert ring.sizes.tolist() == [0, 0]
    ring.flush(np.array([1]))
    assert stored(ring) == [[10.0, 1.5, 0.5, 12.0, 0.25], [11.0, 1.0, 1.0, 12.0, 0.5]]
    # A new episode of row 1 shares nothing with the old one.
    add(ring, 5.0, (1,), (0,), ended=(1,))
    assert stored(ring)[2:] == [[15.0, 1.0, 5.0, 16.0, 0.0]]


def test_oldest_are_overwritten_in_each_ring() -> None:
    ring = make(capacity=4)
    for time in range(5):
        add(ring, time, (0, 1, 2, 3), (0, 1, 0, 0))
    assert ring.sizes.tolist() == [4, 4]
    assert sorted(row[0] for row in stored(ring)[:4]) == [4.0, 24.0, 33.0, 34.0]
    assert sorted(row[0] for row in stored(ring)[4:]) == [11.0, 12.0, 13.0, 14.0]


def test_fields_of_a_batch_are_views_and_belong_together() -> None:
    ring = make()
    for time in range(3):
        add(ring, time)
    batch = ring.sample(64, generator=torch.Generator().manual_seed(0))
    assert {name: tuple(t.shape) for name, t in batch.items()} == {name: (2, 64, width) for name, width in FIELDS.items()}
    assert len({t.untyped_storage().data_ptr() for t in batch.values()}) == 1
    assert torch.equal(batch["next_observation"], batch["observation"] + 1)
    assert torch.equal(batch["reward"][..., 1:], batch["observation"] % 10)
    assert (batch["observation"][0] < 20).all()
    assert (batch["observation"][1] >= 20).all()


def test_members_may_be_chosen() -> None:
    ring = make()
    add(ring, 0.0, (2,), (1,))
    assert ring.can_sample(members=[1])
    assert not ring.can_sample()
    assert not ring.can_sample(2, members=[1])
    assert ring.sample(5, generator=torch.Generator().manual_seed(0), members=[1])["observation"].tolist() == [[[20.0]] * 5]
    with pytest.raises(ConfigurationError, match=r"members \[0\]"):
        ring.sample(5, generator=torch.Generator().manual_seed(0))


def test_uniform_draws_reach_every_transition_equally() -> None:
    ring = make(shared=True)
    for time in range(3):
        add(ring, time)
    draws = ring.sample(12_000, generator=torch.Generator().manual_seed(3))["observation"].squeeze(-1)
    for member in draws:
        assert chisquare(member.unique(return_counts=True)[1].numpy()).pvalue > 0.001
    assert draws.unique().numel() == 12
    assert not torch.equal(draws[0], draws[1])


class TestPriorities:
    def ring(self) -> Ring:
        """Two members with two transitions each; member 0's priorities are 1 and 9, powers 1 and 3."""
        ring = make(prioritised=True, priority_exponent=0.5)
        add(ring, 0.0)
        ring.update_priorities(torch.tensor([[0, 1]]), torch.tensor([[1.0, 9.0]]))
        return ring

    def test_proportional_draws_and_importance(self) -> None:
        batch = self.ring().sample(8000, generator=torch.Generator().manual_seed(0), importance_exponent=1.0)
        often = batch["observation"][0, :, 0] == 10.0
        assert chisquare([int((~often).sum()), int(often.sum())], [2000, 6000]).pvalue > 0.001
        # Weights 1 / (size * probability), scaled to a largest one of 1: 2 and 2/3.
        torch.testing.assert_close(batch["importance"][0], torch.where(often, 1.0 / 3.0, 1.0), atol=1e-5, rtol=0)
        torch.testing.assert_close(batch["importance"][1], torch.ones(8000))

    def test_index_points_at_the_transition(self) -> None:
        ring = self.ring()
        batch = ring.sample(16, generator=torch.Generator().manual_seed(0))
        by_index = {0: 0.0, 1: 10.0, 12: 20.0, 13: 30.0}
        assert [by_index[i] for i in batch["index"].flatten().tolist()] == batch["observation"].flatten().tolist()

    def test_new_transitions_get_the_largest_priority_of_their_ring(self) -> None:
        ring = self.ring()
        add(ring, 1.0, (0, 2), (0, 1))
        torch.testing.assert_close(
            ring.state()["priorities"], torch.tensor([1.0, 3.0, 3.0, 1.0, 1.0, 1.0], dtype=torch.float64), rtol=1e-4, atol=0
        )

    def test_zero_priority_can_still_be_drawn(self) -> None:
        ring = self.ring()
        ring.update_priorities(torch.tensor([[0, 1]]), torch.zeros(1, 2))
        assert ring.sample(64, generator=torch.Generator().manual_seed(0))["observation"][0].unique().tolist() == [0.0, 10.0]

    def test_uniform_store_has_none(self) -> None:
        with pytest.raises(ConfigurationError, match="prioritised=True"):
            make().update_priorities(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1))


class TestReindex:
    @pytest.mark.parametrize("prioritised", [False, True])
    def test_own_rings_are_copied(self, prioritised: bool) -> None:
        ring = make(prioritised=prioritised)
        add(ring, 0.0)
        add(ring, 1.0, (2,), (1,))
        ring.reindex([1, 1, 0], [False, True, False])
        assert ring.sizes.tolist() == [3, 3, 2]
        assert [row[0] for row in stored(ring)] == [20.0, 30.0, 21.0, 20.0, 30.0, 21.0, 0.0, 10.0]
        # The copies are apart from now on.
        add(ring, 2.0, (0,), (1,))
        assert ring.sizes.tolist() == [3, 4, 2]
        assert ring.sample(4, generator=torch.Generator().manual_seed(0))["reward"].shape == (3, 4, 2)

    def test_shared_ring_stays(self) -> None:
        ring = make(shared=True, n_step=2)
        add(ring, 0.0)
        add(ring, 1.0)
        before = ring.state()
        ring.reindex([1, 1, 0], [False, True, False])
        after = ring.state()
        assert torch.equal(before["data"], after["data"])
        assert torch.equal(before["windows/slots"], after["windows/slots"])
        assert torch.equal(before["windows/counters"], after["windows/counters"])
        assert ring.sizes.tolist() == [4, 4, 4]

    def test_unfinished_windows_stay_with_their_member(self) -> None:
        ring = make(n_step=3)
        add(ring, 0.0)
        ring.reindex([1], [False], num_rows=2)
        assert stored(ring) == [[20.0, 1.0, 0.0, 21.0, 0.5], [30.0, 1.0, 0.0, 31.0, 0.5]]
        add(ring, 5.0, (0,), (0,), ended=(0,))
        assert stored(ring)[2:] == [[5.0, 1.0, 5.0, 6.0, 0.0]]

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(ShapeError, match="2 entries but fresh has 1"):
            make().reindex([0, 1], [True])


def test_state_of_another_store_is_refused() -> None:
    with pytest.raises(CheckpointError, match="n_step=2"):
        make().load_state(make(n_step=2).state())


def test_state_brings_its_own_number_of_members_and_rows() -> None:
    grown = make()
    add(grown, 0.0)
    grown.reindex([0, 1, 1], [False, False, True], num_rows=6)
    ring = make()
    ring.load_state(grown.state())
    assert (ring.num_groups, ring.num_rows) == (3, 6)
    assert stored(ring) == stored(grown)


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({"reward": 1, "index": 1}, {}, r"\['index'\]"),
        ({"reward": 1, "discount": 1}, {"n_step": 2}, r"\['next_observation'\]"),
        (FIELDS, {"n_step": 4}, "num_rows \\* n_step = 16"),
        (FIELDS | {"discount": 2}, {}, "width 2"),
        (FIELDS, {"gamma": 1.5}, "gamma=1.5"),
        (FIELDS, {"num_groups": 0}, "num_groups=0"),
    ],
)
def test_impossible_stores_are_refused(fields: dict[str, int], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(fields, **options)


def test_bad_fields_are_named() -> None:
    ring = Ring({"a": 2, "b": 1}, capacity=4, num_groups=1, shared=True, num_rows=2, device=CPU)
    flags = torch.zeros(2, dtype=torch.bool)
    rows = np.arange(2)
    with pytest.raises(ShapeError, match=r"field a has shape \(2, 3\); expected \(2, 2\)"):
        ring.add(rows, rows, terminated=flags, truncated=flags, a=torch.ones(2, 3), b=torch.ones(2))
    with pytest.raises(ShapeError, match=r"expected \['a', 'b'\]"):
        ring.add(rows, rows, terminated=flags, truncated=flags, a=torch.ones(2, 2))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("prioritised", [True, False])
@pytest.mark.parametrize("n_step", [1, 2])
def test_runs_without_data(shared: bool, prioritised: bool, n_step: int) -> None:
    """On the meta device there is nothing to read: a host read would raise."""
    meta = torch.device("meta")
    ring = make(shared=shared, prioritised=prioritised, n_step=n_step, device=meta)
    rows, flags = np.arange(4), np.zeros(4, dtype=np.bool_)
    one = torch.empty(4, 1, device=meta)
    for _ in range(2):
        ring.add(
            rows,
            rows // 2,
            terminated=flags,
            truncated=flags,
            observation=one,
            action=one,
            reward=one.expand(4, 2),
            next_observation=one,
        )
    batch = ring.sample(3, generator=None)
    assert batch["reward"].shape == (2, 3, 2)
    assert batch["reward"].device == meta
    if prioritised:
        ring.update_priorities(batch["index"], batch["reward"][..., 0])


@pytest.mark.gpu
@pytest.mark.parametrize("n_step", [1, 3])
def test_same_transitions_on_a_cuda_device(n_step: int) -> None:
    cuda = torch.device("cuda")
    rings = [make(n_step=n_step, prioritised=True, device=device) for device in (CPU, cuda)]
    for ring in rings:
        for time in range(5):
            add(ring, time, ended=(time % 4,), truncated=(3,) if time == 2 else ())
    assert stored(rings[0]) == stored(rings[1])
    batch = rings[1].sample(64, generator=torch.Generator(cuda).manual_seed(0))
    assert batch["observation"].is_cuda
    assert torch.equal(
        batch["next_observation"] > batch["observation"], torch.ones_like(batch["observation"], dtype=torch.bool)
    )
    rings[1].update_priorities(batch["index"], batch["reward"][..., 0])


def test_everything_stored_oldest_first() -> None:
    ring = make(capacity=5)
    for time in range(3):
        add(ring, time, rows=(0, 2), groups=(0, 1))
    assert ring.stored(0)["observation"][:, 0].tolist() == [0.0, 1.0, 2.0]
    for time in range(3, 8):
        add(ring, time, rows=(0, 2), groups=(0, 1))
    stored = ring.stored(1)
    assert stored["observation"][:, 0].tolist() == [23.0, 24.0, 25.0, 26.0, 27.0]
    assert stored["reward"].shape == (5, 2)
    stored["reward"].zero_()
    assert ring.stored(1)["reward"][:, 1].tolist() == [3.0, 4.0, 5.0, 6.0, 7.0]
