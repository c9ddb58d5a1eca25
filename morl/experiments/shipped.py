"""The configurations that come with the package, found by name."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from morl.errors import ConfigurationError, closest


def _folder() -> Path | None:
    package = Path(__file__).parents[1]
    # In a wheel they lie inside the package, in a source checkout beside it.
    return next((f for f in (package / "configs", package.parent / "configs") if f.is_dir()), None)


def shipped_configs() -> dict[str, Path]:
    """Names and paths of the configurations that come with the package.

    Returns:
        Path by name; the name is the path below ``configs/`` without its suffix, such as ``quickstart``.
    """
    folder = _folder()
    if folder is None:
        return {}
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}


def find_data(data: str) -> Path:
    """Find a data set.

    Args:
        data: An existing folder, else the name of a shipped data set, such as ``data/deep-sea-treasure``.

    Returns:
        The folder; the given path where there is neither.
    """
    path, folder = Path(data), _folder()
    if not path.is_dir() and folder is not None and (folder / data / "dataset.json").is_file():
        return folder / data
    return path


def describe_config(path: Path) -> str:
    """First sentence of the comment at the top of a configuration; empty if it has none.

    Args:
        path: The file.

    Returns:
        The sentence, in one line.
    """
    lines = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    comment = " ".join(line.lstrip("# ") for line in lines)
    # "et al." ends no sentence.
    return re.split(r"(?<!\bet al)\. ", comment, maxsplit=1)[0].rstrip(".")


def find_config(config: str | Path) -> Path:
    """Find a configuration file.

    Args:
        config: An existing path, else the name of a shipped configuration.

    Returns:
        The file.

    Raises:
        ConfigurationError: There is none; names the closest and lists all.
    """
    path = Path(config)
    if path.is_file():
        return path
    shipped = shipped_configs()
    if str(config) in shipped:
        return shipped[str(config)]
    if (path / "config.yaml").is_file():
        raise ConfigurationError(
            f"{config} is a run directory: use 'morl resume {config}', or 'morl run {path / 'config.yaml'}'"
        )
    raise ConfigurationError(
        f"no configuration {str(config)!r}: neither a file nor a shipped one.{closest(str(config), shipped)} "
        f"Shipped: {', '.join(shipped) or 'none'}"
    )
