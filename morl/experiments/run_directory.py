"""The run directory: where each file of a run lies, and how it is written and read back.

::

    config.yaml  manifest.json  metrics.csv  timing.csv  front.csv  summary.json
    policies/    checkpoint/    plots/       tables/       data/

Every file is replaced at once, so that a crash never leaves half of one. ``manifest.json`` has the SHA-256 of what
:meth:`RunDirectory.read_result` reads, and of itself. Nothing is written where a link leads.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from morl.archives import ArchiveEntry, ParetoArchive
from morl.errors import CheckpointError, ConfigurationError, MorlError
from morl.evaluation.report import Certificate, Table
from morl.experiments.config import from_yaml, to_plain
from morl.experiments.result import Preference, RunResult
from morl.experiments.tables import parse_table, write_table
from morl.experiments.units import unit_of
from morl.files import (
    create,
    finite,
    in_use,
    json_text,
    naming,
    own_folder,
    read_file,
    read_json,
    read_verified,
    remove,
    sha256,
    write_atomically,
)
from morl.policies import load_policy
from morl.policies.base import BasePolicy
from morl.registry import load_plugins, name_of

FORMAT_VERSION = 1
"""Version of the layout described above."""

_READ_BACK = ("config.yaml", "front.csv", "summary.json", "metrics.csv", "timing.csv")
"""Files of every result, beside its policies and tables."""

_MORE_READ_BACK = re.compile(r"tables/[\w .-]+\.csv|policies/(?:policy-\d+|network)\.(json|safetensors)")
"""Policies and tables: nothing else, and nothing outside the run, is read because a manifest says so."""

_LEFTOVERS = {".lock", ".probe", ".config.yaml.tmp"}
"""What a run that was killed before it began may leave behind."""

MISSING = "Is the plug-in that declares it missing here? Install it, or put it on PYTHONPATH."
"""What to say where a run that is as it was written names something unknown."""

_CHECKSUM, _CONFIG_CHECKSUM = "sha256", "config_sha256"
"""Keys of ``manifest.json`` under which it has its own checksum and that of ``config.yaml``; runs of old have neither."""


@dataclass(frozen=True)
class RunDirectory:
    """One run directory."""

    path: Path
    """Where it lies."""

    @classmethod
    def create(cls, path: Path) -> RunDirectory:
        """Start a run directory.

        Args:
            path: A folder that does not exist or is empty.

        Returns:
            The directory, made and known to be writable.

        Raises:
            ConfigurationError: It holds something, is a file, or cannot be written.
        """
        if path.is_dir() and any(found.name not in _LEFTOVERS for found in path.iterdir()):
            hint = f"; 'morl resume {path}' continues it" if (path / "config.yaml").is_file() else ""
            raise ConfigurationError(f"{path} is not empty: choose another --out or remove it first{hint}")
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / ".probe"
            # A full disk still makes empty files.
            create(probe, bytes(4096))
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(f"cannot write to {path}: {error.strerror or error}; choose another --out") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open an existing run directory.

        Raises:
            CheckpointError: There is none at ``path``.
        """
        if not (path / "config.yaml").is_file():
            raise CheckpointError(f"{path} is not a run directory: it has no config.yaml")
        return cls(path)

    @property
    def checkpoint(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoint"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say what cannot be written, and what to do, where the disk refuses inside.

        Raises:
            MorlError: It refused; names the file.
        """
        try:
            yield
        except OSError as error:
            if not self.concerns(error):
                raise
            again = f"'morl resume {self.path}'" if (self.path / "config.yaml").is_file() else "try again"
            raise MorlError(
                f"cannot write to {error.filename}: {error.strerror} (what was written before is kept: remove the cause, then "
                f"{again})"
            ) from error

    def concerns(self, error: OSError) -> bool:
        """Whether an error of the disk is about a file in here."""
        return isinstance(error.filename, (str, Path)) and Path(error.filename).is_relative_to(self.path)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Write here and nobody else; see :func:`~morl.files.in_use` and :meth:`writing`."""
        with self.writing(), in_use(self.path):
            yield

    def write_config(self, text: str) -> None:
        """Write ``config.yaml``."""
        write_atomically(self.path / "config.yaml", text)

    def read_config(self) -> str:
        """Read ``config.yaml``.

        Raises:
            CheckpointError: It is damaged.
        """
        path = self.path / "config.yaml"
        try:
            return read_file(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{path} is damaged: byte {error.start} is not UTF-8; restore it from a copy") from error

    def write_progress(self, metrics: Table, timing: Table) -> None:
        """Write ``metrics.csv`` and ``timing.csv``; the checkpoint has their rows too, so nothing waits for the disk."""
        write_table(self.path / "metrics.csv", metrics, durable=False)
        write_table(self.path / "timing.csv", timing, durable=False)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write ``manifest.json``; ``config.yaml`` must be there."""
        content = {**manifest, _CONFIG_CHECKSUM: sha256(self.path / "config.yaml")}
        write_atomically(self.path / "manifest.json", json_text({**content, _CHECKSUM: _checksum(finite(content))}))

    def has_own_config(self) -> bool | None:
        """Whether ``config.yaml`` is as the run wrote it; None where the manifest is missing or does not say."""
        try:
            recorded = self.read_manifest().get(_CONFIG_CHECKSUM)
        except CheckpointError:
            return None
        return None if recorded is None else bool(recorded == sha256(self.path / "config.yaml"))

    @property
    def changed(self) -> str:
        """What to say about a configuration that was changed."""
        path = self.path / "config.yaml"
        return f"{path} was changed since the run began; undo that, or start a new run with 'morl run {path}'"

    def load_plugins(self, text: str) -> None:
        """Import the plug-ins that the run's configuration names.

        Args:
            text: The content of ``config.yaml``.

        Raises:
            ConfigurationError: One is missing here; names it.
        """
        try:
            config = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError):
            return  # whoever needs the whole of it says what is wrong
        names = config.get("plugins") if isinstance(config, dict) else None
        try:
            load_plugins([name for name in names if isinstance(name, str)] if isinstance(names, list) else [])
        except ConfigurationError as error:
            raise ConfigurationError(f"the run in {self.path} needs a plug-in that cannot be used here: {error}") from error

    @property
    def _restore(self) -> str:
        return f"; restore it from a copy, or write it again with 'morl resume {self.path}'"

    def read_manifest(self) -> dict[str, Any]:
        """Read ``manifest.json``.

        Raises:
            CheckpointError: Missing, damaged, or of another format version.
        """
        path = self.path / "manifest.json"
        try:
            manifest = read_json(path)
        except CheckpointError as error:
            raise CheckpointError(f"{error}{self._restore}") from error
        manifest = self._of_this_version(manifest)
        given = manifest.pop(_CHECKSUM, None)
        if (given is not None or _CONFIG_CHECKSUM in manifest) and given != _checksum(manifest):
            raise CheckpointError(f"{path} was altered: its checksum is not the recorded one{self._restore}")
        return manifest

    def check_version(self) -> None:
        """Refuse a run of another version; a manifest that is missing or damaged can be written again.

        Raises:
            CheckpointError: The manifest says that another version wrote the run.
        """
        try:
            manifest = read_json(self.path / "manifest.json")
        except CheckpointError:
            return
        self._of_this_version(manifest)

    def _of_this_version(self, manifest: Any) -> dict[str, Any]:
        version = manifest.get("format") if isinstance(manifest, dict) else None
        if not isinstance(manifest, dict) or version != FORMAT_VERSION:
            raise CheckpointError(
                f"{self.path / 'manifest.json'} has format version {version!r:.80}, this program reads {FORMAT_VERSION}: use "
                "the version of morl that wrote it"
            )
        return manifest

    # --- results -----------------------------------------------------------------------------------------------------

    def write_result(self, result: RunResult) -> None:
        """Write front, policies, summary, tables, plots and, last, the manifest with the checksums.

        Args:
            result: What to write; ``config.yaml`` must be there.
        """
        # Written as the run goes, too; what lies there may be damaged, and gets a checksum below.
        self.write_progress(result.metrics, result.timing)
        # What `morl evaluate` wrote judges policies that are replaced now.
        remove(self.path / "evaluation.csv")
        names, network = self._write_policies(result)
        write_table(self.path / "front.csv", _front_table(result, names))
        for name, table in result.tables.items():
            write_table(own_folder(self.path / "tables") / f"{name}.csv", table)
        write_atomically(self.path / "summary.json", json_text({**summary_of(result), "network": network}))
        self.write_plots(result)
        read_back = list(_READ_BACK)
        read_back += [f"tables/{name}.csv" for name in result.tables]
        read_back += [
            f"policies/{name}.{suffix}"
            for name in dict.fromkeys([*names, network])
            if name
            for suffix in ("json", "safetensors")
        ]
        self.write_manifest({**result.manifest, "files": {name: sha256(self.path / name) for name in read_back}})

    def _write_policies(self, result: RunResult) -> tuple[list[str], str | None]:
        """Write all policies; names of those of the front, in its order, and of the network for all weights."""
        final, temporary, old = (self.path / name for name in ("policies", ".policies.tmp", ".policies.old"))
        for folder in (temporary, old):
            remove(folder)
        temporary.mkdir()
        # A policy that stands behind several entries is written once, under the number of the first.
        names: dict[int, str] = {}
        for i, entry in enumerate(result.entries):
            if id(entry.policy) not in names:
                names[id(entry.policy)] = name = f"policy-{i:03d}"
                with naming(temporary / name):
                    entry.policy.save(temporary, name)
        if result.network is not None and id(result.network) not in names:
            names[id(result.network)] = "network"
            with naming(temporary / "network"):
                result.network.save(temporary, "network")
        if final.exists() or final.is_symlink():
            final.rename(old)
        temporary.rename(final)
        remove(old)
        network = None if result.network is None else names[id(result.network)]
        return [names[id(entry.policy)] for entry in result.entries], network

    def write_plots(self, result: RunResult) -> list[Path]:
        """Draw ``plots/*.png``.

        Args:
            result: What to draw.

        Returns:
            Paths of the images, the front first.
        """
        from morl.experiments.run_plots import result_figures, save_figure

        figures = {**result_figures(result), **result.figures}
        with self.writing():
            folder = own_folder(self.path / "plots")
            return [save_figure(figure, folder / f"{name}.png") for name, figure in figures.items()]

    def read_result(self) -> RunResult:
        """Read what :meth:`write_result` wrote, checking every checksum.

        Raises:
            CheckpointError: The run did not get that far, or a file is missing, truncated or altered.
        """
        manifest = self.read_manifest()
        manifest.pop(_CONFIG_CHECKSUM, None)
        files = manifest.pop("files", None)
        if manifest.get("status") == "failed":
            raise CheckpointError(f"the run in {self.path} has no result, it failed: {manifest.get('cause')}")
        if not isinstance(files, dict):
            raise CheckpointError(f"{self.path} has no results yet: 'morl resume {self.path}' finishes the run")
        strange = [name for name in files if name not in _READ_BACK and not _MORE_READ_BACK.fullmatch(name)]
        lacking = [name for name in _READ_BACK if name not in files]
        if strange or lacking:
            found = f"it lists {strange[0]!r}" if strange else f"it lacks {lacking[0]}"
            raise CheckpointError(f"{self.path / 'manifest.json'} was altered: {found}{self._restore}")
        content: dict[str, bytes] = {}
        for name, checksum in files.items():
            try:
                content[name] = read_verified(self.path / name, checksum)
            except CheckpointError as error:
                raise CheckpointError(f"{error}{self._restore}") from error
        self.load_plugins(content["config.yaml"].decode("utf-8", "replace"))
        try:
            text = {name: data.decode("utf-8") for name, data in content.items() if not name.startswith("policies/")}
            return self._result_of(manifest, text)
        except CheckpointError:
            raise
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.path} cannot be read here: {error} {MISSING}") from error
        except Exception as error:
            # Every file is as the manifest says, so whoever wrote them meant something else.
            raise CheckpointError(
                f"the files of {self.path} cannot be read together ({type(error).__name__}: {error}){self._restore}"
            ) from error

    def _result_of(self, manifest: dict[str, Any], text: dict[str, str]) -> RunResult:
        summary = json.loads(text["summary.json"])
        archive = ParetoArchive()
        rows = parse_table(text["front.csv"], "front.csv")
        policies = {name: self._policy(name) for name in dict.fromkeys(row["policy"] for row in rows)}
        archive.add([_entry(row, summary["objectives"], policies[row["policy"]]) for row in rows])
        certificate, network = summary.pop("certificate"), summary.pop("network", None)
        return RunResult(
            archive=archive,
            objectives=tuple(summary.pop("objectives")),
            units=tuple(summary.pop("units")),
            indicators=summary.pop("indicators"),
            preference=_read_preference(summary.pop("preference")),
            certificate=None if certificate is None else _read_certificate(certificate),
            network=None if network is None else policies.get(network) or self._policy(network),
            manifest=manifest,
            summary=summary,
            metrics=parse_table(text["metrics.csv"], "metrics.csv"),
            timing=parse_table(text["timing.csv"], "timing.csv"),
            tables={name[7:-4]: parse_table(content, name) for name, content in text.items() if name.startswith("tables/")},
            config=text["config.yaml"],
            path=self.path,
        )

    def _policy(self, name: str) -> BasePolicy:
        assert _MORE_READ_BACK.fullmatch(f"policies/{name}.json")
        return load_policy(self.path / f"policies/{name}.json")


_VECTORS = {"values": "{}", "standard_errors": "{}_standard_error", "weights": "weight_{}", "undiscounted": "{}_undiscounted"}
"""Fields of an archive's entry that have a column per objective in ``front.csv``, and what the columns are called."""


def _entry(row: dict[str, Any], objectives: list[str], policy: BasePolicy) -> ArchiveEntry:
    vectors: dict[str, Any] = {
        field: np.array([np.nan if (x := row[column.format(name)]) is None else x for name in objectives], dtype=np.float64)
        for field, column in _VECTORS.items()
    }
    if np.isnan(vectors["weights"]).any():
        vectors["weights"] = None
    numbers = {name: row[name] for name in ("member", "episodes", "deterministic")}
    return ArchiveEntry(policy=policy, env_steps=row[unit_of(row)], gamma=float(row["gamma"]), **vectors, **numbers)


def _front_table(result: RunResult, names: list[str]) -> Table:
    rows: Table = []
    for name, entry in zip(names, result.entries, strict=True):
        row: dict[str, Any] = {"policy": name, "member": entry.member, unit_of(result.summary): entry.env_steps}
        for field, column in _VECTORS.items():
            vector = getattr(entry, field)
            numbers = [None] * len(result.objectives) if vector is None else vector.tolist()
            row |= {column.format(o): x for o, x in zip(result.objectives, numbers, strict=True)}
        rows.append(row | {"episodes": entry.episodes, "gamma": entry.gamma, "deterministic": entry.deterministic})
    return rows


def summary_of(result: RunResult) -> dict[str, Any]:
    """Content of ``summary.json``."""
    registered = name_of(result.preference.scalarization, "scalarization")
    preference = {
        # What is not registered can be used from Python only; a loaded run then says so when it is asked for a policy.
        "scalarization": to_plain(result.preference.scalarization) if registered else None,
        "ideal_point": result.preference.ideal_point,
        "scale": result.preference.scale,
    }
    return {
        **result.summary,
        "objectives": result.objectives,
        "units": result.units,
        "indicators": result.indicators,
        "preference": preference,
        "certificate": None if result.certificate is None else dataclasses.asdict(result.certificate),
    }


def _checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of JSON content, however it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read_certificate(plain: dict[str, Any]) -> Certificate:
    """A certificate from JSON, which has no infinities: a bound that is missing says nothing."""
    nothing = {"lower": -math.inf, "upper": math.inf, "gap": math.inf}
    known: dict[str, Any] = {name: nothing.get(name) if value is None else value for name, value in plain.items()}
    return Certificate(**known)


def _read_preference(saved: dict[str, Any]) -> Preference:
    vectors = {key: None if saved[key] is None else tuple(saved[key]) for key in ("ideal_point", "scale")}
    if saved["scalarization"] is None:
        raise CheckpointError(
            "the run's scalarization is not registered, so only the process that trained it can use its result"
        )
    scalarization = from_yaml(json.dumps(saved["scalarization"]), kind="scalarization")
    return Preference(scalarization=scalarization, **vectors)
