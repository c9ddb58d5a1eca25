"""The off-policy store: a ring of transitions with vector rewards, shared by the population or one per member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.errors import CheckpointError, ConfigurationError, ShapeError
from morl.memory import require_memory
from morl.protocols import Rows, State, prefixed, unprefixed
from morl.stores.sum_tree import SumTree
from morl.stores.windows import Windows

Flags = Tensor | npt.NDArray[np.bool_]
"""One truth value per row, ``(r,)``; a numpy array is best where the caller has it on the host anyway."""

RESERVED = frozenset({"terminated", "truncated", "index", "importance"})
"""Names that :meth:`Ring.add` and :meth:`Ring.sample` use themselves."""

PRIORITY_FLOOR = 1e-6
"""Added to every priority so that each stored transition can be drawn."""


class Ring:
    r"""Transitions of all members in one packed float32 tensor, oldest overwritten first.

    With ``shared=True`` every member draws from one ring, else each member (group) has its own; either way a batch for
    all members is one ``index_select``. Rewards are stored as vectors, so that any weights can re-scalarise them.

    The field ``discount`` is not given but computed: a target is always
    ``reward + discount * value(next_observation)``. With ``n_step = h`` the stored reward is
    :math:`\sum_{j<h} \gamma^j r_{t+j}`, every field whose name starts with ``next_`` is the one of the window's last
    step, and ``discount`` is :math:`\gamma^h` (0 where the window ends in a terminal state). Windows are cut short at
    the end of an episode.

    Args:
        fields: Width of each stored field; must contain ``reward``, ``next_observation`` and ``discount`` for
            ``n_step > 1``. Integers are stored exactly up to 2**24.
        capacity: Transitions of the shared ring, or of each member's own.
        num_groups: Number of members ``n``.
        shared: One ring for all members instead of one each.
        num_rows: Number of environment rows ``R`` that feed the store.
        n_step: Steps per stored transition.
        gamma: Discount per step.
        prioritised: Draw in proportion to priorities instead of uniformly.
        priority_exponent: Power of a priority in the drawing probability (0 is uniform); 0.6 from [Schaul2016]_, table 3.
        device: Where the transitions live; counters stay on the host.

    Raises:
        ConfigurationError: A field name is reserved or missing, a number is out of range, or the capacity is smaller
            than what one step of all rows can bring.

    Source:
        .. [Schaul2016] Schaul et al., Prioritized Experience Replay, ICLR 2016 (proportional variant). Deviation: where
           a batch holds a transition several times, its largest new priority counts.
    """

    def __init__(
        self,
        fields: Mapping[str, int],
        *,
        capacity: int,
        num_groups: int,
        shared: bool,
        num_rows: int,
        n_step: int = 1,
        gamma: float = 1.0,
        prioritised: bool = False,
        priority_exponent: float = 0.6,
        device: torch.device,
    ) -> None:
        if taken := RESERVED & fields.keys():
            raise ConfigurationError(f"fields names {sorted(taken)}, which the store uses itself; rename them")
        if min(num_groups, num_rows, n_step) < 1 or min(fields.values(), default=0) < 1:
            raise ConfigurationError(
                f"num_groups={num_groups}, num_rows={num_rows}, n_step={n_step} and the widths of fields {dict(fields)} "
                "must all be at least 1"
            )
        if missing := {"reward", "next_observation", "discount"} - fields.keys() if n_step > 1 else set():
            raise ConfigurationError(f"n_step={n_step} needs the fields {sorted(missing)}; declare them or use n_step=1")
        if fields.get("discount", 1) != 1:
            raise ConfigurationError(
                f"the field discount has width {fields['discount']}; it is one number per transition: use 1"
            )
        if not (0.0 <= gamma <= 1.0 and priority_exponent >= 0.0):
            raise ConfigurationError(f"gamma={gamma} must lie in [0, 1] and priority_exponent={priority_exponent} be >= 0")
        self._columns: dict[str, slice] = {}
        self.width = 0
        for name, width in fields.items():
            self._columns[name] = slice(self.width, self.width + width)
            self.width += width
        self._widths = list(fields.values())
        self._names = frozenset(fields) - {"discount"}
        self.capacity = capacity
        self.shared = shared
        self.n_step = n_step
        self.gamma = gamma
        self.prioritised = prioritised
        self.priority_exponent = priority_exponent
        self.device = torch.device(device)
        self._allocate_rings(num_groups)
        self._allocate_windows(num_rows)

    def _allocate_rings(self, num_groups: int) -> None:
        self.num_groups = num_groups
        self._everybody = np.arange(num_groups)
        self._num_rings = 1 if self.shared else num_groups
        size = self._num_rings * self.capacity * 4 * self.width
        what = f"{self._num_rings} replay {'ring' if self._num_rings == 1 else 'rings'} of {self.capacity:,} transitions"
        require_memory(size, what, "lower capacity", device=self.device)
        # Memory that is never written is only reserved, not used: a large capacity costs nothing until it is filled.
        self._data = torch.empty(self._num_rings * self.capacity, self.width, device=self.device)
        self._sizes = np.zeros(self._num_rings, dtype=np.int64)
        self._cursors = np.zeros(self._num_rings, dtype=np.int64)
        self._tree = SumTree(self._num_rings, self.capacity, device=self.device) if self.prioritised else None
        self._max_priority = torch.ones(self._num_rings, dtype=torch.float64, device=self.device)

    def _allocate_windows(self, num_rows: int) -> None:
        if self.capacity < num_rows * self.n_step:
            raise ConfigurationError(
                f"capacity={self.capacity} is below num_rows * n_step = {num_rows * self.n_step}, "
                "what one step of all rows can bring; raise it"
            )
        self.num_rows = num_rows
        self._windows = None
        if self.n_step > 1:
            self._windows = Windows(
                self._columns, self.width, n_step=self.n_step, gamma=self.gamma, num_rows=num_rows, device=self.device
            )

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of transitions that each member can draw from, ``(n,)``."""
        return np.broadcast_to(self._sizes, self.num_groups).copy() if self.shared else self._sizes.copy()

    def can_sample(self, batch_size: int = 1, members: Sequence[int] | None = None) -> bool:
        """Whether each of ``members`` (default: all) can draw from at least ``batch_size`` transitions."""
        sizes = self._sizes if self.shared or members is None else self._sizes[np.asarray(members, dtype=np.int64)]
        return bool((sizes >= max(batch_size, 1)).all())

    def add(self, rows: Rows, groups: npt.NDArray[np.int64], *, terminated: Flags, truncated: Flags, **fields: Tensor) -> None:
        """Store one step of some environment rows.

        Args:
            rows: Which rows, ``(r,)`` int64, each at most once.
            groups: Member that each row works for, ``(r,)`` int64.
            terminated: Whether the episode ended in a terminal state, ``(r,)``: no value follows.
            truncated: Whether it was cut by a time limit, ``(r,)``: the value of ``next_observation`` follows.
            fields: Every declared field except ``discount``, ``(r, width)`` or ``(r,)`` for width 1.

        Raises:
            ShapeError: A field is missing, unknown or of the wrong shape.
        """
        batch = len(rows)
        if self._names != fields.keys() - {"discount"}:
            raise ShapeError(f"add was given the fields {sorted(fields)}; expected {sorted(self._names)}")
        parts = []
        for name, width in zip(self._columns, self._widths, strict=True):
            if name == "discount":
                stop = terminated if isinstance(terminated, Tensor) else torch.from_numpy(terminated)
                value = torch.where(stop.to(self.device), 0.0, self.gamma)
            else:
                value = fields[name]
            shape = value.shape
            if shape[:1] != (batch,) or value.numel() != batch * width:
                raise ShapeError(f"the field {name} has shape {tuple(shape)}; expected ({batch}, {width})")
            parts.append(value if len(shape) == 2 else value.reshape(batch, width))
        # They usually are: to ask costs less than a conversion that changes nothing.
        parts = [p if p.dtype is torch.float32 and p.device == self.device else p.to(self.device, torch.float32) for p in parts]
        packed = torch.cat(parts, 1).detach()
        if self._windows is None:
            self._write(packed, groups)
        else:
            self._write(*self._windows.advance(rows, groups, packed, _on_host(terminated) | _on_host(truncated)))

    def _write(self, packed: Tensor, groups: npt.NDArray[np.int64]) -> None:
        """Append packed transitions to the rings of ``groups``."""
        if len(groups) == 1 and self._tree is None:  # plain numbers cost less than arrays of one
            only = 0 if self.shared else int(groups[0])
            cursor = int(self._cursors[only])
            self._data[only * self.capacity + cursor] = packed[0]
            self._cursors[only] = (cursor + 1) % self.capacity
            self._sizes[only] = min(int(self._sizes[only]) + 1, self.capacity)
            return
        if self.shared:
            ring: npt.NDArray[np.int64] = np.zeros(len(groups), dtype=np.int64)
            rank, counts = np.arange(len(groups)), np.array([len(groups)])
        else:
            ring = groups
            counts = np.bincount(groups, minlength=self._num_rings)
            rank = _rank(groups, counts)
        index = torch.from_numpy(ring * self.capacity + (self._cursors[ring] + rank) % self.capacity).to(self.device)
        self._cursors = (self._cursors + counts) % self.capacity
        self._sizes = np.minimum(self._sizes + counts, self.capacity)
        self._data.index_copy_(0, index, packed)
        if self._tree is not None:
            # New transitions get the largest priority seen so far, so that each is drawn before it is judged.
            self._tree.set(index, self._max_priority[torch.from_numpy(ring).to(self.device)])

    @torch.no_grad()
    def flush(self, rows: Rows) -> None:
        """Store the unfinished n-step windows of rows whose episodes are abandoned before their end.

        Args:
            rows: Which rows, ``(r,)`` int64. Their windows are cut short and bootstrap from where the row stands.
        """
        if self._windows is not None:
            self._write(*self._windows.flush(rows))

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None,
        members: Sequence[int] | None = None,
        importance_exponent: float = 0.4,
    ) -> dict[str, Tensor]:
        """Draw a batch for each member, with replacement.

        Args:
            batch_size: Transitions per member ``B``.
            generator: Source of randomness, on the store's device; not used on ``meta``.
            members: Who gets a batch; everybody by default.
            importance_exponent: How much of the non-uniform drawing the importance weights undo (0 nothing, 1 all of it);
                0.4 from [Schaul2016]_, table 3. Only for prioritised stores.

        Returns:
            Each declared field, ``(n_sel, B, width)``, as views of one tensor. Prioritised stores add ``index`` and
            ``importance`` ``(n_sel, B)``; the latter's largest value is 1 for each member.

        Raises:
            ConfigurationError: A member has nothing to draw from.
        """
        chosen = self._everybody if members is None else np.asarray(members, dtype=np.int64)
        ring = np.zeros_like(chosen) if self.shared else chosen
        sizes = self._sizes[ring]
        if not sizes.all():
            raise ConfigurationError(
                f"members {chosen[sizes == 0].tolist()} have no stored transition yet; ask can_sample first"
            )
        shape = (len(chosen), batch_size)
        generator = None if self.device.type == "meta" else generator
        extra = {}
        if self._tree is None:
            # 62 random bits modulo the size: exact integers, and a bias far below what any run could notice.
            index = torch.randint(1 << 62, shape, generator=generator, device=self.device)
            if len(chosen) == 1:  # plain numbers cost less than tensors of one
                index.remainder_(int(sizes[0])).add_(int(ring[0]) * self.capacity)
            else:
                limits, starts = self._column(sizes), self._column(ring * self.capacity)
                index.remainder_(limits).add_(starts)
        else:
            rings, limits = self._column(ring), self._column(sizes)
            uniforms = torch.rand(shape, generator=generator, device=self.device, dtype=torch.float64)
            index = self._tree.sample(rings[:, 0], uniforms)
            probability = self._tree.get(index) / self._tree.totals()[rings]
            importance = (probability * limits) ** -importance_exponent
            extra = {"index": index, "importance": (importance / importance.amax(1, keepdim=True)).float()}
        batch = self._data.index_select(0, index.view(-1)).view(*shape, self.width)
        return dict(zip(self._columns, batch.split_with_sizes(self._widths, -1), strict=True)) | extra

    def _column(self, numbers: npt.NDArray[np.int64]) -> Tensor:
        """One number for each member ``(n_sel,)`` as a column ``(n_sel, 1)``, on the store's device."""
        return torch.from_numpy(numbers[:, None]).to(self.device)

    @torch.no_grad()
    def update_priorities(self, index: Tensor, priorities: Tensor) -> None:
        """Set how important drawn transitions are from now on.

        Args:
            index: What :meth:`sample` returned, ``(n_sel, B)``.
            priorities: Their new priorities, ``(n_sel, B)``, such as the size of the temporal-difference error; >= 0.

        Raises:
            ConfigurationError: The store is not prioritised.
        """
        if self._tree is None:
            raise ConfigurationError("the store draws uniformly; build it with prioritised=True to use priorities")
        flat = index.reshape(-1)
        powered = (priorities.detach().reshape(-1).to(torch.float64) + PRIORITY_FLOOR) ** self.priority_exponent
        self._tree.set(flat, powered)
        self._max_priority.scatter_reduce_(0, flat.div(self.capacity, rounding_mode="floor"), powered, "amax")

    def reindex(self, source: Sequence[int], fresh: Sequence[bool], *, num_rows: int | None = None) -> None:
        """Follow a change of the population.

        A shared ring stays as it is. Members' own rings are copied, after the unfinished n-step windows were stored with
        whom they belong to.

        Args:
            source: Index of the member to copy, ``(n',)``.
            fresh: Whether the copy is a new individual, ``(n',)``; it keeps the experience of the one it copies.
            num_rows: New number of environment rows; the same by default.

        Raises:
            ShapeError: ``source`` and ``fresh`` differ in length.
        """
        if len(source) != len(fresh):
            raise ShapeError(f"source has {len(source)} entries but fresh has {len(fresh)}; give one of each per member")
        resized = num_rows is not None and num_rows != self.num_rows
        unchanged = list(source) == list(range(self.num_groups))
        if resized or not (self.shared or unchanged):
            self.flush(np.arange(self.num_rows))
        if num_rows is not None and resized:
            self._allocate_windows(num_rows)
        if self.shared or unchanged:
            self.num_groups = len(source)
            self._everybody = np.arange(len(source))
            return
        parts = self._filled(self._data)
        priorities = self._leaf_priorities()
        sizes, cursors, max_priority = self._sizes, self._cursors, self._max_priority
        picked = np.asarray(source, dtype=np.int64)
        self._allocate_rings(len(picked))
        self._sizes, self._cursors = sizes[picked], cursors[picked]
        self._max_priority = max_priority[torch.from_numpy(picked).to(self.device)]
        self._fill([parts[i] for i in picked], None if priorities is None else [priorities[i] for i in picked])

    def stored(self, member: int) -> dict[str, Tensor]:
        """Everything a member can draw from.

        Args:
            member: Which.

        Returns:
            Each declared field, ``(size, width)``, oldest transition first; copies.
        """
        ring = 0 if self.shared else member
        size, cursor = int(self._sizes[ring]), int(self._cursors[ring])
        data = self._filled(self._data)[ring].roll(-cursor if size == self.capacity else 0, 0)
        return {name: data[:, columns].clone() for name, columns in self._columns.items()}

    def _filled(self, flat: Tensor) -> list[Tensor]:
        """Views of the filled part of each ring."""
        return [flat[i * self.capacity : i * self.capacity + size] for i, size in enumerate(self._sizes.tolist())]

    def _leaf_priorities(self) -> list[Tensor] | None:
        """Priorities of the filled part of each ring."""
        if self._tree is None:
            return None
        starts = range(0, self._num_rings * self.capacity, self.capacity)
        spans = zip(starts, self._sizes.tolist(), strict=True)
        return [self._tree.get(torch.arange(start, start + size, device=self.device)) for start, size in spans]

    def _fill(self, parts: Sequence[Tensor], priorities: Sequence[Tensor] | None) -> None:
        """Write the filled part of each (empty) ring."""
        for i, part in enumerate(parts):
            start = i * self.capacity
            self._data[start : start + len(part)].copy_(part)
            if self._tree is not None and priorities is not None and len(part):
                self._tree.set(torch.arange(start, start + len(part), device=self.device), priorities[i].to(self.device))

    def _layout(self) -> str:
        """Names and widths of the fields and what else a saved state must agree with, as one readable line."""
        widths = " ".join(f"{name}:{columns.stop - columns.start}" for name, columns in self._columns.items())
        return f"{widths} capacity={self.capacity} shared={self.shared} n_step={self.n_step} prioritised={self.prioritised}"

    def state(self) -> State:
        """Everything needed to go on exactly; of the rings only the filled part."""
        state: State = {
            "layout": self._layout(),
            "num_groups": self.num_groups,
            "num_rows": self.num_rows,
            "data": torch.cat(self._filled(self._data)),
            "counters": torch.from_numpy(np.stack([self._sizes, self._cursors])),
        }
        if self._windows is not None:
            state |= prefixed("windows", self._windows.state())
        if (priorities := self._leaf_priorities()) is not None:
            state |= {"priorities": torch.cat(priorities), "max_priority": self._max_priority.clone()}
        return state

    def load_state(self, state: State) -> None:
        """Go on from a saved state; the numbers of members and rows may differ from the present ones.

        Args:
            state: What :meth:`state` returned.

        Raises:
            CheckpointError: The state belongs to a store with other fields or settings.
        """
        if state["layout"] != self._layout():
            raise CheckpointError(
                f"the saved store is [{state['layout']}] but this one is [{self._layout()}]; "
                "resume with the saved configuration"
            )
        self._allocate_rings(int(state["num_groups"]))
        self._allocate_windows(int(state["num_rows"]))
        self._sizes, self._cursors = (row.copy() for row in state["counters"].cpu().numpy())
        if (
            (self._sizes < 0).any()
            or (self._sizes > self.capacity).any()
            or not ((self._cursors >= 0) & (self._cursors < self.capacity)).all()
        ):
            raise CheckpointError(
                f"the saved store says that its rings of {self.capacity} hold {self._sizes.tolist()} and go on at "
                f"{self._cursors.tolist()}; it was changed"
            )
        if self._windows is not None:
            self._windows.load_state(unprefixed("windows", state))
        lengths = self._sizes.tolist()
        priorities = None
        if self.prioritised:
            self._max_priority.copy_(state["max_priority"])
            priorities = state["priorities"].split(lengths)
        self._fill(state["data"].split(lengths), priorities)


def _rank(groups: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many entries before each one are of the same group, ``(r,)``; ``counts`` are those of all groups."""
    if counts.max(initial=0) <= 1:
        return np.zeros_like(groups)
    order = np.argsort(groups, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


def _on_host(flags: Flags) -> npt.NDArray[np.bool_]:
    """Truth values as a host array."""
    return np.asarray(flags.cpu() if isinstance(flags, Tensor) else flags, dtype=np.bool_)
