"""Laws of the stores, on random streams of experience."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from morl.stores import Ring, Rollout

CPU = torch.device("cpu")
FIELDS = {"observation": 2, "discount": 1, "reward": 3, "next_observation": 2, "action": 1, "next_accrued": 1}
Step = dict[str, Any]


def stream(seed: int, *, num_rows: int, num_groups: int, steps: int, end_rate: float) -> list[Step]:
    """Steps of random subsets of rows in random order, with random ends; a row changes its member only at a reset."""
    rng = np.random.default_rng(seed)
    member = rng.integers(num_groups, size=num_rows)
    result = []
    for _ in range(steps):
        rows = rng.permutation(num_rows)[: rng.integers(0, num_rows + 1)]
        r = len(rows)
        terminated, truncated = rng.random(r) < end_rate, rng.random(r) < end_rate
        step: Step = {"rows": rows, "groups": member[rows], "terminated": terminated, "truncated": truncated}
        for name in FIELDS.keys() - {"discount"}:
            step[name] = torch.from_numpy(rng.normal(size=(r, FIELDS[name])).astype(np.float32))
        result.append(step)
        over = rows[terminated | truncated]
        member[over] = rng.integers(num_groups, size=len(over))
    return result


class Oracle:
    """The same store as plain lists, one transition at a time."""

    def __init__(self, *, capacity: int, num_rings: int, n_step: int, gamma: float) -> None:
        self.capacity, self.n_step, self.gamma = capacity, n_step, gamma
        self.rings: list[list[np.ndarray]] = [[] for _ in range(num_rings)]
        self.written = [0] * num_rings
        self.windows: dict[int, list[Step]] = {}

    def store(self, ring: int, window: list[Step], terminated: bool) -> None:
        first, last = window[0], window[-1]
        values = {
            "observation": first["observation"],
            "action": first["action"],
            "reward": sum(self.gamma**j * step["reward"] for j, step in enumerate(window)),
            "next_observation": last["next_observation"],
            "next_accrued": last["next_accrued"],
            "discount": np.array([0.0 if terminated else self.gamma ** len(window)]),
        }
        packed = np.concatenate([values[name] for name in FIELDS])
        if len(self.rings[ring]) < self.capacity:
            self.rings[ring].append(packed)
        else:
            self.rings[ring][self.written[ring] % self.capacity] = packed
        self.written[ring] += 1

    def add(self, step: Step, ring_of_group: list[int]) -> None:
        for i, row in enumerate(step["rows"].tolist()):
            window = self.windows.setdefault(row, [])
            window.append({name: step[name][i].double().numpy() for name in FIELDS if name != "discount"})
            ring = ring_of_group[step["groups"][i]]
            terminated, truncated = bool(step["terminated"][i]), bool(step["truncated"][i])
            if terminated or truncated:
                while window:
                    self.store(ring, window, terminated)
                    window.pop(0)
            elif len(window) == self.n_step:
                self.store(ring, window, False)
                window.pop(0)


STREAMS = {
    "seed": st.integers(0, 2**32 - 1),
    "end_rate": st.sampled_from([0.0, 0.05, 0.3]),
    "form": st.fixed_dictionaries(
        {
            "num_rows": st.integers(1, 6),
            "num_groups": st.integers(1, 4),
            "n_step": st.integers(1, 5),
            "shared": st.booleans(),
        }
    ),
}


@given(gamma=st.sampled_from([0.0, 0.9, 1.0]), spare=st.integers(0, 40), **STREAMS)
def test_ring_equals_plain_lists(seed: int, end_rate: float, form: dict[str, Any], gamma: float, spare: int) -> None:
    num_rows, num_groups, n_step, shared = (form[key] for key in ("num_rows", "num_groups", "n_step", "shared"))
    capacity = num_rows * n_step + spare
    ring = Ring(FIELDS, capacity=capacity, gamma=gamma, device=CPU, **form)
    oracle = Oracle(capacity=capacity, num_rings=1 if shared else num_groups, n_step=n_step, gamma=gamma)
    for step in stream(seed, num_rows=num_rows, num_groups=num_groups, steps=25, end_rate=end_rate):
        ring.add(**step)
        oracle.add(step, [0] * num_groups if shared else list(range(num_groups)))
    sizes = [len(part) for part in oracle.rings]
    assert ring.sizes.tolist() == (sizes * num_groups if shared else sizes)
    expected = np.array([packed for part in oracle.rings for packed in part]).reshape(-1, ring.width)
    np.testing.assert_allclose(ring.state()["data"].numpy(), expected, rtol=1e-5, atol=1e-5)


@given(prioritised=st.booleans(), **STREAMS)
def test_only_stored_transitions_are_drawn(seed: int, end_rate: float, form: dict[str, Any], prioritised: bool) -> None:
    num_rows, num_groups, shared = (form[key] for key in ("num_rows", "num_groups", "shared"))
    fields = {"observation": 1, "owner": 1, "reward": 1, "next_observation": 1, "discount": 1}
    ring = Ring(fields, capacity=40, prioritised=prioritised, device=CPU, **form)
    for step in stream(seed, num_rows=num_rows, num_groups=num_groups, steps=25, end_rate=end_rate):
        one = torch.ones(len(step["rows"]), 1)
        flags = {"terminated": step["terminated"], "truncated": step["truncated"]}
        owner = torch.from_numpy(step["groups"])
        ring.add(step["rows"], step["groups"], **flags, observation=7 * one, owner=owner, reward=one, next_observation=one)
    members = [i for i in range(num_groups) if ring.sizes[i] > 0]
    if not members:
        assert not ring.can_sample()
        return
    batch = ring.sample(50, generator=torch.Generator().manual_seed(seed % 2**31), members=members)
    assert (batch["observation"] == 7).all()
    if not shared:
        assert torch.equal(batch["owner"][..., 0], torch.tensor(members)[:, None].expand(-1, 50).float())


@given(prioritised=st.booleans(), **STREAMS)
def test_saved_ring_continues_bitwise(seed: int, end_rate: float, form: dict[str, Any], prioritised: bool) -> None:
    def make() -> Ring:
        return Ring(FIELDS, capacity=40, gamma=0.9, prioritised=prioritised, device=CPU, **form)

    def work(ring: Ring, step: Step, index: int) -> dict[str, torch.Tensor]:
        ring.add(**step)
        if not ring.can_sample():
            return {}
        batch = ring.sample(8, generator=torch.Generator().manual_seed(index))
        if prioritised:
            ring.update_priorities(batch["index"], batch["reward"][..., 0].abs())
        return batch

    steps = stream(seed, num_rows=form["num_rows"], num_groups=form["num_groups"], steps=30, end_rate=end_rate)
    original = make()
    for index, step in enumerate(steps[:15]):
        work(original, step, index)
    restored = make()
    restored.load_state(original.state())
    for index, step in enumerate(steps[15:]):
        first, second = work(original, step, index), work(restored, step, index)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    ends = original.state(), restored.state()
    assert all(torch.equal(v, ends[1][k]) if isinstance(v, torch.Tensor) else v == ends[1][k] for k, v in ends[0].items())


@given(seed=st.integers(0, 2**32 - 1), num_rows=st.integers(1, 5), horizon=st.integers(1, 4))
def test_rollout_equals_plain_lists(seed: int, num_rows: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    rollout = Rollout({"x": (2,), "y": ()}, horizon=horizon, num_rows=num_rows, device=CPU, grow=True)
    plain: list[list[np.ndarray]] = [[] for _ in range(num_rows)]
    for _ in range(20):
        rows = rng.permutation(num_rows)[: rng.integers(0, num_rows + 1)]
        values = rng.normal(size=(len(rows), 3)).astype(np.float32)
        rollout.add(rows, x=torch.from_numpy(values[:, :2]), y=torch.from_numpy(values[:, 2]))
        for row, value in zip(rows.tolist(), values, strict=True):
            plain[row].append(value)
        if rng.random() < 0.15:
            gone = np.flatnonzero(rng.random(num_rows) < 0.5)
            rollout.clear(gone)
            for row in gone.tolist():
                plain[row] = []
    longest = max(len(part) for part in plain)
    expected = np.zeros((longest, num_rows, 3), dtype=np.float32)
    for row, part in enumerate(plain):
        expected[: len(part), row] = np.array(part).reshape(-1, 3)
    np.testing.assert_array_equal(rollout["x"].numpy(), expected[..., :2])
    np.testing.assert_array_equal(rollout["y"].numpy(), expected[..., 2])
    np.testing.assert_array_equal(rollout.mask.sum(0).numpy(), [len(part) for part in plain])
