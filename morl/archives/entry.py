"""What an archive stores: one evaluated policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.errors import ConfigurationError, ShapeError


class Status(StrEnum):
    """What became of an entry offered to an archive."""

    ADDED = "added"
    """It is stored."""
    DOMINATED = "dominated"
    """What is stored makes it superfluous."""
    DUPLICATE = "duplicate"
    """A stored entry has exactly its values; the older one stays."""
    CROWDED = "crowded"
    """It is not dominated, but a bounded archive is full of entries that contribute more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArchiveEntry:
    """One evaluated policy. Arrays are copied and read-only.

    Raises:
        ShapeError: The arrays disagree about the number of objectives.
        ConfigurationError: ``values`` or ``undiscounted`` is not finite.
    """

    values: npt.NDArray[np.float64]
    """Expected vector return at discount ``gamma``, ``(m,)``, return units."""
    standard_errors: npt.NDArray[np.float64]
    """Standard error of ``values``, ``(m,)``, return units; NaN where one episode gives none."""
    undiscounted: npt.NDArray[np.float64]
    """Expected undiscounted vector return, ``(m,)``, return units."""
    weights: npt.NDArray[np.float64] | None
    """Preference the policy was trained for, ``(m,)``; None where there is none."""
    policy: Any
    """The :class:`morl.protocols.Policy`; or, when offered to an archive, a callable without arguments that makes it and is
    called only if the entry is accepted. None where only values are known."""
    env_steps: int
    """Environment steps of the run when it was evaluated."""
    member: int
    """Identity of the member it comes from."""
    episodes: int
    """Number of evaluation episodes behind ``values``."""
    gamma: float
    """Discount of ``values``."""
    deterministic: bool
    """Whether the evaluated policy took its most likely actions."""

    def __post_init__(self) -> None:
        m = np.shape(self.values)
        for name in ("values", "standard_errors", "undiscounted", "weights"):
            given = getattr(self, name)
            if given is None and name == "weights":
                continue
            array = np.array(given, dtype=np.float64)
            if array.ndim != 1 or array.shape != m:
                raise ShapeError(f"archive entry: {name} has shape {array.shape} and values {m}; expected (m,) for both")
            if name in {"values", "undiscounted"} and not np.isfinite(array).all():
                raise ConfigurationError(f"archive entry: {name} is {array.tolist()}; a diverged policy cannot be archived")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def estimator(self) -> tuple[float, int, bool]:
        """How ``values`` were obtained: ``(gamma, episodes, deterministic)``."""
        return self.gamma, self.episodes, self.deterministic
