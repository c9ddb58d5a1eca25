from __future__ import annotations

import subprocess
import sys
import types
from dataclasses import dataclass

import pytest

from morl import registry
from morl.errors import ConfigurationError
from morl.registry import component, component_field, kinds, load_plugins, name_of, names, target
from morl.scalarizations import Chebyshev, WeightedSum
from morl.weights import riesz


@pytest.fixture
def plugin(monkeypatch):
    """A function that declares an importable plug-in module; what it adds is forgotten afterwards."""
    monkeypatch.setattr(registry, "_added", {})

    def declare(name, **content):
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
        return name

    return declare


@dataclass(frozen=True)
class Product:
    power: float = 1.0


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in kinds() for name in names(kind)])
def test_every_component_can_be_imported_and_names_itself(kind, name):
    found = component(kind, name)
    assert name_of(found, kind) == (kind, name)
    assert target(kind, name).rpartition(":")[0].rpartition(".")[2] == name, "a component's name is its file's name"


def test_objects_and_functions_know_their_names():
    assert name_of(Chebyshev()) == ("scalarization", "chebyshev")
    assert name_of(riesz) == ("weights", "riesz")
    assert name_of(object()) is None
    assert name_of(WeightedSum(), "solver") is None


def test_unknown_names_are_refused_with_the_closest_and_the_list():
    with pytest.raises(ConfigurationError, match=r"unknown solver 'mosca'. Did you mean 'mosac'\? Known: morld, mosac"):
        component("solver", "mosca")
    with pytest.raises(ConfigurationError, match=r"unknown kind of component 'solvers'. Did you mean 'solver'\?"):
        names("solvers")


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, morl.registry as r; [r.names(k) for k in r.kinds()]; "
        "print([m for m in ('torch', 'numpy', 'omegaconf', 'matplotlib', 'moocore', 'pymoo', 'gymnasium') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_plugin_module_adds_components(plugin):
    load_plugins([plugin("my_lab", COMPONENTS={"scalarization": {"product": "elsewhere:Product"}}), "my_lab"])
    assert "product" in names("scalarization")
    assert target("scalarization", "product") == "elsewhere:Product"


def test_a_plugin_may_register_a_re_export(plugin):
    plugin("my_facade", Product=Product)
    load_plugins([plugin("my_lab", COMPONENTS={"scalarization": {"product": "my_facade:Product"}})])
    assert component("scalarization", "product") is Product
    assert name_of(Product(power=2.0)) == ("scalarization", "product")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "declares no COMPONENTS"),
        ({"COMPONENTS": ["pbi"]}, "must be a mapping"),
        ({"COMPONENTS": {"scalarization": {"pbi2": Product}}}, "strings 'module:Class'"),
        ({"COMPONENTS": {"scalarization": {"pbi": "my_lab:PBI"}}}, "exists already"),
    ],
)
def test_a_bad_plugin_is_refused(plugin, content, message):
    with pytest.raises(ConfigurationError, match=message):
        load_plugins([plugin("my_lab", **content)])


def test_a_missing_plugin_is_refused():
    with pytest.raises(ConfigurationError, match="cannot import 'no_such_lab'"):
        load_plugins(["no_such_lab"])


def test_a_component_that_cannot_be_imported_says_so(plugin):
    load_plugins([plugin("my_lab", COMPONENTS={"solver": {"gone": "my_lab:Gone"}})])
    with pytest.raises(ConfigurationError, match=r"solver 'gone' \(my_lab:Gone\) cannot be imported"):
        component("solver", "gone")


def test_a_component_field_is_an_ordinary_field():
    @dataclass(frozen=True)
    class Holder:
        one: object = component_field("scalarization", default=WeightedSum())
        several: tuple[object, ...] = component_field("scalarization", default_factory=tuple)

    assert Holder() == Holder(one=WeightedSum(), several=())
