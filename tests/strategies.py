"""What hypothesis draws from in the laws of this project."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Array = npt.NDArray[np.float64]

small = st.integers(-6, 6).map(lambda i: i / 2)
"""Halves: many ties, and sums without rounding."""
finite = st.floats(-1e3, 1e3, allow_nan=False, allow_infinity=False)


@st.composite
def value_sets(
    draw: st.DrawFn,
    *,
    num_objectives: int | None = None,
    min_size: int = 0,
    max_size: int = 12,
    elements: st.SearchStrategy[float] = small,
) -> Array:
    """A set of vector values ``(p, m)``, 2 to 4 objectives unless given."""
    m = num_objectives or draw(st.integers(2, 4))
    p = draw(st.integers(min_size, max_size))
    return draw(hnp.arrays(np.float64, (p, m), elements=elements))


@st.composite
def simplex(draw: st.DrawFn, *, rows: int, num_objectives: int) -> Array:
    """Weight vectors ``(rows, m)``; corners and zeros are common."""
    raw = draw(hnp.arrays(np.float64, (rows, num_objectives), elements=st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 3.0])))
    raw = np.where(raw.sum(axis=1, keepdims=True) > 0, raw, 1.0)
    return raw / raw.sum(axis=1, keepdims=True)
