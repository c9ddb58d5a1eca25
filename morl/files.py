"""Files: written whole or not at all, never through a link, and by one process at a time."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from morl.errors import CheckpointError, MorlError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCK = ".lock"
_LOCKED_BYTE = 1 << 20
"""Where Windows locks the file: beyond what others read."""
_BUSY = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_log = logging.getLogger(__name__)


# --- writing ---------------------------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a file, a link (not what it shows) or a folder with its content; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def own_folder(path: Path) -> Path:
    """Make a folder if it is missing. A link or file in its place is removed: nothing is written where a link leads.

    Args:
        path: Which.

    Returns:
        The path.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir(parents=True)
    return path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the disk say which file it is about, also where it comes from a write that does not know."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def flush(path: Path) -> None:
    """Wait until a file or folder has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path, content: bytes) -> None:
    """Write a new file in the place of whatever is there; what a link shows stays as it is.

    Raises:
        OSError: The disk refuses; names the file.
    """
    remove(path)
    with naming(path), path.open("xb") as file:
        file.write(content)


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    Args:
        path: Where.
        content: What; text is written as UTF-8.
        durable: Wait until it has reached the disk, so that a power failure cannot undo it.

    Raises:
        OSError: The disk refuses; names the file, whose old content is still there.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with naming(path):
            create(temporary, content.encode("utf-8") if isinstance(content, str) else content)
            if durable:
                flush(temporary)
            temporary.replace(path)
    except OSError:
        # What fits nowhere must not fill the disk.
        temporary.unlink(missing_ok=True)
        raise


# --- reading ---------------------------------------------------------------------------------------------------------


def read_file(path: Path) -> bytes:
    """Read a file.

    Args:
        path: Which.

    Returns:
        Its content.

    Raises:
        CheckpointError: Missing, or not a file (a pipe would never end).
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is {'not a file' if path.exists() else 'missing'}")
    return path.read_bytes()


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: Which.

    Returns:
        Its content.

    Raises:
        CheckpointError: Missing or not JSON.
    """
    content = read_file(path)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is truncated or damaged ({error})") from error


def read_verified(path: Path, checksum: object) -> bytes:
    """Read a file and compare it with its recorded SHA-256.

    Args:
        path: Which.
        checksum: Expected hexadecimal digest; anything else is not one.

    Returns:
        The content.

    Raises:
        CheckpointError: Missing, or not what was written.
    """
    content = read_file(path)
    if not isinstance(checksum, str):
        raise CheckpointError(f"{path} has no recorded checksum: its list of files was altered")
    if hashlib.sha256(content).hexdigest() != checksum:
        raise CheckpointError(f"{path} is truncated or was altered: its checksum is not the recorded one")
    return content


# --- one process at a time -------------------------------------------------------------------------------------------

_held: set[int] = set()
"""Descriptors of the locks of this process."""


def _forget_locks() -> None:
    """Let go in a forked child, so that a lock ends with the process that took it."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep a folder to this process; the operating system lets go when the process ends, however it ends.

    Args:
        folder: Which.

    Raises:
        MorlError: Another process has it; names the process.
        OSError: The folder cannot be written to.
    """
    path = folder / _LOCK
    descriptor = _locked(path)
    owner = os.getpid()
    _held.add(descriptor)
    try:
        with naming(path):
            os.truncate(descriptor, 0)
            os.write(descriptor, f"process {owner} on {socket.gethostname()}".encode())
        yield
    finally:
        if os.getpid() == owner:
            _held.discard(descriptor)
            if sys.platform == "win32":
                os.close(descriptor)
                path.unlink(missing_ok=True)
            else:
                # While it is still locked, so that nobody else's file is removed.
                path.unlink(missing_ok=True)
                os.close(descriptor)


def _locked(path: Path) -> int:
    """Open and lock a file of our own; the descriptor."""
    while True:
        if path.is_symlink() or path.is_dir() or (path.exists() and path.stat().st_nlink > 1):
            # Somebody else's file behind a link must not be written to.
            remove(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            _lock(descriptor)
            # Whoever had it may have removed the file since it was opened.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
        except OSError as error:
            if error.errno not in _BUSY:
                _log.warning("%s cannot be locked (%s): do not resume this run twice at once", path.parent, error.strerror)
                return descriptor
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise MorlError(
                f"{path.parent} is in use by {holder or 'another process'}: wait until that has ended, or stop it first"
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def json_text(content: Any) -> str:
    """Write JSON; numbers that it does not know become null."""
    return json.dumps(finite(content), indent=1, allow_nan=False) + "\n"


def finite(content: Any) -> Any:
    """JSON content in which null stands for numbers that JSON does not know."""
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
