"""Rows around rows, for problems that change what happens when they are reset or stepped."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from morl.protocols import EnvRows, Rows, State


class WrappedRows:
    """Does what the rows inside do; subclasses change some of it. Implements :class:`morl.protocols.EnvRows`."""

    def __init__(self, rows: EnvRows) -> None:
        """Wrap rows."""
        self.rows, self.num_rows = rows, rows.num_rows

    def reset(self, rows: Rows, seeds: Sequence[int], dynamics: Tensor | None = None) -> Tensor:
        """See :meth:`morl.protocols.EnvRows.reset`."""
        return self.rows.reset(rows, seeds, dynamics)

    def step(self, actions: Tensor, rows: Rows) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See :meth:`morl.protocols.EnvRows.step`."""
        return self.rows.step(actions, rows)

    def state(self) -> State:
        """See :meth:`morl.protocols.EnvRows.state`."""
        return self.rows.state()

    def load_state(self, state: State) -> None:
        """See :meth:`morl.protocols.EnvRows.load_state`."""
        self.replay(state)

    def replay(self, state: State) -> Tensor | None:
        """See :meth:`morl.protocols.EnvRows.replay`."""
        return self.rows.replay(state)
