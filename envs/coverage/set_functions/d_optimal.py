r"""D-optimal design for a linear model: the log-determinant of the information matrix of feature vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, State, every, part
from envs.coverage.set_functions.weights_of import floats_of, positive


class DOptimal(SetFunction):
    r""":math:`F(A) = \frac12 \log\det(I + \frac1\lambda \sum_{v \in A} x_v x_v^\top)`; repeated visits count.

    The same as :class:`~envs.coverage.set_functions.LogDet` with the kernel :math:`X X^\top` and noise :math:`\lambda`, at a
    cost per step that does not grow with the length of the trajectory: the inverse of the information matrix follows by the
    formula of Sherman and Morrison, O(B p²) for ``p`` features. Its gains are the elliptical exploration bonus
    :math:`\frac12 \log(1 + x^\top A^{-1} x)` with fixed features; :class:`~envs.coverage.set_functions.Elliptical` learns them.
    """

    def __init__(self, features: npt.ArrayLike, *, ridge: float = 1.0) -> None:
        r"""Set features and prior.

        Args:
            features: :math:`x_v`, ``(V, p)``.
            ridge: :math:`\lambda`, positive.

        Raises:
            ValueError: The features are not finite, or the ridge is not positive.
        """
        matrix = floats_of(features, "features")
        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            raise ValueError(f"features has shape {matrix.shape}; expected (V, p), all finite")
        ridge = positive(ridge, "ridge", "without it the first information matrix is singular")
        width = matrix.shape[1]
        super().__init__(matrix.shape[0], summary_size=width * width)
        self._features = torch.from_numpy(matrix / np.sqrt(ridge))

    def _start(self, batch: int, capacity: int) -> State:
        width = self._features.shape[1]
        return {"inverse": torch.eye(width, dtype=torch.float64, device=self.device).repeat(batch, 1, 1)}

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        x = self._vectors(elements)
        inverse = part(state["inverse"], rows)
        # No matrix products: those give other last digits in batches of other sizes.
        direction = (inverse * x[:, None]).sum(-1)
        leverage = (x * direction).sum(-1)
        update = direction[:, :, None] * direction[:, None] / (1.0 + leverage[:, None, None])
        state["inverse"][every(state, rows)] = inverse - update
        return 0.5 * leverage.log1p()[:, None]

    def _vectors(self, elements: Tensor) -> Tensor:
        return self._features[elements]

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Half the log of one plus each element's leverage, ``(r, V, 1)``."""
        leverage = ((self._features @ part(state["inverse"], rows)) * self._features).sum(-1, keepdim=True)
        return 0.5 * leverage.log1p()

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """The inverse information matrix, row by row, ``(r, p * p)``."""
        return part(state["inverse"], rows).flatten(1).clone()
