"""Every public name is in the reference: the site builds its pages from the modules that ``docs/reference`` lists."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import envs
import morl
import robust

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def packages() -> list[str]:
    """Packages that declare public names."""
    found = []
    for root in (morl, envs, robust):
        walked = (info.name for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}.") if info.ispkg)
        found += [name for name in (root.__name__, *walked) if hasattr(importlib.import_module(name), "__all__")]
    return found


@pytest.fixture(scope="module")
def listed() -> set[str]:
    """Modules that the reference lists."""
    return {line.strip() for page in REFERENCE.glob("*.md") for line in page.read_text(encoding="utf-8").splitlines()}


@pytest.mark.parametrize("package", packages())
def test_package_is_in_the_reference(package: str, listed: set[str]) -> None:
    assert package in listed


@pytest.mark.parametrize("package", packages())
def test_public_names_exist_and_are_documented(package: str) -> None:
    module = importlib.import_module(package)
    assert inspect.getdoc(module)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            # A dataclass without a docstring of its own gets its signature as one.
            assert not (value.__doc__ or f"{name}(").startswith(f"{name}("), f"{package}.{name} has no docstring"


@pytest.mark.parametrize("root", [morl, envs, robust], ids=lambda root: root.__name__)
def test_public_methods_are_documented_by_themselves_or_by_what_they_override(root: ModuleType) -> None:
    bare = []
    for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for cls in (value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == info.name):
            methods = [name for name, value in vars(cls).items() if inspect.isfunction(value) and not name.startswith("_")]
            bare += [f"{info.name}.{cls.__name__}.{name}" for name in methods if not inspect.getdoc(getattr(cls, name))]
    assert not [name for name in bare if "._" not in name]
