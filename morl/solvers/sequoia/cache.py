"""Values of next states that were solved under the present target network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.protocols import State

Values = npt.NDArray[np.float32]


class SolvedStates:
    """One table per member, from encoded states to target values; each state is solved once until the target moves."""

    def __init__(self, members: int, state_width: int, value_width: int) -> None:
        """Empty tables.

        Args:
            members: ``n``.
            state_width: Numbers of an encoded state.
            value_width: Numbers of a target value.
        """
        self.widths = (state_width, value_width)
        self.tables: list[dict[bytes, npt.NDArray[Any]]] = [{} for _ in range(members)]

    def __call__(self, members: Sequence[int], encoded: Tensor, solve: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Look up values, and solve what is missing, all members side by side.

        Args:
            members: Who, ``(n',)``.
            encoded: States ``(n', B, d)``.
            solve: Gives values ``(n', C, width)`` of states ``(n', C, d)``.

        Returns:
            Values ``(n', B, width)``, and how many states of each member were solved, ``(n',)``.
        """
        host = encoded.detach().cpu().numpy()
        keys = [[row.tobytes() for row in states] for states in host]
        missing = [
            {key: b for b, key in enumerate(found) if key not in self.tables[i]} for i, found in zip(members, keys, strict=True)
        ]
        most = max(len(part) for part in missing)
        if most:
            # All are solved in one batch: members with fewer open states get the first one again.
            picks = torch.tensor([[*part.values(), *[0] * (most - len(part))] for part in missing]).to(encoded.device)
            solved = solve(torch.take_along_dim(encoded, picks.unsqueeze(-1), 1)).cpu().numpy()
            for member, part, values in zip(members, missing, solved, strict=True):
                self.tables[member].update(zip(part, values, strict=False))
        found = np.stack([[self.tables[i][key] for key in part] for i, part in zip(members, keys, strict=True)])
        counts = torch.tensor([float(len(part)) for part in missing], device=encoded.device)
        return torch.from_numpy(found).to(encoded.device), counts

    def forget(self, member: int) -> None:
        """Start anew with one member."""
        self.tables[member] = {}

    def copy(self, source: int, target: int) -> None:
        """Another member's network took the place of this one's, so its values are those of another network."""
        self.forget(target)

    def reindexed(self, source: Sequence[int], fresh: Sequence[bool]) -> SolvedStates:
        """The tables of a changed population; see :class:`morl.members.MemberPart`."""
        other = SolvedStates(len(source), *self.widths)
        other.tables = [dict(self.tables[i]) for i in source]
        return other

    def state(self) -> State:
        """States and values of every member."""
        state: State = {}
        for i, table in enumerate(self.tables):
            keys = np.frombuffer(b"".join(table), np.float32).reshape(len(table), self.widths[0]).copy()
            values = np.array(list(table.values()), np.float32).reshape(len(table), self.widths[1])
            state |= {f"{i}/states": torch.from_numpy(keys), f"{i}/values": torch.from_numpy(values)}
        return state

    def load_state(self, state: State) -> None:
        """Restore :meth:`state`."""
        for i in range(len(self.tables)):
            states, values = (state[f"{i}/{part}"].cpu().numpy() for part in ("states", "values"))
            self.tables[i] = {row.tobytes(): value for row, value in zip(states, values, strict=True)}
