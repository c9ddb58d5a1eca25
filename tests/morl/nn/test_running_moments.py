"""Running moments: what came in parts is what came at once."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from morl.nn.running_moments import VARIANCE_FLOOR, RunningMoments

CPU = torch.device("cpu")


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 100))
def test_parts_give_the_moments_of_the_whole(sizes: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scale, shift = torch.tensor([1.0, 10.0, 0.5]), torch.tensor([0.0, -30.0, 2.0])
    parts = [scale * torch.randn(2, size, 3, generator=generator) + shift for size in sizes]
    moments = RunningMoments(2, 3, device=CPU)
    for part in parts:
        moments.follow(part, torch.ones(part.shape[:2], dtype=torch.bool), slice(0, 2))
    whole = torch.cat(parts, 1)
    torch.testing.assert_close(moments.mean, whole.mean(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moments.variance, whole.var(1, correction=0), rtol=1e-3, atol=1e-4)
    assert (moments.count == sum(sizes)).all()


def test_invalid_entries_and_other_members_do_not_count() -> None:
    values = torch.tensor([[[1.0], [3.0], [float("nan")]]])
    moments = RunningMoments(3, 1, device=CPU)
    moments.follow(values, torch.tensor([[True, True, False]]), torch.tensor([1]))
    assert moments.mean.flatten().tolist() == [0.0, 2.0, 0.0]
    assert moments.variance.flatten().tolist() == [1.0, 1.0, 1.0]
    assert moments.count.flatten().tolist() == [0.0, 2.0, 0.0]


def test_the_past_fades_where_memory_is_short() -> None:
    moments = RunningMoments(1, 1, device=CPU, memory=10)
    everything = torch.ones(1, 10, dtype=torch.bool)
    for value in (0.0, 0.0, 0.0, 8.0, 8.0):
        moments.follow(torch.full((1, 10, 1), value), everything, slice(0, 1))
    # Two batches of new values against a past that counts for one batch: half, then three quarters.
    assert moments.mean.item() == 6.0


def test_normalising_can_be_undone_and_never_divides_by_nothing() -> None:
    moments = RunningMoments(1, 2, device=CPU)
    values = torch.tensor([[[5.0, 1.0], [5.0, 3.0]]])
    moments.follow(values, torch.ones(1, 2, dtype=torch.bool), slice(0, 1))
    normalised = moments.normalise(values, slice(0, 1))
    torch.testing.assert_close(normalised, torch.tensor([[[0.0, -1.0], [0.0, 1.0]]]))
    torch.testing.assert_close(moments.restore(normalised, slice(0, 1)), values)
    assert moments.std[0, 0] == VARIANCE_FLOOR**0.5


def test_copies_and_reindexed_moments_are_their_own() -> None:
    moments = RunningMoments(2, 1, device=CPU, memory=7)
    moments.follow(torch.tensor([[[4.0]]]), torch.ones(1, 1, dtype=torch.bool), slice(0, 1))
    other = moments.reindexed([1, 0, 0])
    assert other.mean.flatten().tolist() == [0.0, 4.0, 4.0]
    assert other.memory == 7
    moments.copy(0, 1)
    assert moments.mean.flatten().tolist() == [4.0, 4.0]
    assert other.mean.flatten().tolist() == [0.0, 4.0, 4.0]
    fresh = RunningMoments(3, 1, device=CPU)
    fresh.load_state(other.state())
    assert torch.equal(fresh.mean, other.mean)
    assert torch.equal(fresh.count, other.count)


def test_components_that_are_left_out_keep_zero_and_one() -> None:
    """Entries of one-hot vectors are on one scale already."""
    moments = RunningMoments(2, 3, device=CPU, followed=torch.tensor([True, False, True]))
    alone = RunningMoments(2, 3, device=CPU)
    for _ in range(2):
        values = torch.randn(2, 5, 3) + 4
        for one in (moments, alone):
            one.follow(values, torch.ones(2, 5, dtype=torch.bool), slice(None))
    for one in (moments, moments.reindexed([1, 0]).reindexed([1, 0])):
        assert torch.equal(one.mean[:, [0, 2]], alone.mean[:, [0, 2]])
        assert torch.equal(one.variance[:, [0, 2]], alone.variance[:, [0, 2]])
    again = moments.reindexed([1])
    again.follow(values[:1], torch.ones(1, 5, dtype=torch.bool), slice(None))
    assert (again.mean[:, 1].tolist(), again.std[:, 1].tolist()) == ([0.0], [1.0])
