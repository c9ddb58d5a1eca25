from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import pytest
import torch

from morl import registry
from morl.errors import ConfigurationError
from morl.evaluation import Evaluation
from morl.experiments.config import from_yaml, load_config, to_yaml
from morl.experiments.run_config import RunConfig, TaskConfig
from morl.problem import make_problem
from morl.registry import component, component_field, kinds, names
from morl.scalarizations import PBI, Chebyshev, WeightedSum
from morl.solvers.moq import MOQLearning
from morl.solvers.mosac import MOSAC

TEXT = """
env: deep-sea-treasure-v0
solver: {name: mosac, hidden: [64, 64], gamma: 1}
env_steps: 1e4
"""


def build(*overrides, text=TEXT):
    return from_yaml(text, overrides=overrides)


def test_yaml_becomes_the_object_a_user_would_write():
    assert build() == RunConfig(env="deep-sea-treasure-v0", solver=MOSAC(hidden=(64, 64), gamma=1.0), env_steps=10_000)
    assert type(build().env_steps) is int
    assert type(build().solver.gamma) is float


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(env="a", solver=MOQLearning(), env_steps=1),
        RunConfig(
            env={"id": "a", "map": [[1, 2], [3.5, None]], "flag": True, "name": "x"},
            solver=MOSAC(hidden=(3,), tau=1e-5, temperature=0.1, extras=("unregularised_critic",)),
            env_steps=123_456_789,
            seed=2**62,
            evaluation=Evaluation(episodes=7, reference_point=(-100.0, 1e300), gamma=1.0),
            task=TaskConfig(weights=((0.3, 0.7), (1.0, 0.0)), scalarization=PBI(), ideal_point=(1.0, float("inf"))),
        ),
    ],
)
def test_object_to_yaml_to_object_is_the_identity(config):
    assert from_yaml(to_yaml(config)) == config
    assert to_yaml(from_yaml(to_yaml(config))) == to_yaml(config)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in kinds() if kind not in ("policy", "critic") for name in names(kind)]
)
def test_every_registered_component_survives_the_round_trip(kind, name):
    found = component(kind, name)
    original = found() if isinstance(found, type) else found
    assert from_yaml(to_yaml(original), kind=kind) == original
    assert from_yaml(f"name: {name}", kind=kind) == original


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=1", r"sed: unknown key. Did you mean 'seed'\?"),
        ("solver.hiden=[8]", r"solver.hiden: unknown key of mosac. Did you mean 'hidden'\?"),
        ("evaluation.episode=3", r"evaluation.episode: unknown key. Did you mean 'episodes'\?"),
        ("solver=mosca", r"solver: unknown solver 'mosca'. Did you mean 'mosac'\?"),
        ("solver.name=3", r"solver.name: expected text, found 3 \(int\)"),
        ("solver.hidden=3", r"solver.hidden: expected a list of int, found 3 \(int\)"),
        ("solver.hidden=[3.5]", r"solver.hidden: expected a list of int, found \[3.5\] \(a list\)"),
        ("env_steps=many", r"env_steps: expected int or null, found 'many' \(text\)"),
        ("env_steps=1.5", r"env_steps: expected int or null, found 1.5 \(float\)"),
        ("env_steps=true", r"env_steps: expected int or null, found True \(bool\)"),
        ("env_steps=0", r"env_steps must be at least 1, found 0"),
        ("seed=-1", r"seed must not be negative, found -1"),
        ("seed=null", r"seed: expected int, found null"),
        ("solver=null", r"solver: expected a solver \(morld, "),
        ("solver=[moq]", r"solver: expected a solver \(morld, "),
        ("solver.gamma=2", r"solver: MOSAC.gamma must be in \[0, 1\], found 2.0"),
        ("solver.replay=everybody", r"solver.replay: expected one of 'per_member', 'shared', found 'everybody'"),
        ("solver.temperature=warm", r"solver.temperature: expected float or null, found 'warm'"),
        ("evaluation=5", r"evaluation: expected a mapping, found 5"),
        ("evaluation.episodes=0", r"evaluation: evaluation.episodes must be at least 1"),
        ("evaluation.reference_point=[0, x]", r"evaluation.reference_point: expected a list of float or null"),
        ("env={name: x}", r"env: a mapping needs the key 'id'"),
        ("env=3", r"env: expected text or a mapping, found 3"),
        ("plugins=[no_such_lab]", r"plugins: cannot import 'no_such_lab'"),
        ("plugins=no_such_lab", r"plugins: expected a list of text, found 'no_such_lab'"),
        ("seed", r"override 'seed': expected KEY=VALUE"),
        ("=1", r"override '=1': expected KEY=VALUE"),
        ("seed=[1", r"override 'seed=\[1'"),
        ("task.scalarization.rho=1", r"task.scalarization.name: missing; expected a scalarization: weighted_sum"),
        ("seed=${nothing}", r"nothing"),
    ],
)
def test_a_bad_value_is_one_line_that_names_key_expectation_and_remedy(override, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        build(override)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "env: missing; expected text or a mapping"),
        ("env: a", "solver: missing; expected a solver: morld"),
        ("env: a\nsolver: moq", "env_steps: missing; expected int"),
        ("- 1", "expected a mapping with env, solver, env_steps"),
        ("env: a\nenv: [", r"configuration:3: not valid YAML"),
        ("env: a\nenv: b", r"duplicate"),
    ],
)
def test_a_bad_file_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        from_yaml(text)


