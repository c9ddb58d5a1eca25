"""Checkpoints: a flat state of tensors and plain values, written so that a crash at any moment leaves a good one.

A checkpoint is a folder ``checkpoint/NNNNNNNN`` with ``tensors.safetensors``, ``values.json`` and ``manifest.json`` (format
version and SHA-256 of the others). It is written under a temporary name, flushed to disk and renamed; the one before is
kept. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor

from morl.errors import CheckpointError
from morl.files import create, flush, own_folder, read_json, read_verified, remove, sha256
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
    tensors, values = _split(state)
    own_folder(folder)
    for leftover in folder.glob(".*.tmp"):
        remove(leftover)
    number = max((int(p.name) for p in _checkpoints(folder)), default=0) + 1
    final, temporary = folder / f"{number:08d}", folder / f".{number:08d}.tmp"
    try:
        temporary.mkdir()
        _write(temporary, tensors, values)
    except OSError:
        # What fits nowhere must not fill the disk.
        remove(temporary)
        raise
    temporary.rename(final)
    flush(folder)
    for old in _checkpoints(folder)[:-_KEEP]:
        remove(old)
    return final


def _write(folder: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write the three files into a new folder and wait until they have reached the disk."""
    path = folder / _TENSORS
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        # The library has errors of its own for what the disk says.
        if (found := re.search(r"os error (\d+)", str(error))) is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    create(folder / _VALUES, json.dumps(values).encode())
    manifest = {
        "format": FORMAT_VERSION,
        "files": {
            name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size} for name in (_TENSORS, _VALUES)
        },
    }
    create(folder / _MANIFEST, json.dumps(manifest, indent=1).encode())
    for name in (_TENSORS, _VALUES, _MANIFEST):
        flush(folder / name)
    flush(folder)


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
    content = {name: read_verified(path / name, _checksum(manifest, name)) for name in (_TENSORS, _VALUES)}
    try:
        return {**json.loads(content[_VALUES]), **load_tensors(content[_TENSORS])}
    except (ValueError, TypeError, RecursionError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _checksum(manifest: dict[str, Any], name: str) -> object:
    """Recorded SHA-256 of a file; None where the list of files has none."""
    files = manifest.get("files")
    entry = files.get(name) if isinstance(files, dict) else None
    return entry.get("sha256") if isinstance(entry, dict) else None


def _checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(p for p in folder.glob("[0-9]*") if p.name.isdecimal()) if folder.is_dir() else []


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
