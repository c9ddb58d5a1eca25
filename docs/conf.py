"""Sphinx configuration. Built with warnings as errors: ``make docs``."""

from __future__ import annotations

import html
import importlib
import inspect
import os
import pkgutil
import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from matplotlib.figure import Figure
from sphinx.ext import autosummary
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.util import logging
from sphinx.util.nodes import make_refnode
from sphinx_gallery.scrapers import figure_rst

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment
    from sphinx.writers.html5 import HTML5Translator

# Rendering without a display, and no greeting from the game library behind some environments.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import morl

project = "tradeoff-rl"
author = "The tradeoff-rl contributors"
copyright = "2026, the tradeoff-rl contributors"  # noqa: A001  (Sphinx reads this name)
release = version = morl.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "tutorials", "Thumbs.db"]
templates_path = ["_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

html_theme = "pydata_sphinx_theme"
html_title = "tradeoff-rl"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    # Tutorials need the width for their code; no page may match two patterns.
    "secondary_sidebar_items": {"[!a]*": ["page-toc"], "algorithms": ["page-toc"], "auto_tutorials/*": []},
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages without pages below them need no navigation at their side.
SINGLE_PAGES = (
    "algorithms", "benchmarks", "coverage", "dependencies", "dynamics", "extending", "files", "indicators", "installation",
    "marks", "oracles", "other_libraries", "restless_bandits", "runs", "shapes",
)  # fmt: skip
html_sidebars: dict[str, list[str]] = {page: [] for page in ("index", "papers/*", *SINGLE_PAGES)}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
# The gallery's settings hold a function; a public class is known by the name of its module too.
suppress_warnings = ["config.cache", "ref.python"]

copybutton_prompt_text = r">>> |\$ "
copybutton_prompt_is_regexp = True

# --- reference ------------------------------------------------------------------------------------------------------
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes_style")]
napoleon_use_rtype = False

nitpicky = True
# Third-party types: their documentation is not fetched, so that the site builds without a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|numpy|np|npt|gymnasium|gym|matplotlib|omegaconf|rich|typer|mo_gymnasium|moocore|pymoo|scipy)(\..*)?"),
    (r"py:.*", r"(collections\.abc|pathlib|typing|types|abc|dataclasses|os|datetime|enum|functools)(\..*)?"),
    (r"py:.*", r"(Any|Callable|ClassVar|Iterable|Iterator|Literal|Mapping|MutableMapping|Path|Protocol|Sequence|Tensor|Self)"),
    (r"py:.*", r"(NDArray|ArrayLike|Generator|device|optional|ndarray|Space|Env|Box|float32|float64|int64|bool_|dtype|Size)"),
    # Ranges of numbers, as in Annotated[float, Range(ge=0.0)].
    (r"py:class", r"(Annotated|Range|Length|Share|-?[0-9.]+)"),
    # Names that stay text where a module imports them for type checkers only, and local aliases of array types.
    (
        r"py:class",
        r"(Array|Batch|Builder|Figure|Floats|IntArray|Integers|LayerBounds|Parameters|Selection|Table|spaces\.Box|tuple\[.*)",
    ),
    # Type variables and private classes.
    (r"py:class", r"(P|.*\.(Self|Choice|_[A-Z]\w*))"),
    # Builtins, by role: Python's own documentation is not fetched either.
    (r"py:(class|exc|obj|func|data)", r"(None|bool|bytes|dict|float|frozenset|int|list|object|set|slice|str|tuple|type)"),
    (r"py:(class|exc)", r"(Exception|FileNotFoundError|KeyError|OSError|RuntimeError|TypeError|ValueError|KeyboardInterrupt)"),
]


def listed_modules() -> list[str]:
    """Modules that the reference lists, most specific first."""
    lines = (HERE / "reference" / "index.md").read_text(encoding="utf-8").splitlines()
    names = {line.strip() for line in lines if line.strip().startswith(("morl", "envs", "robust"))}
    return sorted(names, key=lambda name: (-name.count("."), name))


@contextmanager
def public_names(modules: list[str]) -> Iterator[None]:
    """Let what a package re-exports claim to be defined there, so that it gets one page, under the name users import."""
    moved = []
    for name in modules:
        module = importlib.import_module(name)
        for exported in getattr(module, "__all__", ()):
            value = getattr(module, exported)
            if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith(f"{name}."):
                moved.append((value, value.__module__))
                value.__module__ = name
    yield
    # In reverse: what two packages re-export was moved twice.
    for value, home in reversed(moved):
        value.__module__ = home


def write_internals(listed: list[str]) -> None:
    """List every other module on a page of its own: what is public is documented where it is exported."""
    found = []
    for top in sorted({name.split(".")[0] for name in listed}):
        package = importlib.import_module(top)
        for info in pkgutil.walk_packages(package.__path__, f"{top}."):
            parent, _, last = info.name.rpartition(".")
            if last.startswith("_"):
                continue
            importlib.import_module(info.name)
            # A function may hide the module of the same name: `morl.indicators.hypervolume` is the function.
            if info.name not in listed and inspect.ismodule(getattr(sys.modules[parent], last)):
                found.append(info.name)
    lines = ["Internals", "=========", "", "What the packages are made of, for readers of the code.", ""]
    lines += [".. autosummary::", "   :toctree: .", "", *(f"   {name}" for name in sorted(found)), ""]
    page = HERE / "reference" / "generated" / "internals.rst"
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join(lines), encoding="utf-8")


