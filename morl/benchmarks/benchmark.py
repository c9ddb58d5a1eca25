"""Look up what is agreed about an environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from morl.benchmarks.known_fronts import FRONTS, KnownFront
from morl.benchmarks.table import TABLE, VERSION, Row
from morl.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is agreed about one environment; for maximisation."""

    env_id: str
    """Id of the environment, with its version: two versions of an environment are two benchmarks."""
    objective_names: tuple[str, ...]
    """Name of each objective, in the order of the reward, ``(m,)``."""
    units: tuple[str, ...]
    """Unit of one step's reward, per objective, ``(m,)``."""
    reference_points: tuple[tuple[float, ...], ...]
    """Points for hypervolume, each ``(m,)``, return units; the first is the default."""
    gamma: float
    """Recommended discount, in ``(0, 1]``."""
    source: str
    """Where the reference points come from."""
    version: str = VERSION
    """Version of the table the numbers are from; it changes whenever one of them does."""

    @property
    def num_objectives(self) -> int:
        """``m``."""
        return len(self.objective_names)

    def known_front(self, gamma: float, env: Any = None) -> KnownFront | None:
        """Return the Pareto front of the environment's deterministic policies.

        Args:
            gamma: Discount, in ``(0, 1]``.
            env: The environment, where it was made with arguments of its own (another map); None makes the registered one.

        Returns:
            The front, or None where nobody knows it.

        Raises:
            ConfigurationError: ``gamma`` is out of range.
        """
        if not 0.0 < gamma <= 1.0:
            raise ConfigurationError(f"gamma is {gamma}, expected a number in (0, 1]")
        find = FRONTS.get(self.env_id)
        if find is None:
            return None
        if env is not None:
            return find(env.unwrapped, gamma)
        import gymnasium
        import mo_gymnasium  # noqa: F401 - registers its environments; slow to import

        env = gymnasium.make(self.env_id, disable_env_checker=True)
        try:
            return find(env.unwrapped, gamma)
        finally:
            env.close()

    def reference_point(self) -> npt.NDArray[np.float64]:
        """The default reference point, ``(m,)``, return units."""
        return np.asarray(self.reference_points[0], dtype=np.float64)


def benchmark(env_id: str) -> Benchmark | None:
    """Look up an environment.

    Args:
        env_id: Id with version, such as ``"mo-hopper-2obj-v5"``; a module prefix ``"module:"`` is ignored.

    Returns:
        What is agreed about it, or None if it is not in the table.

    Example:
        >>> benchmark("mo-halfcheetah-v4").reference_points[0]
        (-100.0, -100.0)
        >>> benchmark("CartPole-v1") is None
        True
    """
    env_id = env_id.rpartition(":")[2]
    row: Row | None = TABLE.get(env_id)
    if row is None:
        return None
    agreed = row._asdict()
    names, units = zip(*agreed.pop("objectives"), strict=True)
    return Benchmark(env_id=env_id, objective_names=names, units=units, **agreed)


def benchmark_ids() -> tuple[str, ...]:
    """Ids of all environments in the table."""
    return tuple(TABLE)