def test_overrides():
    config = build("seed=3", "env=fruit-tree-v0", "solver.hidden=[8]", "evaluation.gamma=0.5", "env_steps=20_000", "device=cpu")
    assert (config.seed, config.env, config.env_steps, config.device) == (3, "fruit-tree-v0", 20_000, "cpu")
    assert config.solver == MOSAC(hidden=(8,), gamma=1.0)
    assert config.evaluation == Evaluation(gamma=0.5)


def test_an_override_may_turn_an_id_into_a_mapping():
    assert build("env.depth=7").env == {"id": "deep-sea-treasure-v0", "depth": 7}


def test_another_name_starts_from_its_own_defaults():
    assert build("solver=moq").solver == MOQLearning()
    assert build("solver.name=moq").solver == MOQLearning()
    assert build("solver.name=moq", "solver.gamma=0.5").solver == MOQLearning(gamma=0.5)
    assert build("solver.name=mosac").solver == build().solver, "the same name changes nothing"


def test_a_short_name_takes_overrides_of_its_fields():
    assert build("solver.tau=1", text=TEXT.replace("{name: mosac, hidden: [64, 64], gamma: 1}", "mosac")).solver == MOSAC(
        tau=1.0
    )


def test_interpolation():
    assert build("seed=7", "evaluation.seed=${seed}").evaluation.seed == 7


@dataclass(frozen=True)
class Holder:
    several: tuple[object, ...] = component_field("scalarization", default=())
    one: object = component_field("scalarization", default=Chebyshev())
    perhaps: object | None = component_field("scalarization", default=None)


@pytest.fixture
def holder(monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    module = types.ModuleType("my_lab")
    vars(module).update(COMPONENTS={"holder": {"holder": "my_lab:Holder"}}, Holder=Holder)
    monkeypatch.setitem(sys.modules, "my_lab", module)
    monkeypatch.setitem(sys.modules, Holder.__module__, sys.modules.get(Holder.__module__, module))
    registry.load_plugins(["my_lab"])


@pytest.mark.usefixtures("holder")
def test_nested_components_tuples_and_none():
    text = "name: holder\nseveral: [weighted_sum, {name: pbi, theta: 2}]\none: {}\nperhaps: pbi"
    expected = Holder(several=(WeightedSum(), PBI(theta=2.0)), one=Chebyshev(), perhaps=PBI())
    assert from_yaml(text, kind="holder") == expected
    assert from_yaml(to_yaml(expected), kind="holder") == expected
    with pytest.raises(ConfigurationError, match=r"several.1.thet: unknown key of pbi. Did you mean 'theta'"):
        from_yaml(text.replace("theta", "thet"), kind="holder")
    with pytest.raises(
        ConfigurationError, match=r"several: expected a list of scalarization names \(.*\), found 'pbi'|several"
    ):
        from_yaml("name: holder\nseveral: 3", kind="holder")
    with pytest.raises(ConfigurationError, match=r"one: expected a scalarization \(.*\), found null"):
        from_yaml("name: holder\none: null", kind="holder")


def test_what_yaml_cannot_hold_is_refused():
    with pytest.raises(ConfigurationError, match=r"env.make: YAML cannot hold <function"):
        to_yaml(RunConfig(env={"id": "a", "make": lambda: None}, solver=MOQLearning(), env_steps=1))
    with pytest.raises(ConfigurationError, match="Holder is not registered"):
        to_yaml(Holder())


def test_task():
    spec = make_problem("deep-sea-treasure-v0").spec
    task = TaskConfig(weights=(0.25, 0.75)).make(spec, "esr")
    assert task.utility.weights.tolist() == [[0.25, 0.75]]
    assert task.utility.criterion == "esr"
    assert TaskConfig().make(spec, "ser").utility.weights.tolist() == [[0.5, 0.5]]
    members = TaskConfig(weights=((1.0, 0.0), (0.0, 1.0)), scalarization=Chebyshev(), ideal_point=(1.0, 2.0), scale=(1.0, 2.0))
    utility = members.make(spec, "ser").utility
    assert utility.weights.tolist() == [[1, 0], [0, 1]]
    assert torch.equal(utility.ideal_point, torch.tensor([1.0, 2.0]))
    with pytest.raises(ConfigurationError, match=r"task.weights has 3 entries but deep-sea-treasure-v0 has 2 objectives"):
        TaskConfig(weights=(0.2, 0.2, 0.6)).make(spec, "ser")
    with pytest.raises(ConfigurationError, match="simplex"):
        TaskConfig(weights=(0.2, 0.2)).make(spec, "ser")


def test_files(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    assert load_config(path, ["seed=5"]).seed == 5
    with pytest.raises(
        ConfigurationError, match=r"no configuration 'quickstrat'.*Did you mean 'quickstart'\? Shipped: .*quickstart"
    ):
        load_config("quickstrat")
    (tmp_path / "config.yaml").write_text(TEXT)
    with pytest.raises(ConfigurationError, match=r"is a run directory: use 'morl resume"):
        load_config(tmp_path)
