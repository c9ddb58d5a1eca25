"""What there is: components, configurations, benchmarks and environments, each with a sentence.

Sentences are read from the source, so that a list imports none of what it names.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

from morl.errors import ConfigurationError, closest, shown
from morl.registry import kinds, names, target

Row = tuple[str, ...]
"""Name, sentence, and what else there is to say."""

_MORE_KINDS = ("config", "benchmark", "environment")
_LONGEST = 120
"""Characters of a sentence."""

_IMAGES = {"minecart-rgb-v0"}
"""Environments of other packages whose observations are images, which no solver takes."""
_NEEDS_ARGUMENTS = {"parametric/wrapped-v0"}
_OPTIONAL = {"box2d": "Box2D", "mujoco": "mujoco"}
"""Packages that environments import through gymnasium: part of the imported module's name, and the package."""


def entries(kind: str) -> tuple[list[Row], list[str]]:
    """List one kind of thing.

    Args:
        kind: A kind of component, ``config``, ``benchmark`` or ``environment``; singular or plural.

    Returns:
        A row for each, and what was left out and why, in words.

    Raises:
        ConfigurationError: There is no such kind.
    """
    every = every_kind()
    forms = {form: each for each in every for form in _forms(each)}
    known = forms.get(kind.lower().replace("-", "_"))
    if known is None:
        raise ConfigurationError(f"unknown kind {shown(kind)}.{closest(kind, every)} Known kinds: {', '.join(every)}")
    if known == "environment":
        return _environments()
    if known == "config":
        from morl.experiments.shipped import describe_config, shipped_configs

        return [(name, describe_config(path)) for name, path in shipped_configs().items()], []
    if known == "benchmark":
        from morl.benchmarks import benchmark, benchmark_ids

        found = [benchmark(env_id) for env_id in benchmark_ids()]
        return [
            (each.env_id, ", ".join(each.objective_names), f"({', '.join(f'{x:g}' for x in each.reference_point())})")
            for each in found
            if each is not None
        ], []
    return [(name, describe(target(known, name))) for name in names(known)], []


def every_kind() -> tuple[str, ...]:
    """What can be listed."""
    return (*kinds(), *_MORE_KINDS)


def _forms(kind: str) -> set[str]:
    """Singular and plural."""
    one = kind.removesuffix("s")
    return {kind, one, f"{one}s", f"{one}es", f"{one.removesuffix('y')}ies"}


def describe(where: str) -> str:
    """What a class or function is, in one sentence.

    Args:
        where: ``"module:name"``.

    Returns:
        The first sentence of its docstring without its full stop, else of the module's; empty if nothing is found.
    """
    module, _, name = where.partition(":")
    tree = _tree(module)
    if tree is None:
        return ""
    found = next((node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name), None)
    text = (None if found is None else ast.get_docstring(found)) or ast.get_docstring(tree) or ""
    # Some packages begin with headings.
    paragraphs = re.split(r"\n\s*\n", re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE).strip())
    sentence = " ".join(paragraphs[0].split()).partition(". ")[0].rstrip(".")
    # Marks of reStructuredText and links of Markdown.
    sentence = re.sub(r":\w+:`~?(?:[\w.]*\.)?([^`]*)`", r"\1", sentence)
    sentence = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", sentence).replace("`", "")
    return sentence if len(sentence) <= _LONGEST else f"{sentence[: _LONGEST - 1]}…"


def _environments() -> tuple[list[Row], list[str]]:
    """Environments of this package and of mo-gymnasium that can be made here without arguments."""
    import gymnasium
    import mo_gymnasium  # noqa: F401 - registers its ids

    from envs.registry import OWN_IDS, register
    from morl.benchmarks import benchmark

    register()
    theirs = {
        env_id: spec.entry_point
        for env_id, spec in gymnasium.registry.items()
        if isinstance(spec.entry_point, str) and spec.entry_point.startswith("mo_gymnasium.")
    }
    rows: list[Row] = []
    left_out = []
    for env_id, where in (OWN_IDS | theirs).items():
        missing = sorted(package for package in _packages(where.partition(":")[0]) if importlib.util.find_spec(package) is None)
        if missing:
            left_out.append(f"{env_id} needs {', '.join(missing)}")
        elif env_id in _IMAGES:
            left_out.append(f"{env_id} shows images, which no solver takes")
        elif env_id not in _NEEDS_ARGUMENTS:
            known = benchmark(env_id)
            objectives = "" if known is None else f"objectives: {', '.join(known.objective_names)}"
            rows.append((env_id, describe(where).removeprefix(f"{env_id}: "), objectives))
    return rows, left_out


def _packages(module: str) -> set[str]:
    """Packages that a module needs to be imported, and optional ones that its environments need."""
    tree = _tree(module)
    imported: set[str] = set()
    for node in [] if tree is None else tree.body:
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module)
    parts = {part for name in imported for part in name.split(".")}
    return {name.partition(".")[0] for name in imported} | {_OPTIONAL[part] for part in parts & _OPTIONAL.keys()}


@cache
def _tree(module: str) -> ast.Module | None:
    """The syntax tree of a module; neither it nor the packages around it are imported."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
        if spec is None:
            return None
        for folder in spec.submodule_search_locations or [str(Path(spec.origin or "").parent)]:
            path = Path(folder).joinpath(*inner) if spec.submodule_search_locations else Path(folder, top)
            for source in (path.with_suffix(".py"), path / "__init__.py"):
                if source.is_file():
                    return ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, ImportError):
        pass
    return None
