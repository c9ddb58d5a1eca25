"""Checkpoints: a flat state of tensors and plain values, written so that a crash at any moment leaves a good one.

A checkpoint is a folder ``checkpoint/NNNNNNNN`` with ``tensors.safetensors``, ``values.json`` and ``manifest.json`` (format
version and SHA-256 of the others). It is written under a temporary name, flushed to disk and renamed; the one before is
kept. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor

from morl.errors import CheckpointError
from morl.protocols import State

FORMAT_VERSION = 1
"""Version of the layout described above."""

_KEEP = 2
_TENSORS, _VALUES, _MANIFEST = "tensors.safetensors", "values.json", "manifest.json"
_log = logging.getLogger(__name__)


def save_checkpoint(folder: Path, state: State) -> Path:
    """Write a checkpoint and remove all but the one before it.

    Args:
        folder: The run's ``checkpoint`` folder; made if missing.
        state: Tensors (any dtype, device, layout) and what JSON can hold; floats keep every bit.

    Returns:
        The folder written.

    Raises:
        TypeError: A value is neither a tensor nor what JSON can hold; names its key.
        OSError: The disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in _checkpoints(folder)), default=0) + 1
    final, temporary = folder / f"{number:08d}", folder / f".{number:08d}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    tensors, values = _split(state)
    save_file(tensors, temporary / _TENSORS)
    (temporary / _VALUES).write_text(json.dumps(values), encoding="utf-8")
    manifest = {
        "format": FORMAT_VERSION,
        "files": {
            name: {"sha256": sha256(temporary / name), "bytes": (temporary / name).stat().st_size}
            for name in (_TENSORS, _VALUES)
        },
    }
    (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for name in (_TENSORS, _VALUES, _MANIFEST):
        flush(temporary / name)
    flush(temporary)
    temporary.rename(final)
    flush(folder)
    for old in _checkpoints(folder)[:-_KEEP]:
        shutil.rmtree(old)
    for leftover in folder.glob(".*.tmp"):
        shutil.rmtree(leftover)
    return final


def load_checkpoint(folder: Path) -> State | None:
    """Read the newest good checkpoint.

    Args:
        folder: The run's ``checkpoint`` folder.

    Returns:
        The state with CPU tensors, or None if no checkpoint was written yet.

    Raises:
        CheckpointError: There are checkpoints, but none of them is whole; names the file and the remedy. A damaged newest
            one is reported by a warning when the one before it is good.
    """
    problem: CheckpointError | None = None
    for path in reversed(_checkpoints(folder)):
        try:
            state = read_checkpoint(path)
        except CheckpointError as error:
            problem = problem or error
            continue
        if problem is not None:
            _log.warning("%s; going on from the checkpoint before it, %s", problem, path)
        return state
    if problem is not None:
        raise CheckpointError(f"{problem}; no other checkpoint is whole: delete {folder} to start the run over") from problem
    return None


def read_checkpoint(path: Path) -> State:
    """Read one checkpoint folder and verify it.

    Args:
        path: Such as ``RUN/checkpoint/00000012``.

    Returns:
        The state with CPU tensors.

    Raises:
        CheckpointError: Missing, truncated, altered, or of another format version.
    """
    manifest = read_json(path / _MANIFEST)
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path / _MANIFEST} has format version {version!r}, this program reads {FORMAT_VERSION}: use the version of morl "
            "that wrote it"
        )
    content = {
        name: read_verified(path / name, manifest.get("files", {}).get(name, {}).get("sha256")) for name in (_TENSORS, _VALUES)
    }
    try:
        return {**json.loads(content[_VALUES]), **load_tensors(content[_TENSORS])}
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(p for p in folder.glob("[0-9]*") if p.name.isdigit()) if folder.is_dir() else []


def _split(state: State) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    storages: set[int] = set()
    for key, value in state.items():
        if isinstance(value, Tensor):
            tensor = value.detach().to("cpu").contiguous()
            storage = tensor.untyped_storage().data_ptr()
            # The file format refuses tensors that overlap.
            tensors[key] = tensor.clone() if storage in storages else tensor
            storages.add(storage)
        else:
            _check_plain(value, key)
            values[key] = value
    return tensors, values


def _check_plain(value: Any, key: str) -> None:
    if isinstance(value, (list, tuple)):
        for item in value:
            _check_plain(item, key)
    elif isinstance(value, Mapping):
        for inner, item in value.items():
            if not isinstance(inner, str):
                raise TypeError(f"state[{key!r}]: the keys of a mapping must be text, found {inner!r}")
            _check_plain(item, f"{key}/{inner}")
    elif not (value is None or type(value) in (bool, int, float, str)):
        raise TypeError(f"state[{key!r}] holds {type(value).__name__}; expected a tensor or what JSON can hold")


# --- files -----------------------------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Wait until a file or folder has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file so that a reader, or a crash, sees the old content or the new, never a part.

    Args:
        path: Where.
        text: What, written as UTF-8.
        durable: Wait until it has reached the disk, so that a power failure cannot undo it.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    if durable:
        flush(temporary)
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: Which.

    Returns:
        Its content.

    Raises:
        CheckpointError: Missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is truncated or damaged ({error})") from error


def read_verified(path: Path, checksum: str | None) -> bytes:
    """Read a file and compare it with its recorded SHA-256.

    Args:
        path: Which.
        checksum: Expected hexadecimal digest.

    Returns:
        The content.

    Raises:
        CheckpointError: Missing, or not what was written.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    if checksum is None:
        raise CheckpointError(f"{path} has no recorded checksum: its list of files was altered")
    if hashlib.sha256(content).hexdigest() != checksum:
        raise CheckpointError(f"{path} is truncated or was altered: its checksum is not the recorded one")
    return content
