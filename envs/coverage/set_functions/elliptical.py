r"""Elliptical bonus: D-optimal design in a feature space that was learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.d_optimal import DOptimal
from envs.coverage.set_functions.weights_of import floats_of


class Elliptical(DOptimal):
    r""":math:`F(A) = \frac12 \log\det(I + \frac1\lambda \sum_{x \in A} \phi(x) \phi(x)^\top)` with an encoder :math:`\phi`.

    Its gains :math:`\frac12 \log(1 + \phi(x)^\top A^{-1} \phi(x))` are the elliptical episodic bonus of [Henaff2022]_, up
    to the logarithm, which makes them add up to a set function. Elements are the ``V`` listed inputs, by number, or any
    inputs themselves, as rows of floating-point numbers ``(r, q)``: so it also serves where there is no list of places, such
    as in continuous control. :func:`~envs.coverage.inverse_dynamics.fit_inverse_dynamics` learns an encoder from walks.

    .. [Henaff2022] M. Henaff, R. Raileanu, M. Jiang, T. Rocktäschel. Exploration via Elliptical Episodic Bonuses. NeurIPS 2022.
    """

    def __init__(self, encoder: Callable[[Tensor], Tensor], inputs: npt.ArrayLike, *, ridge: float = 1.0) -> None:
        r"""Set encoder, known inputs and prior.

        Args:
            encoder: Maps inputs ``(r, q)`` float32 to features ``(r, p)`` on their device; called without gradients. While
                sets grow it must stay as it is: call :meth:`refresh` after training it, between episodes.
            inputs: The ``V`` elements that have a number, ``(V, q)``.
            ridge: :math:`\lambda`, positive.

        Raises:
            ValueError: Inputs or features are not finite or not matrices, or the ridge is not positive.
        """
        given = floats_of(inputs, "inputs")
        with np.errstate(over="ignore"):
            matrix = given.astype(np.float32)
        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            raise ValueError(f"inputs has shape {matrix.shape}; expected (V, q), all finite in float32")
        if len(np.unique(matrix, axis=0)) < len(np.unique(given, axis=0)):
            raise ValueError(
                "inputs has rows that differ, but not in float32, which the encoder gets; subtract their mean and divide by "
                "their spread"
            )
        self._encoder = encoder
        self._inputs = torch.from_numpy(matrix)
        self._ridge = ridge
        with torch.no_grad():
            features = encoder(self._inputs)
        super().__init__(features.numpy(), ridge=ridge)

    def refresh(self) -> None:
        """Encode the listed inputs again, after the encoder has learned; sets that are growing are no longer valid."""
        self._features = self._encode(self._inputs)

    def _encode(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            features: Tensor = self._encoder(inputs.to(torch.float32)).to(torch.float64) / self._ridge**0.5
        return features

    def _vectors(self, elements: Tensor) -> Tensor:
        return self._encode(elements) if elements.is_floating_point() else super()._vectors(elements)

    def _check_elements(self, elements: Tensor) -> None:
        if not elements.is_floating_point():
            super()._check_elements(elements)
            return
        width = self._inputs.shape[1]
        if elements.shape[-1] != width:
            raise ValueError(f"elements has shape {tuple(elements.shape)}; expected rows of {width} numbers like the inputs")
        if elements.device.type == "cpu" and not bool(elements.isfinite().all()):
            raise ValueError("elements holds NaN or infinity; expected finite inputs")
