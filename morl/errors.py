"""The project's errors. Each message says what was found, what was expected and what to do about it.

The command line prints any :class:`MorlError` as one line without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MorlError(Exception):
    """Base of every error this project raises on purpose; its message is one line, whatever it quotes."""

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class ConfigurationError(MorlError, ValueError):
    """A configuration cannot be built: unknown name or key, wrong type, value out of range."""


class CapabilityError(ConfigurationError):
    """Two components that cannot work together; the message says why and what to use instead."""


class ShapeError(MorlError, ValueError):
    """An array has the wrong shape."""


class EnvironmentFault(MorlError):
    """An environment cannot be made or breaks its contract (non-finite observation, reward of the wrong length)."""


class CheckpointError(MorlError):
    """A run directory, checkpoint or policy file is missing, truncated, tampered with or of another version."""


class TrainingDiverged(MorlError):
    """A loss, parameter or observation became non-finite; the last good checkpoint is kept."""


def closest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant.

    Args:
        name: What the user wrote.
        known: The valid names.

    Returns:
        `` Did you mean 'x'?`` or an empty string, ready to be appended to an error message.
    """
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {matches[0]!r}?" if matches else ""


_LONGEST = 1_500
"""Characters of a message."""


def one_line(text: str) -> str:
    """A message in one line, its middle left out where it is long."""
    line = " ".join(text.split()) if "\n" in text else text
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half]} … {line[-half:]}"


_SHOWN = 80
"""Characters of a value that a message shows."""


def shown(value: object) -> str:
    """A value as a message shows it: its ``repr`` in one line, cut where it is long.

    Args:
        value: What was found.

    Returns:
        At most about 80 characters.
    """
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not write whole numbers of thousands of digits
        return f"a {type(value).__name__} of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
