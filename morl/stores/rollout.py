"""The on-policy store: the steps of each environment row since it was last cleared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.memory import require_memory
from morl.protocols import Rows, State


class Rollout:
    """Time-major steps ``(T, R, ...)`` of ``R`` environment rows, each filled at its own pace.

    Rows may be stepped in subsets and may hold different numbers of steps (whole episodes, or as many as the horizon):
    :attr:`mask` says which entries are valid; the others are zero.

    Args:
        fields: Shape of one step of each field, without time and row, ``()`` for a number; stored as float32.
        horizon: Steps that each row can hold.
        num_rows: Number of environment rows ``R``.
        device: Where the steps live; the rows' lengths stay on the host.
        grow: Double the horizon when a row is full (episodes of unknown length) instead of refusing more.

    Raises:
        ConfigurationError: A number is below 1, or no field is declared.
    """

    def __init__(
        self, fields: Mapping[str, tuple[int, ...]], *, horizon: int, num_rows: int, device: torch.device, grow: bool = False
    ) -> None:
        if horizon < 1 or num_rows < 1 or not fields:
            raise ConfigurationError(
                f"horizon={horizon} and num_rows={num_rows} must be at least 1, and fields {sorted(fields)} not be empty"
            )
        self._shapes = {name: tuple(shape) for name, shape in fields.items()}
        self._columns: dict[str, slice] = {}
        self._width = 0
        for name, shape in self._shapes.items():
            self._columns[name] = slice(self._width, self._width + prod(shape))
            self._width += prod(shape)
        self.horizon = horizon
        self.num_rows = num_rows
        self.device = torch.device(device)
        self.grow = grow
        self._lengths = np.zeros(num_rows, dtype=np.int64)
        what = f"{horizon:,} steps of {num_rows:,} environment rows"
        require_memory(4 * horizon * num_rows * self._width, what, "lower horizon or rows_per_member", device=self.device)
        self._data = torch.zeros(horizon, num_rows, self._width, device=self.device)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of steps that each row holds, ``(R,)``."""
        return self._lengths.copy()

    @property
    def is_full(self) -> bool:
        """Whether every row holds as many steps as the horizon."""
        return bool((self._lengths == self.horizon).all())

    @property
    def mask(self) -> Tensor:
        """Which entries are valid, ``(T, R)`` bool, ``T`` being the steps of the longest row."""
        steps = torch.arange(self._longest, device=self.device)
        return steps[:, None] < torch.from_numpy(self.lengths).to(self.device)

    @property
    def _longest(self) -> int:
        return int(self._lengths.max())

    @torch.no_grad()
    def add(self, rows: Rows, **fields: Tensor) -> None:
        """Append one step to some rows.

        Args:
            rows: Which rows, ``(r,)`` int64, each at most once.
            fields: Every declared field, ``(r, *shape)``.

        Raises:
            ShapeError: A field is missing, unknown or of the wrong shape.
            ConfigurationError: A row is full and the horizon may not grow.
        """
        if fields.keys() != self._shapes.keys():
            raise ShapeError(f"add was given the fields {sorted(fields)}; expected {sorted(self._shapes)}")
        batch = len(rows)
        for name, shape in self._shapes.items():
            if fields[name].shape != (batch, *shape):
                raise ShapeError(f"the field {name} has shape {tuple(fields[name].shape)}; expected {(batch, *shape)}")
        steps = self._lengths[rows]
        if batch and steps.max() >= self.horizon:
            self._double(rows[steps >= self.horizon])
        if self._data.is_cpu:
            # Numpy is several times faster than torch with so few numbers.
            packed = np.empty((batch, self._width), dtype=np.float32)
            for name, columns in self._columns.items():
                packed[:, columns] = fields[name].numpy(force=True).reshape(batch, columns.stop - columns.start)
            self._data.numpy()[steps, rows] = packed
        else:
            parts = [fields[name].reshape(batch, -1).to(self.device, torch.float32) for name in self._shapes]
            index = torch.from_numpy(steps * self.num_rows + rows).to(self.device)
            self._data.view(-1, self._width).index_copy_(0, index, torch.cat(parts, 1))
        self._lengths[rows] = steps + 1

    def _double(self, full: Rows) -> None:
        if not self.grow:
            raise ConfigurationError(
                f"rows {full.tolist()[:5]} already hold the horizon of {self.horizon} steps; "
                "clear them, or build the store with grow=True"
            )
        self._data = torch.cat([self._data, torch.zeros_like(self._data)])
        self.horizon *= 2

    def __getitem__(self, name: str) -> Tensor:
        """One field, ``(T, R, *shape)``, as a view; ``T`` is the steps of the longest row."""
        return self._data[: self._longest, :, self._columns[name]].view(self._longest, self.num_rows, *self._shapes[name])

    def clear(self, rows: Rows | None = None) -> None:
        """Forget the steps of some rows (default: all)."""
        if rows is None:
            self._data[: self._longest].zero_()
            self._lengths[:] = 0
        else:
            # Zeros outside the mask: a product with the mask never meets what an earlier episode left behind.
            self._data[: self._longest].index_fill_(1, torch.from_numpy(rows).to(self.device), 0.0)
            self._lengths[rows] = 0

    def reindex(self, source: Sequence[int], fresh: Sequence[bool], *, num_rows: int) -> None:
        """Follow a change of the population.

        Args:
            source: Index of the member to copy, ``(n',)``.
            fresh: Whether the copy is a new individual, ``(n',)``: it starts new episodes, so that the steps of the one it
                copies are not its own.
            num_rows: New number of environment rows, as many for each member as before.
        """
        per_member = num_rows // len(source)
        rows = (np.asarray(source)[:, None] * per_member + np.arange(per_member)).reshape(-1)
        own = np.repeat(~np.asarray(fresh), per_member)
        steps = self._data[: self._longest][:, torch.from_numpy(rows).to(self.device)]
        steps = steps * torch.from_numpy(own).to(self.device).unsqueeze(-1)
        self.num_rows, self._lengths = num_rows, self._lengths[rows] * own
        self._data = torch.zeros(self.horizon, num_rows, self._width, device=self.device)
        self._data[: self._longest].copy_(steps[: self._longest])

    def _layout(self) -> str:
        """Names and shapes of the fields and the number of rows, as one readable line."""
        shapes = " ".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in self._shapes.items())
        return f"{shapes} num_rows={self.num_rows}"

    def state(self) -> State:
        """Everything needed to go on exactly; only the filled part."""
        return {
            "layout": self._layout(),
            "horizon": self.horizon,
            "lengths": torch.from_numpy(self.lengths),
            "data": self._data[: self._longest].clone(),
        }

    def load_state(self, state: State) -> None:
        """Go on from a saved state.

        Args:
            state: What :meth:`state` returned.

        Raises:
            CheckpointError: The state belongs to a store with other fields or rows.
        """
        if state["layout"] != self._layout():
            raise CheckpointError(
                f"the saved rollout is [{state['layout']}] but this one is [{self._layout()}]; "
                "resume with the saved configuration"
            )
        lengths = state["lengths"].cpu().numpy()
        if lengths.shape != (self.num_rows,) or lengths.min(initial=0) < 0 or lengths.max(initial=0) != len(state["data"]):
            raise CheckpointError(
                f"the saved rollout has {len(state['data'])} steps but its rows say {lengths.reshape(-1)[:4].tolist()}...; it "
                "was changed"
            )
        self.horizon = int(state["horizon"])
        self._lengths = lengths.copy()
        self._data = torch.zeros(self.horizon, self.num_rows, self._width, device=self.device)
        self._data[: self._longest].copy_(state["data"])


def member_major(field: Tensor, members: int) -> Tensor:
    """``(T, n * K[, width])`` -> ``(n, T * K, width)``."""
    steps = field.shape[0]
    return field.reshape(steps, members, -1, *(field.shape[2:] or (1,))).transpose(0, 1).flatten(1, 2)


def time_major(field: Tensor, per_member: int) -> Tensor:
    """``(n, T * K, width)`` -> ``(T, n * K, width)``."""
    return field.reshape(len(field), -1, per_member, field.shape[-1]).transpose(0, 1).flatten(1, 2)
