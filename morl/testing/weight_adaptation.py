"""Check a rule that moves weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from morl.errors import ShapeError
from morl.seeding import stream
from morl.testing.requirement import require, require_error
from morl.weights.adaptation import (
    Briefing,
    Changes,
    Memory,
    Population,
    Remembers,
    UsesBriefing,
    UsesSolvedWeights,
    WeightAdaptation,
)

Array = npt.NDArray[np.float64]


def check_weight_adaptation(adapt: WeightAdaptation, *, num_objectives: int = 3, seed: int = 0) -> None:
    """Check that a rule keeps the contract of :class:`morl.weights.adaptation.WeightAdaptation`.

    Rows stay on the simplex, nothing is changed in place, the same arguments and randomness give the same weights, and bad
    shapes are refused. A rule that does not count solved weights (:class:`morl.weights.adaptation.UsesSolvedWeights`), and
    whose weights are preferences and no tolerances around reference points, also keeps a member at each corner of the simplex,
    unless it has a field ``keep_corners`` that is false, and does not depend on the objectives' units, unless it has a field
    ``normalise`` that is false.

    Args:
        adapt: What to check.
        num_objectives: ``m``.
        seed: Of the values it is tried on.

    Raises:
        AssertionError: It breaks the contract; the message says where.

    Example:
        >>> from morl.weights.adaptation import PSA
        >>> check_weight_adaptation(PSA())
    """
    rng = stream(seed, "check_weight_adaptation")
    n, m = 6, num_objectives
    weights = np.concatenate([np.eye(m), rng.dirichlet(np.ones(m), size=n)])
    values, gains = rng.normal(size=weights.shape), rng.normal(size=len(weights))
    training = rng.dirichlet(np.ones(m), size=12)
    start, change = rng.normal(size=training.shape), 0.3 * training**2

    def apply(values: Array, archive: Array, scale: Array, shift: Array) -> Array:
        """Weights that follow if every objective is measured in other units."""
        more = {}
        if isinstance(adapt, UsesBriefing):
            changes = Changes(
                weights=training,
                before=start * scale + shift,
                after=(start + change) * scale + shift,
                period=np.arange(len(training)),
            )
            more = {"briefing": Briefing(changes=changes, scale=scale)}
        few = slice(m + 2)
        found = adapt(
            weights[few],
            values[few] * scale + shift,
            archive * scale + shift,
            gains=gains[few],
            rng=stream(seed, "adapt"),
            **more,
        )
        return found.weights if isinstance(found, Population) else found

    def weights_of(found: npt.NDArray[np.float64] | Population) -> npt.NDArray[np.float64]:
        if not isinstance(found, Population):
            require(
                found.shape == weights.shape, f"expected weights of shape {weights.shape} or a Population, got {found.shape}"
            )
            return found
        require(all(0 <= i < len(weights) for i in found.parents), f"there are no parents {list(found.parents)}")
        kept = [parent for parent, fresh in zip(found.parents, found.fresh, strict=True) if not fresh]
        require(
            len(set(kept)) == len(kept), f"members {kept} are kept, one of them twice; all its copies but one must be fresh"
        )
        return found.weights

    for archive in (np.zeros((0, m)), values[:1], rng.normal(size=(7, m))):
        before = [x.copy() for x in (weights, values, archive)]
        found = adapt(weights, values, archive, gains=gains, rng=stream(seed, "adapt"))
        moved = weights_of(found)
        is_around = isinstance(found, Population) and found.reference_points is not None
        has_preferences = not (isinstance(adapt, UsesSolvedWeights) or is_around)
        case = f"with an archive of {len(archive)}"
        require(moved.ndim == 2 and moved.shape[1] == m, f"{case}: expected {m} weights for each member, got {moved.shape}")
        require(
            np.isfinite(moved).all() and (moved >= 0).all() and np.allclose(moved.sum(axis=1), 1.0, atol=1e-9),
            f"{case}: rows must stay on the simplex",
        )
        same = all((x == y).all() for x, y in zip(before, (weights, values, archive), strict=True))
        require(same and not np.shares_memory(moved, weights), f"{case}: it changed its arguments or returned one of them")
        again = weights_of(adapt(weights, values, archive, gains=gains, rng=stream(seed, "adapt")))
        require(np.array_equal(again, moved), f"{case}: the same arguments gave other weights; it must keep no state")
        if isinstance(adapt, Remembers):
            _check_memory(adapt, weights, values, archive)
        if has_preferences:
            kept = np.abs(moved[:, None] - np.eye(m)[None]).max(-1).min(axis=0) < 1e-9
            require(
                kept.all() or not getattr(adapt, "keep_corners", True), f"{case}: members at corners of the simplex must stay"
            )
    if has_preferences and getattr(adapt, "normalise", True):
        # Whoever bounds what weighted sums gain in return units may not ignore them.
        archive = rng.normal(size=(7, m))
        plain = apply(values, archive, np.ones(m), np.zeros(m))
        scale, shift = np.asarray(4.0 ** rng.integers(-3, 4, size=m), np.float64), rng.uniform(-9.0, 9.0, size=m)
        other = apply(values, archive, scale, shift)
        require(
            np.allclose(plain, other, atol=1e-6), "other units of the objectives gave other weights; measure them by a range"
        )
    require_error(
        ShapeError,
        lambda: adapt(weights, values[:, :-1], values, gains=gains, rng=stream(seed, "adapt")),
        "values of the wrong shape",
    )


def _check_memory(
    adapt: Remembers, weights: npt.NDArray[np.float64], values: npt.NDArray[np.float64], archive: npt.NDArray[np.float64]
) -> None:
    """Over some exchanges a rule with a memory leaves what it is told as it was, and its reference points are finite."""
    memory: Memory | None = None
    for _ in range(8):
        told = memory or {}
        before = {name: kept.copy() for name, kept in told.items()}
        found = adapt(weights, values, archive, gains=np.zeros(len(weights)), rng=stream(0, "adapt"), memory=memory)
        same = all(np.array_equal(kept, before[name]) for name, kept in told.items())
        require(same, "memory: it changed what it was told; it must keep no state")
        points = found.reference_points
        require(points is None or bool(np.isfinite(points).all()), "reference points must be finite")
        weights, values, memory = found.weights, values[list(found.parents)], found.memory
