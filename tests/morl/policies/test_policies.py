"""Policy snapshots: the contract, files, memory, and copies in archives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from morl.action_spaces import discrete_start
from morl.archives import ArchiveEntry, ParetoArchive
from morl.errors import CheckpointError, ShapeError
from morl.policies.base import BasePolicy, load_policy
from morl.testing import check_policy
from tests.conformance.cases import LEAVES, Case

every_solver = pytest.mark.parametrize("case", LEAVES.values(), ids=LEAVES)


def policies_of(case: Case) -> list[Any]:
    learner = case.make()
    learner.learn(12 * learner.next_round())
    policies: list[Any] = learner.policies()
    return policies


def observations_of(policy: Any, count: int = 100) -> np.ndarray:
    space = policy.observation_space
    space.seed(0)
    return np.stack([np.asarray(space.sample()) for _ in range(count)])


def memory_of(policy: Any, count: int) -> dict[str, torch.Tensor]:
    """A memory in the middle of episodes."""
    generator = torch.Generator().manual_seed(0)
    return {key: torch.rand(value.shape, generator=generator) for key, value in policy.memory(count).items()}


@every_solver
def test_contract(case: Case) -> None:
    for policy in policies_of(case):
        check_policy(policy, batch=50)


@every_solver
def test_archived_policies_are_functionally_equal_and_small(case: Case) -> None:
    """Same actions on 100 observations, same sampled actions, at most twice the actor's memory (no buffers, no optimisers)."""
    learner = case.make()
    learner.learn(12 * learner.next_round())
    archive = ParetoArchive()
    sources = learner.policies()
    for i, policy in enumerate(sources):
        v = np.array([float(i), -float(i)])
        entry = ArchiveEntry(
            values=v, standard_errors=0 * v, undiscounted=v, weights=None, policy=policy, env_steps=0, member=i, episodes=1,
            gamma=0.9, deterministic=True,
        )  # fmt: skip
        archive.add([entry])
    observations = torch.from_numpy(observations_of(sources[0]))
    memory = memory_of(sources[0], 100)
    expected = [policy.act(observations, memory) for policy in sources]
    sampled = [
        policy.act(observations, memory, deterministic=False, generator=torch.Generator().manual_seed(3)) for policy in sources
    ]
    learner.learn(12 * learner.next_round())  # the archived copies must not follow
    for i, entry in enumerate(archive.entries):
        kept = entry.policy
        assert torch.equal(kept.act(observations, memory), expected[i])
        again = kept.act(observations, memory, deterministic=False, generator=torch.Generator().manual_seed(3))
        assert torch.equal(again, sampled[i])
        size = sum(t.untyped_storage().nbytes() for t in {t.data_ptr(): t for t in kept.tensors().values()}.values())
        network = [p[0] for p in getattr(learner, "actor", getattr(learner, "online", []))] or [learner.q[0, :, 0, 0].long()]
        assert size < 2 * sum(p.numel() * p.element_size() for p in network) + 256


@every_solver
def test_stacked_policies_act_as_each_alone(case: Case) -> None:
    policies = policies_of(case)
    stacked = type(policies[0]).stack(policies)
    observations = torch.from_numpy(observations_of(policies[0], 30))
    memory = memory_of(policies[0], 30)
    wide = {key: value.expand(3, *value.shape) for key, value in memory.items()}
    together = stacked.act_stacked(observations.expand(3, *observations.shape), wide, None, True, None)
    for i, policy in enumerate(policies):
        torch.testing.assert_close(
            together[i].to(torch.float32), policy.act(observations, memory).to(torch.float32) - start(policy)
        )
    assert len({policy.stacking_key() for policy in policies}) == 1


def start(policy: Any) -> int:
    return discrete_start(policy.action_space)


def test_policies_of_different_shapes_are_not_stacked() -> None:
    keys = {LEAVES[name].make().policies()[0].stacking_key() for name in ("mosac", "moppo", "mosac_discrete", "moq", "eupg")}
    assert len(keys) == 5


@every_solver
def test_files_bring_everything_back(case: Case, tmp_path: Path) -> None:
    policy = policies_of(case)[1]
    path = policy.save(tmp_path / "deep" / "folder", "mine")
    loaded = load_policy(path)
    assert type(loaded) is type(policy)
    assert loaded.config() == policy.config()
    assert loaded.observation_space == policy.observation_space
    assert loaded.action_space == policy.action_space
    assert all(torch.equal(value, loaded.tensors()[key]) for key, value in policy.tensors().items())
    observations, memory = torch.from_numpy(observations_of(policy)), memory_of(policy, 100)
    assert torch.equal(loaded.act(observations, memory), policy.act(observations, memory))
    default = policy.save(tmp_path)
    assert default.name == "policy.json"
    assert torch.equal(load_policy(tmp_path).act(observations, memory), policy.act(observations, memory))


