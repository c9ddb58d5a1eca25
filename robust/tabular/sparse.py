"""Sparse matrices as successor lists."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, vstack

from envs.arrays import is_sparse
from morl.errors import ShapeError


class SparseRows(NamedTuple):
    """A sparse row for every state-action pair, also as lists of equal length."""

    matrix: Any
    """``(S * A, S)``, row ``s * A + a`` for state ``s`` and action ``a``; a csr array."""
    values: npt.NDArray[Any]
    """Of the entries of each row, ``(S, A, b)``, padded with 0; ``(S, A, S)`` if some row has none that is zero."""
    successors: npt.NDArray[np.int64] | None
    """Columns of the entries, ``(S, A, b)``; padding repeats the first one. None if the values are dense."""

    @property
    def dense(self) -> npt.NDArray[Any]:
        """All entries, ``(S, A, S)``."""
        return np.asarray(self.matrix.toarray().reshape(*self.values.shape[:2], -1))

    def at(self, rows: SparseRows) -> npt.NDArray[Any]:
        """Entries of this matrix where another one lists its own, shaped as the other's values."""
        if self.matrix.shape != rows.matrix.shape:
            raise ShapeError(f"rewards are given for {self.matrix.shape} rows and states, transitions for {rows.matrix.shape}")
        if rows.successors is None:
            return self.dense
        pairs = np.arange(self.matrix.shape[0]).repeat(rows.values.shape[2])
        return np.asarray(self.matrix[pairs, rows.successors.ravel()]).reshape(rows.values.shape)


def sparse_rows(name: str, given: Any) -> SparseRows | None:
    """Read sparse transitions or rewards.

    Args:
        name: What they are called in error messages.
        given: A sparse matrix ``(S * A, S)``, or a sequence of ``A`` matrices ``(S, S)`` of which at least one is sparse.

    Returns:
        None if nothing in it is sparse.

    Raises:
        ShapeError: Sizes do not match.
    """
    if is_sparse(given):
        if given.ndim == 3:
            given = given.reshape((given.shape[0] * given.shape[1], given.shape[2]))
        rows, states = given.shape if given.ndim == 2 else (1, 0)
        if not states or not rows or rows % states:
            raise ShapeError(
                f"{name} is a sparse matrix of shape {given.shape}; expected (S * A, S), or a list with one (S, S) per action"
            )
        return _listed(csr_array(given, copy=True), states)
    parts = list(given) if isinstance(given, list | tuple) or getattr(given, "dtype", None) == np.object_ else []
    if not any(map(is_sparse, parts)):
        return None
    shapes = [np.shape(part) if not is_sparse(part) else part.shape for part in parts]
    states = shapes[0][0] if shapes[0] else 0
    if not states or any(shape != (states, states) for shape in shapes):
        raise ShapeError(f"{name} holds matrices of the shapes {shapes}; expected (S, S) for each action, all of the same size")
    # Action by action becomes state by state.
    order = np.arange(len(parts) * states).reshape(len(parts), states).T.ravel()
    return _listed(csr_array(vstack([csr_array(part) for part in parts], format="csr"))[order], states)


def _listed(matrix: Any, states: int) -> SparseRows:
    """The entries of a csr array ``(S * A, S)`` as lists."""
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    counts = np.diff(matrix.indptr)
    width = max(1, int(counts.max()))
    shape = (states, matrix.shape[0] // states, width)
    if width == states:
        return SparseRows(matrix, matrix.toarray().reshape(shape), None)
    used = np.arange(width) < counts[:, None]
    values = np.zeros(used.shape, matrix.dtype)
    values[used] = matrix.data
    # A row without entries leads nowhere; it is refused as no distribution later, if that is what it is to be.
    first = np.append(matrix.indices, 0)[matrix.indptr[:-1]]
    successors = np.tile(first.astype(np.int64)[:, None], width)
    successors[used] = matrix.indices
    return SparseRows(matrix, values.reshape(shape), successors.reshape(shape))
