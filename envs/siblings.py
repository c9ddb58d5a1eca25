"""Notice a folder or file of the user's that hides one of this project's packages.

``morl`` and ``robust`` run this file by its path, since the package that it stands in may be the hidden one.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

PACKAGES = ("envs", "morl", "robust")


def require_siblings() -> None:
    """Check that the names of this project's packages mean those that stand beside each other.

    Raises:
        ImportError: Python finds another one first; says where it is and what to do.
    """
    home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for name in PACKAGES:
        spec = find_spec(name)
        found = None if spec is None else spec.origin
        if found is None or os.path.dirname(os.path.realpath(found)) == os.path.join(home, name):
            continue
        hiding = os.path.dirname(found) if os.path.basename(found).startswith("__init__.") else found
        raise ImportError(
            f"{hiding} hides the package {name!r} of tradeoff-rl, which is in {home}: rename it, or run your program from "
            "another folder (the command 'morl' does not look for modules in the current folder; 'python -m morl' does)"
        )
