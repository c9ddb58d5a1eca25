"""What is stored about the instances: walks that are worth what is said, and bounds that hold."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from envs import batched_form
from envs.coverage import Items, known_value
from envs.coverage.known_values import _rows
from morl.planners import upper_bounds


def instance(row):
    arguments = {"instance_seed": row["instance_seed"]} if "instance_seed" in row else {}
    return batched_form(row["id"], 1, horizon=row["horizon"], **arguments)


def name(row):
    return f"{row['id'][9:-3]}-{row.get('instance_seed', row['horizon'])}"


@pytest.mark.parametrize("row", _rows(), ids=name)
def test_stored_walks_can_be_walked_and_are_worth_what_is_said(row):
    world = instance(row)
    known = known_value(world)
    assert known is not None
    assert known.walk.shape == (world.horizon + 1,)
    assert known.walk[0] == world.start
    for here, there in zip(known.walk[:-1], known.walk[1:], strict=True):
        assert there in world.successors[here]
    value = world.set_function.trajectory_gains(torch.from_numpy(known.walk)[None]).sum()
    assert float(value) == pytest.approx(known.value, rel=1e-6)
    assert known.bound >= known.value
    assert known.bound >= row["value"]


def test_every_published_instance_is_known():
    known = {(row["id"], row.get("instance_seed", row["horizon"])): row for row in _rows()}
    for horizon, optimum in ((79, 162), (39, 82)):
        assert known["coverage/grid-v0", horizon]["value"] == known["coverage/grid-v0", horizon]["bound"] == optimum
    assert known["coverage/two-rooms-v0", 39]["value"] == known["coverage/two-rooms-v0", 39]["bound"] == 68
    assert known["coverage/bimodal-v0", 39]["value"] >= 51.434
    for seed in range(10):
        items = known["coverage/items-v0", seed]
        assert items["value"] == items["bound"] == 21
        field = known["coverage/gp-v0", seed]
        assert field["bound"] <= 1.05 * field["value"]
        assert ("coverage/experiment-design-v0", seed) in known
        assert ("coverage/graph-v0", seed) in known


@pytest.mark.parametrize(("env_id", "optimum"), [("coverage/two-rooms-v0", 68), ("coverage/items-v0", 21)])
def test_attained_bounds_are_proofs(env_id, optimum):
    world = batched_form(env_id, 1)
    assert upper_bounds(world)["best"] == optimum
    known = known_value(gymnasium.make(env_id))
    assert known.is_optimal
    assert known.value == optimum


def test_other_instances_are_not_mistaken():
    assert known_value(gymnasium.make("CartPole-v1")) is None
    assert known_value(batched_form("coverage/grid-v0", 1, horizon=40)) is None
    assert known_value(batched_form("coverage/grid-v0", 1, disc="large")) is None
    assert known_value(batched_form("coverage/grid-v0", 1, start=(4, 1))) is None
    assert known_value(batched_form("coverage/grid-v0", 1, slip=0.1)) is None
    assert known_value(batched_form("coverage/gp-v0", 1, instance_seed=11)) is None
    assert known_value(Items(1, caps=(2, 3, 3, 4, 6, 3))) is None
    fields = [known_value(batched_form("coverage/gp-v0", 1, instance_seed=seed)).value for seed in range(3)]
    assert len(np.unique(fields)) == 3
