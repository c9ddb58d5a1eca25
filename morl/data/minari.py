"""Read data sets of Minari whose rewards are vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from morl.data.dataset import Dataset
from morl.data.episode import Episode, Header
from morl.errors import DataError
from morl.observations import Layout, Misfit
from morl.problem import EnvLike, Problem, make_problem


class MinariEpisode(Protocol):
    """What Minari has of an episode: one observation more than steps."""

    observations: Any
    actions: Any
    rewards: Any
    terminations: Any
    truncations: Any


class MinariData(Protocol):
    """What ``minari.load_dataset`` returns."""

    def iterate_episodes(self) -> Iterator[Any]:
        """Its episodes (:class:`MinariEpisode`), one after the other."""
        ...


def from_minari(data: MinariData, env: EnvLike | Problem, *, gamma: float | None = None) -> Dataset:
    """Take over the episodes of a Minari data set; Minari itself is not needed.

    Args:
        data: What ``minari.load_dataset(...)`` returned. Its HDF5 format keeps vector rewards, its Arrow format does not.
        env: The environment of its episodes.
        gamma: Discount that they were collected for, for the record; None if that is not known.

    Returns:
        The data set in memory; :meth:`~morl.data.Dataset.save` writes it.

    Raises:
        DataError: An episode is not one of that environment, such as one whose rewards are no vectors.
    """
    problem = make_problem(env)
    header = Header.of(problem.spec, gamma=gamma, recorded_by={"minari": str(getattr(data, "id", ""))})
    layout, m = Layout(problem.spec.observation_space), problem.spec.num_objectives
    episodes = []
    for i, found in enumerate(data.iterate_episodes()):
        rewards = np.asarray(found.rewards, np.float32)
        rewards = rewards[:, None] if m == 1 and rewards.ndim == 1 else rewards
        if rewards.ndim != 2 or rewards.shape[1] != m:
            raise DataError(
                f"episode {i} of the Minari data set has rewards of shape {rewards.shape}; expected (T, {m}), one column for "
                f"each of {', '.join(header.objectives)}: it must have been collected with the vector reward, in HDF5"
            )
        try:
            observations = layout.raw(found.observations, axes=1)
        except Misfit as misfit:
            raise DataError(f"episode {i} of the Minari data set has {misfit}") from misfit
        if len(observations) != len(rewards) + 1:
            raise DataError(
                f"episode {i} of the Minari data set has {len(observations)} observations of {len(rewards)} steps; expected "
                "one more"
            )
        episodes.append(
            Episode(
                observations=observations[:-1],
                actions=np.asarray(found.actions),
                rewards=rewards,
                final_observation=observations[-1],
                terminated=bool(np.asarray(found.terminations)[-1]),
                truncated=bool(np.asarray(found.truncations)[-1]),
            )
        )
    return Dataset.of(header, episodes)
