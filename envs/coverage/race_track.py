"""Closed race tracks in the coordinates of their centre line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arguments import instance_generator
from envs.arrays import Floats

_SAMPLES = 4096


@dataclass(frozen=True)
class RaceTrack:
    """A closed centre line, given by its curvature, and a constant width."""

    length: float
    """Of the centre line, metres."""
    half_width: float
    """From the centre line to either edge, metres."""
    curvatures: Floats
    """At equally spaced places, the first at the start, 1/metres, ``(number,)``; left turns are positive."""
    line: Floats
    """The centre line at those places, metres, ``(number, 2)``."""

    @staticmethod
    def random(seed: int, *, length: float, half_width: float) -> RaceTrack:
        """Draw a track: a circle bent by a few waves, run counter-clockwise.

        Args:
            seed: Which one.
            length: Of a lap, metres, positive.
            half_width: Metres, positive.

        Raises:
            ValueError: A number is not positive, or the track is too wide for its bends.
        """
        if not (0 < length < np.inf and 0 < half_width < np.inf):
            raise ValueError(f"length is {length} and half_width {half_width}; expected positive numbers of metres")
        rng = instance_generator(seed)
        angle = np.linspace(0.0, 2.0 * np.pi, _SAMPLES, endpoint=False)
        waves = np.array([2, 3, 4])
        sizes, phases = rng.uniform(0.3, 1.0, 3) * [0.22, 0.09, 0.04], rng.uniform(0, 2 * np.pi, 3)
        radius = 1.0 + (sizes * np.cos(waves * angle[:, None] + phases)).sum(1)
        first = -(sizes * waves * np.sin(waves * angle[:, None] + phases)).sum(1)
        second = -(sizes * waves**2 * np.cos(waves * angle[:, None] + phases)).sum(1)
        # Curvature and arc length of a curve in polar coordinates.
        speed = np.hypot(radius, first)
        curvature = (radius**2 + 2 * first**2 - radius * second) / speed**3
        around = np.concatenate([[0.0], np.cumsum((speed + np.roll(speed, -1)) / 2)]) * (2 * np.pi / _SAMPLES)
        scale = length / around[-1]
        places = np.linspace(0.0, around[-1], _SAMPLES, endpoint=False)
        closed = np.append(np.arange(_SAMPLES), 0)
        even = np.interp(places, around, curvature[closed]) / scale
        corners = scale * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        line = np.stack([np.interp(places, around, corners[closed, axis]) for axis in (0, 1)], 1)
        if half_width * np.abs(even).max() >= 1.0:
            raise ValueError(
                f"half_width is {half_width} m, but the sharpest bend has a radius of {1 / np.abs(even).max():.3g} m; "
                "use a narrower or longer track"
            )
        return RaceTrack(length, half_width, even, line)

    def curvature(self, places: Floats) -> Floats:
        """Curvature at some places along the centre line, metres from the start, ``(...)``."""
        index = np.floor(places * (self.curvatures.size / self.length)).astype(np.int64) % self.curvatures.size
        return self.curvatures[index]

    def direction(self, places: npt.ArrayLike) -> Floats:
        """Direction of the centre line at some places, rad, ``(...)``."""
        here = np.asarray(places, np.float64)
        ahead = self._on_line(here + self.length / _SAMPLES) - self._on_line(here)
        return np.arctan2(ahead[..., 1], ahead[..., 0])

    def position(self, places: npt.ArrayLike, across: npt.ArrayLike) -> Floats:
        """Points beside the centre line.

        Args:
            places: Along it, metres from the start, ``(...)``.
            across: To the left of it, metres; broadcasts.

        Returns:
            In the plane, metres, ``(..., 2)``.
        """
        direction = self.direction(places)
        to_the_left = np.stack([-np.sin(direction), np.cos(direction)], axis=-1)
        points: Floats = self._on_line(np.asarray(places, np.float64)) + np.asarray(across)[..., None] * to_the_left
        return points

    def _on_line(self, places: Floats) -> Floats:
        closed = np.concatenate([self.line, self.line[:1]])
        around = np.linspace(0.0, self.length, len(closed))
        return np.stack([np.interp(places % self.length, around, column) for column in closed.T], axis=-1)
