"""One network for all weights: what it has in common with separate ones, what is nobody's own, refusals, its policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from morl.acting import PolicyImprovement
from morl.bootstrapping import Envelope, SmallerQ
from morl.cooperation import HardTransfer, SharedReplay
from morl.errors import CapabilityError, ConfigurationError, ShapeError
from morl.evaluation import Evaluation, Evaluator
from morl.experiments.config import from_yaml
from morl.members import DeclaresState
from morl.policies import ConditionedPolicy, load_policy
from morl.problem import Problem, make_problem
from morl.solvers import MODQN, MOPPO, MORLD, MOSAC
from morl.task import Task, Utility
from morl.testing.solver import difference, through_files
from morl.weights import largest_lattice
from morl.weights.sources import Hindsight, OwnWeights, SupportWeights
from robust import IWOCS
from tests.panel import Panel

CPU = torch.device("cpu")
DST, TARGETS = "deep-sea-treasure-v0", "continuous/two-targets-v0"
OWN: dict[str, Any] = {"episode_weights": OwnWeights(), "learning_weights": OwnWeights()}
_small: dict[str, Any] = {"hidden": (16,), "batch_size": 8, "learning_starts": 6, "capacity": 60, "rows_per_member": 2}
DQN = MODQN(**_small, epsilon_decay_steps=100)
SAC = MOSAC(**_small)
PPO = MOPPO(hidden=(16,), rows_per_member=2, horizon=8, epochs=2, minibatch_size=5, normalise_observations=False)
MIXED = MODQN(**_small, network="conditioned", epsilon_decay_steps=100)


class Drift(gym.Env[Any, Any]):
    """A noisy point on a line that is to be at -1 and at 1; it may show constants beside its position and its push."""

    def __init__(self, shown: tuple[float, ...] = (), actions: gym.Space[Any] | None = None) -> None:
        self.shown = np.array(shown, np.float32)
        self.observation_space = spaces.Box(-10.0, 10.0, (2 + len(shown),), np.float32)
        self.action_space = spaces.Box(-2.0, 1.0, (1,), np.float32) if actions is None else actions
        self.reward_space = spaces.Box(-20.0, 0.0, (2,))

    def _seen(self) -> Any:
        return np.concatenate([np.array([self.x, self.push], np.float32), self.shown])

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.x, self.push, self.left = float(self.np_random.uniform(-1, 1)), 0.0, 5
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.push = float(np.asarray(action).reshape(-1)[0]) - isinstance(self.action_space, spaces.Discrete)
        self.x += 0.5 * self.push + 0.1 * float(self.np_random.normal())
        self.left -= 1
        reward = -np.abs(np.array([self.x + 1, self.x - 1], np.float32))
        return self._seen(), reward, abs(self.x) > 2, self.left == 0, {}


class Switch(Drift):
    """The same with three actions."""

    def __init__(self, shown: tuple[float, ...] = ()) -> None:
        super().__init__(shown, spaces.Discrete(3))


class Levers(Drift):
    """The same with an action of eighty combinations, of which one component counts."""

    def __init__(self) -> None:
        super().__init__((), spaces.MultiDiscrete([5, 4, 4]))


def task(*weights: float, m: int = 2) -> Task:
    first = torch.tensor(weights).unsqueeze(1)
    return Task(utility=Utility(weights=torch.cat([first, ((1 - first) / (m - 1)).expand(-1, m - 1)], 1)))


def made(solver: Any, env: Any, *weights: float, seed: int = 0) -> Any:
    problem = env if isinstance(env, Problem) else make_problem(env)
    return solver.make(problem, task(*weights), seed=seed, device=CPU)


def learned(solver: Any, env: Any, *weights: float, rounds: int = 16) -> Any:
    learner = made(solver, env, *weights)
    learner.learn(rounds * learner.next_round())
    return learner


# --- one member that keeps its weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solver", "env", "networks"),
    [
        (replace(DQN, n_step=2), Switch, ("online", "target")),
        (replace(DQN, prioritised=True, loss="huber"), Switch, ("online", "target")),
        (SAC, Drift, ("actor", "critic", "target")),
        (replace(SAC, update_engine="autograd"), Drift, ("actor", "critic", "target")),
        (PPO, Drift, ("actor", "critic")),
    ],
    ids=["modqn", "modqn prioritised", "mosac by hand", "mosac by autograd", "moppo"],
)
def test_one_member_that_keeps_its_weights_goes_the_way_of_a_separate_one_that_sees_them_as_constants(
    solver: Any, env: Any, networks: tuple[str, ...]
) -> None:
    weight = 0.7  # no binary fraction
    own = {name: value for name, value in OWN.items() if name in solver.of_conditioned}
    one = learned(replace(solver, network="conditioned", **own), env, weight)
    # The same number of the same precision.
    shown = tuple(one.linear_weights[0].tolist())
    separate = learned(solver, lambda: env(shown), weight)
    assert np.array_equal(one.returns, separate.returns)
    assert torch.equal(one.observations, separate.observations[:, :2])
    assert one.statistics().keys() == separate.statistics().keys()
    assert all(np.isfinite(list(one.statistics().values())))
    for name in networks:
        start = [p.clone() for p in getattr(made(solver, lambda: env(shown), weight), name)]
        for first, a, b in zip(start, getattr(one, name), getattr(separate, name), strict=True):
            assert torch.equal(a, b), name
            assert not torch.equal(first, b), f"{name} learned nothing"


def test_advantages_count_alike_whatever_the_preference() -> None:
    """Members that keep their weights are normalised each for itself, as separate ones; drawn weights row by row."""
    separate, conditioned = made(PPO, Drift, 0.2, 0.9), replace(PPO, network="conditioned")
    own = made(replace(conditioned, episode_weights=OwnWeights()), Drift, 0.2, 0.9)
    columns = 4 * PPO.horizon  # two rows of two members
    generator = torch.Generator().manual_seed(0)
    # Time before row.
    advantages = torch.randn(PPO.horizon, 4, 2, generator=generator) * torch.tensor([1.0, 1.0, 50.0, 50.0]).view(1, 4, 1)
    mask = torch.rand(PPO.horizon, 4, generator=generator) < 0.8
    weights = own.linear_weights.repeat_interleave(2, 0).expand(PPO.horizon, -1, -1)
    steps = {"weights": weights.reshape(1, columns, 2)}
    found = own._gains(advantages.view(1, columns, 2), steps, mask.view(1, columns), slice(0, 1)).view(mask.shape)
    for i in range(2):
        rows = slice(2 * i, 2 * i + 2)
        theirs = advantages[:, rows].reshape(1, -1, 2), {}, mask[:, rows].reshape(1, -1), slice(i, i + 1)
        torch.testing.assert_close(found[:, rows].reshape(1, -1), separate._gains(*theirs))
    drawn = made(conditioned, Drift, 0.2, 0.9)
    each = drawn._gains(advantages.view(1, columns, 2), steps, mask.view(1, columns), slice(0, 1)).view(mask.shape)
    assert bool((each[~mask] == 0).all())
    torch.testing.assert_close(each.sum(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(each.square().sum(0) / mask.sum(0), torch.ones(4))


# --- nothing of a network is a member's ------------------------------------------------------------------------------------

CASES = {
    "modqn": (replace(MIXED, bootstrap=SmallerQ(), prioritised=True), DST),
    "mosac": (replace(SAC, network="conditioned"), TARGETS),
    "moppo": (replace(PPO, network="conditioned", normalise_observations=True), TARGETS),
}


def nobodys(learner: Any) -> dict[str, Any]:
    """What is saved of the parts that all members share, by name."""
    assert isinstance(learner, DeclaresState)
    saved = {
        f"{part.name}/{k}": v for part, held in learner.owned() if part.kind == "shared" for k, v in part.save(held).items()
    }
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in saved.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_the_population_leaves_the_network_and_its_optimiser_alone(name: str) -> None:
    learner = learned(*CASES[name], 0.2, 0.5, 0.8)
    before, statistics = nobodys(learner), learner.statistics()
    kinds = {part.name for part, _ in learner.owned() if part.kind == "member"}
    networks = {"modqn": {"online", "target", "adam", "updates", "owed"}, "moppo": {"actor", "critic", "value_moments"}}
    expected = networks.get(name, {"actor", "critic", "target", "log_alpha", "actor_adam", "owed"})
    assert {key.split("/")[0] for key in before} >= expected
    assert not kinds & expected
    for source, fresh in (([0, 1, 2, 1, 0], [False, False, False, True, True]), ([4, 2], [False, True]), ([0], [True])):
        learner.reindex(source, fresh)
        assert learner.n == len(source)
        assert difference(before, nobodys(learner)) is None
        assert len(learner.candidates()) == len(source)
        # What was last said of the network is true of it, whoever is there.
        assert learner.statistics() == pytest.approx(statistics)
        assert not learner.waits_for()
    learner.reindex([0, 0], [False, True])
    learner.learn(12 * learner.next_round())
    assert difference(before, nobodys(learner)) is not None
    assert all((values == values[0]).all() for values in learner.stats.values()), "nothing is left of what was said before"


@pytest.mark.parametrize("name", CASES)
def test_a_state_restores_into_a_population_of_another_size(name: str) -> None:
    solver, env = CASES[name]
    learner, other = learned(solver, env, 0.2, 0.5, 0.8), made(solver, env, 0.4)
    other.load_state(through_files(learner.state()))
    assert difference(learner.state(), other.state()) is None
    for each in (learner, other):
        each.learn(10 * learner.next_round())
    assert difference(learner.state(), other.state()) is None


# --- what is refused -------------------------------------------------------------------------------------------------------


class _TakesParameters:
    requires = HardTransfer.requires

    def configure(self, solver: Any) -> Any:
        return solver

    def exchange(self, learner: Any, *, source: int, exchanges: int, neighbours: Any) -> None:
        """Never comes to it."""


def refused(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("solver", [MIXED, CASES["mosac"][0], CASES["moppo"][0]], ids=["modqn", "mosac", "moppo"])
def test_members_without_networks_have_nothing_to_give(solver: Any) -> None:
    name = type(solver).__name__
    for mechanism in (HardTransfer(), _TakesParameters()):
        message = f"take over each other's parameters, which {name} does not make"
        refused(CapabilityError, message, lambda mechanism=mechanism: MORLD(solver=solver, cooperation=(mechanism,)))
    message = f"IWOCS compares the critics of members .*set network: separate in {name}"
    refused(CapabilityError, message, lambda: IWOCS(solver=solver))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: MODQN(bootstrap=Envelope()), "MODQN.bootstrap: Envelope .*set network: conditioned"),
        (lambda: MODQN(acting=PolicyImprovement()), "MODQN.acting: PolicyImprovement .*set network: conditioned"),
        (lambda: MODQN(episode_weights=OwnWeights()), "MODQN.episode_weights .*set network: conditioned"),
        (lambda: MOSAC(learning_weights=OwnWeights()), "MOSAC.learning_weights .*set network: conditioned"),
        (lambda: MOPPO(episode_weights=OwnWeights()), "MOPPO.episode_weights .*set network: conditioned"),
        (lambda: Envelope(number=1), "number must be"),
        (
            lambda: MOSAC(network="conditioned", extras=("unregularised_critic",)),
            "MOSAC.extras .*leave them out, or set network: separate",
        ),
        (lambda: MODQN(network="shared"), "network must be"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: Any, message: str) -> None:
    refused(ConfigurationError, message, wrong)


@pytest.mark.parametrize(
    ("solver", "field"),
    [
        (MODQN(network="conditioned", acting=PolicyImprovement()), "acting"),
        (MODQN(network="conditioned", learning_weights=Hindsight(others="support")), "learning_weights"),
        (MOSAC(network="conditioned", learning_weights=SupportWeights()), "learning_weights"),
        (MOPPO(network="conditioned", episode_weights=SupportWeights()), "episode_weights"),
    ],
)
def test_a_set_of_one_and_a_single_objective_are_refused_before_training(solver: Any, field: str) -> None:
    env = TARGETS if isinstance(solver, MOSAC) else DST
    message = rf"{type(solver).__name__}\.{field}: .* there is one member; set num_members of MORLD to 2 or more"
    refused(ConfigurationError, message, lambda: MORLD(solver=solver, num_members=1).run(env, env_steps=100))
    refused(ConfigurationError, message, lambda: solver.run(env, env_steps=100))
    refused(ConfigurationError, "has one objective", lambda: solver.run("tabular/river-swim-v0", env_steps=100))


@pytest.mark.parametrize("change", [{"bootstrap": Envelope()}, {"bootstrap": SmallerQ()}, {"acting": PolicyImprovement()}])
def test_actions_that_cannot_be_listed_are_refused(change: dict[str, Any]) -> None:
    name = type(next(iter(change.values()))).__name__
    for env in (Panel, Levers):
        refused(
            CapabilityError,
            f"{name} compares whole actions.*DoubleQ",
            lambda env=env: made(replace(MIXED, **change), env, 0.5, 0.2),
        )
    made(MIXED, Panel, 0.5)


YAML = """
env: deep-sea-treasure-v0
env_steps: 100
solver: {name: modqn, network: conditioned, FIELD: {name: envelop}}
"""


@pytest.mark.parametrize(
    ("field", "known"),
    [("bootstrap", "envelope"), ("acting", "own_policy"), ("learning_weights", "hindsight"), ("episode_weights", "support")],
)
def test_unknown_names_are_refused_with_those_that_there_are(field: str, known: str) -> None:
    refused(ConfigurationError, f"envelop.*{known}", lambda: from_yaml(YAML.replace("FIELD", field)))


# --- its policy ------------------------------------------------------------------------------------------------------------


def policy_of(solver: Any, env: Any, *weights: float) -> ConditionedPolicy:
    (policy,) = learned(solver, env, *(weights or (0.2, 0.6))).policies()
    assert isinstance(policy, ConditionedPolicy)
    return policy


GPI = replace(MIXED, acting=PolicyImprovement())


@pytest.mark.parametrize("name", [*CASES, "gpi"])
def test_the_policy_is_saved_bound_and_asked_in_batches(name: str, tmp_path: Path) -> None:
    solver, env = CASES.get(name, (GPI, DST))
    policy = policy_of(solver, env)
    loaded = load_policy(policy.save(tmp_path))
    assert isinstance(loaded, ConditionedPolicy)
    space, generator = policy.observation_space, np.random.default_rng(0)
    space.seed(0)
    observations = np.stack([space.sample() for _ in range(12)])
    weights = generator.dirichlet([1, 1], size=12)
    together = policy.act(observations, weights=weights)
    assert len({str(a) for a in together.tolist()}) > 1
    assert np.array_equal(loaded.act(observations, weights=weights), together)
    for observation, w, action in zip(observations, weights, together, strict=True):
        bound = policy.at(w)
        assert np.allclose(policy.act(observation, weights=w), action, atol=1e-6)
        assert np.allclose(bound.act(observation), action, atol=1e-6)
        # Weights that are given go before those that it is bound to.
        assert np.allclose(policy.at(w[::-1]).act(observation, weights=w), action, atol=1e-6)
    again = load_policy(bound.save(tmp_path, "bound"))
    assert again.config() == bound.config()
    assert np.array_equal(again.act(observations), bound.act(observations))
    for wrong in ([0.5, 0.25, 0.25], [1.0]):
        refused(ShapeError, "expected 2, one per objective", lambda wrong=wrong: policy.act(observations, weights=wrong))
        refused(ShapeError, "expected 2, one per objective", lambda wrong=wrong: policy.at(np.array(wrong)))
    refused(ConfigurationError, "this policy serves any preference: give weights", lambda: policy.act(observations))


@pytest.mark.parametrize("solver", [GPI, MIXED, CASES["modqn"][0]], ids=["gpi", "own policy", "two networks"])
def test_the_policy_chooses_what_the_learner_would(solver: Any) -> None:
    learner = learned(solver, DST, 0.1, 0.5, 0.9)
    (policy,) = learner.policies()
    assert ("support" in policy.tensors()) == (solver is GPI)
    observations = torch.tensor([[i, j] for i in range(5) for j in range(5)])
    weights = torch.linspace(0, 1, 25).unsqueeze(1)
    weights = torch.cat([weights, 1 - weights], 1)
    seen = torch.cat([learner.encoder(observations), weights], 1).unsqueeze(0)
    online = [p[:, 0] for p in learner.online] if learner.net.copies else learner.online
    greedy = learner.act_tensors(online, seen, weights.unsqueeze(0), torch.zeros(1, 1), torch.rand(2, 1, 25))
    assert torch.equal(policy.act(observations, weights=weights), greedy[0])


def test_many_candidates_take_one_call_per_step(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learned(MIXED, DST, 0.2, 0.5, 0.8)
    candidates = learner.candidates_at(largest_lattice(20, 2))
    assert len({id(candidate.policy) for candidate in candidates}) == 1
    calls: list[tuple[int, ...]] = []
    original = ConditionedPolicy.act_stacked

    def spy(self: Any, observations: Any, *rest: Any) -> Any:
        calls.append(tuple(observations.shape[:2]))
        return original(self, observations, *rest)

    monkeypatch.setattr(ConditionedPolicy, "act_stacked", spy)
    evaluation = Evaluation(episodes=3, max_rows=60, max_episode_steps=12)
    asked = ([c.policy for c in candidates], np.stack([c.weights for c in candidates]))
    found = Evaluator(learner.env, evaluation, gamma=0.9, device=CPU)(asked[0], weights=asked[1])
    assert calls == [(1, 60)] * int(found.lengths.max())
    # One row less, and there are two batches; they say the same.
    calls.clear()
    tight = Evaluator(learner.env, replace(evaluation, max_rows=59), gamma=0.9, device=CPU)(asked[0], weights=asked[1])
    assert set(calls) == {(1, 57), (1, 3)}
    assert np.array_equal(tight.discounted, found.discounted)


@pytest.mark.parametrize("most", [1, 2, 7, 8, 20, 100])
def test_final_preferences_are_evenly_spread(most: int) -> None:
    for m in range(1, 9):
        check_spread(largest_lattice(most, m), m, most)


def check_spread(weights: Any, m: int, most: int) -> None:
    assert 1 <= len(weights) <= most
    np.testing.assert_allclose(weights.sum(1), 1.0)
    assert (weights >= 0).all()
    assert len(np.unique(weights.round(9), axis=0)) == len(weights)
    if m > 1 and most >= m:
        assert all((weights == corner).all(1).any() for corner in np.eye(m))
        # A lattice: from each point there is one nearest distance to others, the same for all.
        distances = np.linalg.norm(weights[:, None] - weights[None], axis=-1) + 10 * np.eye(len(weights))
        np.testing.assert_allclose(distances.min(1), distances.min())
    else:
        np.testing.assert_allclose(weights, 1.0 / m)
    if m == 2:
        assert len(weights) == most


def test_a_turn_by_turn_schedule_and_shared_replay_need_no_network_of_ones_own() -> None:
    solver = MORLD(
        solver=MIXED, num_members=3, schedule="turn_by_turn", update_passes=2, exchange_period=20, cooperation=(SharedReplay(),)
    )
    learner = solver.make(make_problem(DST), None, seed=0, device=CPU)
    learner.learn(20)
    # Member 0 alone has acted, 14 steps beyond the warm-up; the passes for the others are made on what it stored.
    assert (learner.exchanges, learner.inner.member_steps.tolist()) == (1, [20, 0, 0])
    assert learner.inner.updates.tolist() == [14 + 2]
    learner.learn(60)
    assert learner.exchanges == 4