def run_example(app: Sphinx) -> None:
    """Run the solver that ``extending.md`` shows, and its check: what is printed there works."""
    del app
    sys.path.insert(0, str(HERE))
    runpy.run_path(str(HERE / "check_example.py"))


def write_reference(app: Sphinx) -> None:
    """Write the pages of the reference, instead of autosummary's own step."""
    listed = listed_modules()
    write_internals(listed)
    app.env.project.discover(app.config.exclude_patterns, app.config.include_patterns)
    with public_names(listed):
        autosummary.process_generate_options(app)
    app.config.autosummary_generate = False


_by_last_name: dict[str, list[tuple[str, Any]]] = {}


def index_objects(app: Sphinx, env: BuildEnvironment) -> None:
    """Sort what is documented by the last part of its name, once, when everything is known."""
    del app
    _by_last_name.clear()
    for name, entry in env.domains.python_domain.objects.items():
        _by_last_name.setdefault(name.rpartition(".")[2], []).append((name, entry))


def find_by_tail(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement) -> nodes.reference | None:
    """Resolve a name written as it is where it is defined (`morl.scalarizations.base.Scalarization`, or `Ring.add` inside
    its own package) to the one documented object that ends like it.
    """
    if node.get("refdomain") != "py":
        return None
    parts = node["reftarget"].split(".")
    top = parts[0] if parts[0] in {"morl", "envs", "robust"} else ""
    for length in (2, 1) if top else (len(parts),):
        tail = "." + ".".join(parts[-length:])
        known = _by_last_name.get(parts[-1], [])
        entries = [entry for name, entry in known if name.endswith(tail) and name.startswith(top)]
        if len({(entry.docname, entry.node_id) for entry in entries}) == 1:
            return make_refnode(app.builder, node["refdoc"], entries[0].docname, entries[0].node_id, contnode)
    return None


def keep_attribute_docstring(self: GoogleDocstring) -> list[str]:
    """Take a field's docstring as it stands: `unit: text` would be read as a type otherwise."""
    return list(self._consume_to_end())


GoogleDocstring._parse_attribute_docstring = keep_attribute_docstring  # type: ignore[method-assign]


def readable_factories(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write the default of a field that a factory makes as `...`, so that the signature is Python and gets its links."""
    return signature and signature.replace("<factory>", "..."), returns


# --- mathematics: MathML, which browsers draw without a network or a script ---------------------------------------------
def mathml(node: nodes.math | nodes.math_block, *, block: bool) -> str:
    """Translate LaTeX; what cannot be translated is a warning and stays as it was written."""
    latex = re.sub(r"\\([bB]igg?[lr]?|textstyle|displaystyle)(?![a-zA-Z])", "", node.astext().strip()).replace(
        r"\dots", r"\ldots"
    )
    if block and (r"\\" in latex or "&" in latex) and not latex.startswith(r"\begin"):
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    try:
        return tex2mathml(latex, as_block=block)
    except Exception as error:
        logging.getLogger(__name__).warning("cannot translate %r: %s", latex, error, location=node)
        return f"<code>{html.escape(latex)}</code>"


def write_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(mathml(node, block=False))
    raise nodes.SkipNode


def write_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own."""
    self.body.append(f'<div class="formula">{mathml(node, block=True)}</div>')
    raise nodes.SkipNode


# --- tutorials ------------------------------------------------------------------------------------------------------
warnings.filterwarnings("ignore", category=UserWarning, message=".*precision lowered by casting.*")
_shown: WeakSet[Figure] = WeakSet()


def shown_figure(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Show a figure that is the value of a block's last line, as a notebook does; pyplot's have a scraper of their own."""
    del block
    # The gallery keeps the last value of all blocks under this name.
    figure = block_vars["example_globals"].get("___")
    if not isinstance(figure, Figure) or hasattr(figure, "number") or figure in _shown:
        return ""
    _shown.add(figure)
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=100)
    return figure_rst([path], gallery_conf["src_dir"])


sphinx_gallery_conf: dict[str, Any] = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "auto_tutorials",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "remove_config_comments": True,
    "min_reported_time": 1_000_000,
    "image_scrapers": ("matplotlib", shown_figure),
    "ignore_repr_types": r"matplotlib\.figure\.Figure",
    "matplotlib_animations": False,
    "write_computation_times": False,
}


def check_pictures(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about tutorials that show no picture, and so have none in the gallery."""
    del env
    if app.config.plot_gallery not in (True, "True", "1", 1):
        return
    images = HERE / "auto_tutorials" / "images"
    for script in sorted((HERE / "tutorials").glob("plot_*.py")):
        if not any(images.glob(f"sphx_glr_{script.stem}_*.png")):
            logging.getLogger(__name__).warning("%s shows no picture", script.name)


def setup(app: Sphinx) -> None:
    """Connect the hooks above."""
    app.connect("autodoc-process-signature", readable_factories)
    app.connect("builder-inited", run_example)
    app.connect("builder-inited", write_reference, priority=400)
    app.connect("env-check-consistency", index_objects)
    app.connect("env-check-consistency", check_pictures)
    app.connect("missing-reference", find_by_tail)
    app.add_html_math_renderer("mathml", (write_math, None), (write_math_block, None))
