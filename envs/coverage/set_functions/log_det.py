r"""Log-determinant of a kernel: the information that noisy measurements give about a Gaussian process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from envs.coverage.set_functions.set_function import SetFunction, State, every, part
from envs.coverage.set_functions.weights_of import floats_of, positive

_BLOCK = 16
_TOLERANCE = 1e-8  # of eigenvalues and symmetry, relative to the largest entry: what rounding does to a covariance


class LogDet(SetFunction):
    r"""Mutual information in nats, :math:`F(A) = \frac12 \log\det(I + K_A / \sigma^2)`; Bayesian D-optimal design.

    Measuring the same site again gains something, as each measurement has its own noise. A state holds the visited sites and
    the inverse :math:`W` of the Cholesky factor of :math:`K_A + \sigma^2 I`: a new site :math:`x` has
    :math:`y = W k_A(x)`, :math:`d^2 = k(x, x) + \sigma^2 - \lVert y \rVert^2` and the gain
    :math:`\frac12 \log(d^2 / \sigma^2)`, and :math:`W` grows by the row :math:`(-y^\top W, 1) / d`. O(B T²) per step.
    """

    def __init__(self, kernel: npt.ArrayLike, *, noise_variance: float) -> None:
        """Set prior covariance and noise.

        Args:
            kernel: Covariance of the sites, ``(V, V)``, symmetric and positive semidefinite.
            noise_variance: Of one measurement, positive.

        Raises:
            ValueError: The kernel is not a covariance, or the noise is not positive.
        """
        matrix = floats_of(kernel, "kernel")
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"kernel has shape {matrix.shape}; expected (V, V)")
        if not np.isfinite(matrix).all():
            raise ValueError("kernel must be finite")
        noise_variance = positive(
            noise_variance,
            "noise_variance",
            "without noise a repeated visit makes the kernel matrix singular and the information infinite",
        )
        scale = np.abs(matrix).max(initial=0.0)
        if np.abs(matrix - matrix.T).max(initial=0.0) > _TOLERANCE * scale:
            raise ValueError("kernel is not symmetric; symmetrise it, (K + K.T) / 2")
        matrix = (matrix + matrix.T) / 2
        smallest = np.linalg.eigvalsh(matrix)[0]
        if smallest < -_TOLERANCE * scale * matrix.shape[0]:
            raise ValueError(f"kernel has the eigenvalue {smallest:.3g}; expected none below 0, as of a covariance")
        super().__init__(matrix.shape[0], summary_size=matrix.shape[0])
        self._kernel = torch.from_numpy(matrix)
        self.noise_variance = noise_variance

    def _start(self, batch: int, capacity: int) -> State:
        return {
            "sites": torch.zeros(batch, capacity, dtype=torch.int64, device=self.device),
            "sizes": torch.zeros(batch, dtype=torch.int64, device=self.device),
            # Rows and columns that are not in use are zero, so they contribute nothing below.
            "whitener": torch.zeros(batch, capacity, capacity, dtype=torch.float64, device=self.device),
        }

    def _advance(self, state: State, elements: Tensor, rows: Tensor | None) -> Tensor:
        sizes, sites, whitener = (part(state[name], rows) for name in ("sizes", "sites", "whitener"))
        used = self._room_in_use(sizes, sites.shape[1])
        whitener = whitener[:, :used, :used]
        covariance = self._kernel[sites[:, :used], elements[:, None]]
        # Products and sums instead of matrix products: those give other last digits in batches of other sizes.
        projected = (whitener * covariance[:, None]).sum(-1)
        variance = self._kernel[elements, elements] + self.noise_variance - projected.square().sum(-1)
        # What a site adds is at least its noise; rounding may take away a little more than there is.
        variance = variance.clamp(min=self.noise_variance)
        deviation = variance.sqrt()
        row = -(whitener * projected[..., None]).sum(1) / deviation[:, None]
        rows = every(state, rows)
        state["whitener"][rows, sizes, :used] = row
        state["whitener"][rows, sizes, sizes] = 1.0 / deviation
        state["sites"][rows, sizes] = elements
        state["sizes"][rows] = sizes + 1
        return 0.5 * (variance / self.noise_variance).log()[:, None]

    def gains(self, state: State, rows: Tensor | None = None) -> Tensor:
        """Information that each site would add, ``(r, V, 1)``."""
        projected = part(state["whitener"], rows) @ self._kernel[part(state["sites"], rows)]
        variance = (self._kernel.diagonal() - projected.square().sum(1)).clamp(min=0)
        return 0.5 * (variance / self.noise_variance).log1p()[..., None]

    def trajectory_gains(self, elements: Tensor) -> Tensor:
        """Gains along trajectories, ``(B, T, 1)``, from one Cholesky factorisation each."""
        self._check_elements(elements)
        noise = self.noise_variance * torch.eye(elements.shape[1], dtype=torch.float64, device=self.device)
        factor = torch.linalg.cholesky(self._kernel[elements[:, :, None], elements[:, None]] + noise)
        deviation = factor.diagonal(dim1=1, dim2=2).clamp(min=self.noise_variance**0.5)
        gains: Tensor = 0.5 * (deviation.square() / self.noise_variance).log()[..., None]
        return gains

    def summary(self, state: State, rows: Tensor | None = None) -> Tensor:
        """How often each site was visited, ``(r, V)``."""
        sites, sizes = part(state["sites"], rows), part(state["sizes"], rows)
        used = torch.arange(sites.shape[1], device=self.device) < sizes[:, None]
        counts = torch.zeros(sites.shape[0], self.num_elements, dtype=torch.float64, device=self.device)
        return counts.scatter_add_(1, sites, used.to(torch.float64))

    @staticmethod
    def _room_in_use(sizes: Tensor, capacity: int) -> int:
        """How much of the state has to be looked at. Not asked of other devices, which would have to wait for the answer."""
        if sizes.device.type != "cpu" or not sizes.numel():
            return capacity
        largest = int(sizes.max())
        if largest >= capacity:
            raise ValueError(f"a set is full: it was started with room for {capacity} visits")
        return min(capacity, _BLOCK * (largest // _BLOCK + 1))
