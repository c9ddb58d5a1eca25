"""How a checker says what is wrong; works under ``python -O`` too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def require(condition: Any, message: str) -> None:
    """Raise AssertionError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise AssertionError(message)


def require_error(error: type[Exception], call: Callable[[], Any], message: str) -> None:
    """Raise AssertionError with ``message`` unless ``call`` raises ``error``."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"{message}: expected {error.__name__}")
