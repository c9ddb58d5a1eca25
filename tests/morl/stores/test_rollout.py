"""The on-policy store: rows of different lengths, growth, clearing and saved states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.stores import Rollout

CPU = torch.device("cpu")
FIELDS = {"observation": (2,), "reward": (3,), "log_prob": (), "image": (2, 2)}


def step(rows: np.ndarray, time: float) -> dict[str, torch.Tensor]:
    """A step whose entries all say ``100 * row + time``."""
    value = torch.from_numpy(100.0 * rows + time)
    return {name: value.reshape(-1, *[1] * len(shape)).expand(-1, *shape) for name, shape in FIELDS.items()}


def filled(**options: bool) -> Rollout:
    """Row 0 with three steps, row 1 with one, row 2 with none."""
    rollout = Rollout(FIELDS, horizon=3, num_rows=3, device=CPU, **options)
    for time, rows in enumerate(([0, 1], [0], [0])):
        rollout.add(np.array(rows), **step(np.array(rows), time))
    return rollout


def test_rows_fill_at_their_own_pace() -> None:
    rollout = filled()
    np.testing.assert_array_equal(rollout.lengths, [3, 1, 0])
    assert rollout.mask.tolist() == [[True, True, False], [True, False, False], [True, False, False]]
    assert rollout["log_prob"].tolist() == [[0.0, 100.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]
    assert rollout["image"].shape == (3, 3, 2, 2)
    assert (rollout["reward"] == rollout["log_prob"][..., None]).all()
    assert not rollout.is_full


def test_order_of_rows_does_not_matter() -> None:
    one, two = (Rollout(FIELDS, horizon=2, num_rows=3, device=CPU) for _ in range(2))
    rows = np.array([2, 0, 1])
    one.add(rows, **step(rows, 5.0))
    two.add(np.sort(rows), **step(np.sort(rows), 5.0))
    assert torch.equal(one["observation"], two["observation"])


def test_full_store_refuses_more_and_stays_as_it_was() -> None:
    rollout = filled()
    before = rollout["reward"].clone()
    with pytest.raises(ConfigurationError, match="grow=True"):
        rollout.add(np.array([0, 1]), **step(np.array([0, 1]), 9.0))
    np.testing.assert_array_equal(rollout.lengths, [3, 1, 0])
    assert torch.equal(rollout["reward"], before)


def test_grown_store_keeps_what_it_held() -> None:
    rollout = filled(grow=True)
    rollout.add(np.array([0, 2]), **step(np.array([0, 2]), 3.0))
    assert rollout.horizon == 6
    assert rollout["log_prob"][:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert rollout["log_prob"][:, 2].tolist() == [203.0, 0.0, 0.0, 0.0]


def test_cleared_rows_leave_zeros_and_the_others_alone() -> None:
    rollout = filled()
    rollout.clear(np.array([1]))
    np.testing.assert_array_equal(rollout.lengths, [3, 0, 0])
    assert (rollout["reward"][:, 1] == 0).all()
    assert rollout["log_prob"][:, 0].tolist() == [0.0, 1.0, 2.0]
    rollout.clear()
    rollout.add(np.array([1]), **step(np.array([1]), 7.0))
    assert rollout["log_prob"].tolist() == [[0.0, 107.0, 0.0]]


def test_is_full_when_every_row_is() -> None:
    rollout = Rollout({"x": ()}, horizon=2, num_rows=2, device=CPU)
    for _ in range(2):
        assert not rollout.is_full
        rollout.add(np.arange(2), x=torch.ones(2))
    assert rollout.is_full


def test_saved_state_continues_bitwise() -> None:
    original = filled(grow=True)
    copy = Rollout(FIELDS, horizon=1, num_rows=3, device=CPU, grow=True)
    copy.load_state(original.state())
    for rollout in (original, copy):
        rollout.add(np.array([0, 2]), **step(np.array([0, 2]), 4.0))
    for name in FIELDS:
        assert torch.equal(original[name], copy[name])
    assert torch.equal(original.mask, copy.mask)
    assert original.horizon == copy.horizon


def test_state_of_another_store_is_refused() -> None:
    with pytest.raises(CheckpointError, match="num_rows=3"):
        Rollout(FIELDS, horizon=3, num_rows=2, device=CPU).load_state(filled().state())


def test_bad_input() -> None:
    rollout = Rollout({"x": (2,)}, horizon=1, num_rows=2, device=CPU)
    with pytest.raises(ShapeError, match=r"shape \(2, 3\); expected \(2, 2\)"):
        rollout.add(np.arange(2), x=torch.ones(2, 3))
    with pytest.raises(ShapeError, match=r"\['y'\]; expected \['x'\]"):
        rollout.add(np.arange(2), y=torch.ones(2, 2))
    with pytest.raises(ConfigurationError, match="horizon=0"):
        Rollout({"x": (2,)}, horizon=0, num_rows=2, device=CPU)


def test_runs_without_data() -> None:
    meta = torch.device("meta")
    rollout = Rollout({"x": (2,)}, horizon=2, num_rows=2, device=meta)
    rollout.add(np.arange(2), x=torch.empty(2, 2, device=meta))
    rollout.clear(np.array([0]))
    assert rollout["x"].shape == (1, 2, 2)
    assert rollout.mask.device == meta
