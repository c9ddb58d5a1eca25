"""The project's errors. Each message says what was found, what was expected and what to do about it.

The command line prints any :class:`MorlError` as one line without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
import traceback
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
    """An array has the wrong shape, or entries that its space does not have."""


class EnvironmentFault(MorlError):
    """An environment cannot be made or breaks its contract (non-finite observation, reward of the wrong length)."""


class CheckpointError(MorlError):
    """A run directory, checkpoint or policy file is missing, truncated, tampered with or of another version."""


class DataError(MorlError):
    """A data set of episodes is missing, damaged, of another version, or of another problem than it is used for."""


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


def described(error: BaseException) -> str:
    """Say in one line what somebody else's code raised.

    Args:
        error: What was caught.

    Returns:
        Its type and message; where there is no message, the file and the line of code that raised it.
    """
    name, text = type(error).__name__, " ".join(str(error).split())
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r}), which would end this program; let it raise an exception instead"
    frames = traceback.extract_tb(error.__traceback__)
    if text or not frames:
        return f"{name}: {text}" if text else name
    last = frames[-1]
    return f"{name} without a message, from line {last.lineno} of {last.filename}: {last.line}"


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