def saved(tmp_path: Path) -> Path:
    path: Path = LEAVES["mosac"].make().policies()[0].save(tmp_path)
    return path


def change(path: Path, **changes: Any) -> None:
    description = json.loads(path.read_text())
    for key, value in changes.items():
        if value is None:
            del description[key]
        elif isinstance(value, dict):
            description[key] |= value
        else:
            description[key] = value
    path.write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "no policy at"),
        (lambda p: p.with_suffix(".safetensors").unlink(), "no policy at"),
        (lambda p: p.with_suffix(".safetensors").write_bytes(p.with_suffix(".safetensors").read_bytes()[:-9]), "truncated"),
        (lambda p: p.with_suffix(".safetensors").write_bytes(b""), "truncated"),
        (lambda p: p.write_text(p.read_text()[:-40]), "not a readable policy file"),
        (lambda p: p.write_text("[]"), "not a readable policy file"),
        (lambda p: p.write_bytes(b"\xff\xfe\x00"), "not a readable policy file"),
        (lambda p: change(p, format=99), "format 99"),
        (lambda p: change(p, sha256=None), "not a readable policy file"),
        (lambda p: change(p, config={"head": "gaussian"}), "was changed"),
        (lambda p: change(p, config={"accrued_gamma": 0.5}), "was changed"),
        (lambda p: change(p, sha256="0" * 64), "was changed"),
    ],
    ids=["json", "tensors", "cut tensors", "empty", "cut json", "list", "binary", "version", "no sum", "head", "gamma", "sum"],
)  # fmt: skip
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, damage: Any, message: str) -> None:
    path = saved(tmp_path)
    damage(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path).with_suffix(".safetensors")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="was changed"):
        load_policy(tmp_path)


def test_observations_of_the_wrong_shape_are_named() -> None:
    policy: BasePolicy = LEAVES["mosac"].make().policies()[0]
    for wrong in (np.zeros(3, np.float32), np.zeros((2, 3), np.float32), np.zeros((2, 2, 2), np.float32), 1.0):
        with pytest.raises(ShapeError, match=r"expected \(2,\) for one or \(B, 2\)"):
            policy.act(wrong)


@every_solver
def test_observations_outside_the_space_are_refused(case: Case) -> None:
    """A table would answer with another state's action, a network with that of a code nobody has trained."""
    policy = case.make().policies()[0]
    assert isinstance(policy, BasePolicy)
    right = observations_of(policy, 3)
    wrong: list[Any] = [np.full(right.shape, np.nan)]
    if np.issubdtype(right.dtype, np.integer):
        wrong += [right + 1000, right - 1000, right + 0.5]
    for observations in wrong:
        for given in (observations, observations[0], torch.from_numpy(observations)):
            with pytest.raises(ShapeError, match=r"the policy was given (the|a non-finite) observation"):
                policy.act(given)


def test_kinds_of_input_and_output() -> None:
    continuous, table = (LEAVES[name].make().policies()[0] for name in ("mosac", "moq_per_member"))
    assert continuous.act(np.zeros(2)).dtype == np.float32
    assert continuous.act(np.zeros((0, 2), np.float32)).shape == (0, 2)
    assert isinstance(table.act(3), int)
    assert table.act(torch.tensor([1, 2])).dtype == torch.int64


def test_a_greedy_policy_takes_other_preferences() -> None:
    policy = LEAVES["modqn"].make().policies()[0]
    observations = observations_of(policy, 200)
    assert np.array_equal(policy.act(observations, weights=policy.extras["weights"][0]), policy.act(observations))
    assert not np.array_equal(policy.act(observations, weights=[0.0, 1.0]), policy.act(observations, weights=[1.0, 0.0]))
    each = np.stack([[1.0, 0.0]] * 100 + [[0.0, 1.0]] * 100)
    mixed = policy.act(observations, weights=each)
    assert np.array_equal(mixed[:100], policy.act(observations, weights=[1.0, 0.0])[:100])
    assert np.array_equal(mixed[100:], policy.act(observations, weights=[0.0, 1.0])[100:])
