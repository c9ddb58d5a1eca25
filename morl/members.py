"""What the members of a population own, declared once; saving, loading, copying and transferring it follow.

A learner class lists its own attributes in ``owns``; those of its bases count too. An attribute that is None, because a
configuration does without it, is passed over. What is not declared must be a function of what is: the law tests look for
tensors, optimisers, stores and generators that nobody declared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from morl.errors import CheckpointError
from morl.nn.population_adam import PopulationAdam
from morl.nn.stacked import Packed, restore_
from morl.protocols import Payload, State, prefixed, unprefixed
from morl.stores import Ring, Rollout

Held: TypeAlias = "Tensor | npt.NDArray[Any] | list[Tensor] | dict[str, Tensor]"
"""Forms of what is owned: one array, or several by number or name."""


@dataclass(frozen=True)
class Change:
    """A change of the population: each new member is a copy of an old one; see :meth:`morl.protocols.Learner.reindex`."""

    source: Sequence[int]
    """Index of the member to copy, ``(n',)``."""
    fresh: Sequence[bool]
    """Whether the copy is a new individual, ``(n',)``."""
    rows_per_member: int

    @cached_property
    def members(self) -> Tensor:
        """``source`` as an index tensor."""
        return torch.as_tensor(list(self.source), dtype=torch.int64)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """Environment row that each new row copies, ``(n' K,)``."""
        picks: npt.NDArray[np.int64] = self.members.numpy()[:, None] * self.rows_per_member + np.arange(self.rows_per_member)
        return picks.reshape(-1)

    @cached_property
    def fresh_rows(self) -> npt.NDArray[np.bool_]:
        """Rows of new individuals, ``(n' K,)``."""
        return np.repeat(np.asarray(self.fresh), self.rows_per_member)


@dataclass(frozen=True)
class Owned(ABC):
    """One declared attribute of a learner."""

    kind: ClassVar[str]
    """What it is: ``member``, ``row``, ``shared``, ``optimiser``, ``part``, ``store``, ``generator`` or ``counter``."""
    name: str
    """Of the attribute, and of its entries in a state."""

    @abstractmethod
    def save(self, value: Any) -> State:
        """Its entries in a state, keys after :attr:`name`."""

    @abstractmethod
    def load(self, value: Any, saved: State) -> Any:
        """Restore, in place where that can be; returns the attribute's new value."""

    def reindex(self, value: Any, change: Change, learner: object) -> Any:
        """The value in a changed population."""
        return value

    def transfer(self, value: Any, source: int, target: int, payload: Payload, tau: float = 1.0) -> None:  # noqa: B027
        """Move what a member owns by a share ``tau`` in (0, 1] towards what another one does; nothing, by default."""


class _Arrays(Owned):
    """Arrays of some form."""

    def save(self, value: Held) -> State:
        """See :meth:`Owned.save`: tensors as they are, arrays copied."""
        return {key: torch.from_numpy(a.copy()) if isinstance(a, np.ndarray) else a for key, a in _arrays(value)}

    def load(self, value: Held, saved: State) -> Held:
        """See :meth:`Owned.load`.

        Raises:
            CheckpointError: Shapes or types are others.
        """
        for key, array in _arrays(value):
            found: Tensor = saved[key]
            if isinstance(array, Tensor):
                restore_(array, found)
                continue
            if tuple(found.shape) != array.shape or found.numpy().dtype != array.dtype:
                raise CheckpointError(f"the saved {self.name} have shape {tuple(found.shape)}, expected {array.shape}")
            array[...] = found.numpy()
        return value


@dataclass(frozen=True)
class PerMember(_Arrays):
    """Arrays with the members on axis 0."""

    kind = "member"
    goes_with: Payload | None = None
    """Which transfer takes it along: ``actor`` every one, ``all`` a full one only; None: none."""
    fresh: float | None = None
    """What a new individual begins with; None for what the member that it copies has."""
    grows: bool = False
    """Whether the axes behind the members' may be longer than those of a learner that has just begun (memories of episodes)."""
    is_young: bool = False
    """Whether checkpoints of earlier versions lack it: then it stays what it was."""

    def load(self, value: Any, saved: State) -> Any:
        if not saved and self.is_young:
            return value
        if not self.grows:
            return super().load(value, saved)
        return {key: saved[f"/{key}"].to(tensor.device).clone() for key, tensor in value.items()}

    def reindex(self, value: Held, change: Change, learner: object) -> Held:
        return _picked(value, change.members, np.asarray(change.fresh), self.fresh)

    def transfer(self, value: Held, source: int, target: int, payload: Payload, tau: float = 1.0) -> None:
        if self.goes_with not in ("actor", payload):
            return
        for _, array in _arrays(value):
            if tau == 1.0:
                array[target] = array[source]
            elif array.dtype.is_floating_point if isinstance(array, Tensor) else array.dtype.kind == "f":
                # Half of a flag is none: what is counted stays as it is.
                array[target] += tau * (array[source] - array[target])


@dataclass(frozen=True)
class PerNetwork(PerMember):
    """Arrays with the networks on axis 0: one for each member, or a single one that all use (then they are :class:`Shared`)."""


@dataclass(frozen=True)
class PerRow(_Arrays):
    """Arrays with the environment rows on axis 0."""

    kind = "row"
    fresh: float | None = None
    """What the rows of a new individual begin with; None for what the rows that they copy have."""

    def reindex(self, value: Held, change: Change, learner: object) -> Held:
        return _picked(value, torch.from_numpy(change.rows), change.fresh_rows, self.fresh)


@dataclass(frozen=True)
class Shared(_Arrays):
    """Arrays that all members use, such as the parameters of one network for all weights."""

    kind = "shared"


Owns: TypeAlias = tuple[Owned, ...]
"""What a class declares."""


class HasState(Protocol):
    """Something that can be saved and go on."""

    def state(self) -> State:
        """What to save."""
        ...

    def load_state(self, state: State) -> None:
        """Go on from there."""
        ...


class _Object(Owned):
    """An object that can be saved and go on."""

    def save(self, value: HasState) -> State:
        return prefixed("", value.state())

    def load(self, value: HasState, saved: State) -> HasState:
        value.load_state(unprefixed("", saved))
        return value


@dataclass(frozen=True)
class Optimiser(_Object):
    """A :class:`~morl.nn.population_adam.PopulationAdam`; a member that takes over parameters starts with an empty one."""

    kind = "optimiser"
    of: str
    """Attribute of its parameters, declared before it."""
    goes_with: Payload | None = "actor"
    """Which transfer overwrites these; None: none."""

    def reindex(self, value: PopulationAdam, change: Change, learner: object) -> PopulationAdam:
        parameters = getattr(learner, self.of)
        parameters = [parameters] if isinstance(parameters, Tensor) else parameters
        # The optimiser of a shared network has nobody to follow.
        return value if parameters is value.parameters else value.reindexed(parameters, change.source, change.fresh)

    def transfer(self, value: PopulationAdam, source: int, target: int, payload: Payload, tau: float = 1.0) -> None:
        if self.goes_with in ("actor", payload):
            value.reset(target)


class MemberPart(HasState, Protocol):
    """An object that keeps something of every member, such as running moments."""

    def reindexed(self, source: Sequence[int], fresh: Sequence[bool]) -> Self:
        """The same of a changed population; see :class:`Change`."""
        ...

    def copy(self, source: int, target: int) -> None:
        """What becomes of a member's when another one's parameters overwrite its own."""
        ...


@runtime_checkable
class MovesMembers(Protocol):
    """A :class:`MemberPart` in which a member's may become something between its own and another one's.

    Of the others :meth:`MemberPart.copy` says what becomes, by whatever share the parameters were moved.
    """

    def move(self, source: int, target: int, tau: float) -> None:
        """Move a member's by a share ``tau`` in (0, 1) towards another one's."""
        ...


@dataclass(frozen=True)
class Part(_Object):
    """A :class:`MemberPart`."""

    kind = "part"
    goes_with: Payload | None = "actor"
    """Which transfer concerns it; None: none."""

    def reindex(self, value: MemberPart, change: Change, learner: object) -> MemberPart:
        return value.reindexed(change.source, change.fresh)

    def transfer(self, value: MemberPart, source: int, target: int, payload: Payload, tau: float = 1.0) -> None:
        if self.goes_with not in ("actor", payload):
            return
        if tau < 1.0 and isinstance(value, MovesMembers):
            value.move(source, target, tau)
        else:
            value.copy(source, target)


@dataclass(frozen=True)
class SharedPart(_Object):
    """An object that all members use, such as the optimiser of one network for all weights, or a table of sets."""

    kind = "shared"


@dataclass(frozen=True)
class Store(_Object):
    """Experience: a :class:`~morl.stores.Ring` or a :class:`~morl.stores.Rollout`."""

    kind = "store"

    def reindex(self, value: Ring | Rollout, change: Change, learner: object) -> Ring | Rollout:
        value.reindex(change.source, change.fresh, num_rows=len(change.rows))
        return value


@dataclass(frozen=True)
class Stream(Owned):
    """A random generator of the whole population."""

    kind = "generator"

    def save(self, value: torch.Generator) -> State:
        return {"": value.get_state()}

    def load(self, value: torch.Generator, saved: State) -> torch.Generator:
        value.set_state(saved[""])
        return value


@dataclass(frozen=True)
class Counter(Owned):
    """A whole number of the whole population."""

    kind = "counter"

    def save(self, value: int) -> State:
        return {"": value}

    def load(self, value: int, saved: State) -> int:
        return int(saved[""])


@runtime_checkable
class DeclaresState(Protocol):
    """A learner that says what its members own."""

    def owned(self) -> Iterator[tuple[Owned, Any]]:
        """Every declared attribute that there is, with its value."""
        ...


class Declared:
    """Mixin: state, loading, copies and transfers of what is declared."""

    owns: Owns = ()
    """What this class adds to what its bases own; parameters before their optimisers."""

    owns_under: ClassVar[str] = "own/"
    """Before the keys of what this class adds."""

    def owned(self) -> Iterator[tuple[Owned, Any]]:
        """See :meth:`DeclaresState.owned`; those of base classes first."""
        yield from ((part, value) for _, part, value in self._declared())

    def _declared(self) -> Iterator[tuple[str, Owned, Any]]:
        """Key, declaration and value."""
        for cls in reversed(type(self).__mro__):
            for part in cls.__dict__.get("owns", ()):
                if (value := getattr(self, part.name)) is not None:
                    yield cls.__dict__.get("owns_under", Declared.owns_under) + part.name, part, value

    def gradient_steps(self) -> int | None:
        """Gradient steps so far, summed over members as environment steps are; None for a learner without gradients."""
        return max((value.taken for _, value in self.owned() if isinstance(value, PopulationAdam)), default=None)

    def owned_state(self) -> State:
        """The declared entries of a state."""
        return {key + after: saved for key, part, value in self._declared() for after, saved in part.save(value).items()}

    def load_owned(self, state: State) -> None:
        """Restore :meth:`owned_state`.

        Raises:
            CheckpointError: An entry is missing; names it.
        """
        for key, part, value in self._declared():
            saved = {name[len(key) :]: entry for name, entry in state.items() if name == key or name.startswith(f"{key}/")}
            try:
                setattr(self, part.name, part.load(value, saved))
            except KeyError as missing:
                entry = f"{key}/{missing.args[0]}".replace("//", "/").rstrip("/")
                raise CheckpointError(
                    f"the checkpoint lacks {entry}: it was written by another version; start a new run"
                ) from missing

    def reindex_owned(self, change: Change) -> None:
        """Make everything that is declared that of a changed population."""
        for part, value in self.owned():
            setattr(self, part.name, part.reindex(value, change, self))


def _arrays(value: Held) -> Iterator[tuple[str, Any]]:
    """The arrays, with their keys after the attribute's name."""
    if isinstance(value, list):
        value = {str(i): tensor for i, tensor in enumerate(value)}
    if isinstance(value, Mapping):
        yield from ((f"/{key}", array) for key, array in value.items())
    else:
        yield "", value


def _picked(value: Held, index: Tensor, fresh: npt.NDArray[np.bool_], start: float | None) -> Held:
    """The same form with the chosen entries of axis 0; fresh ones set to ``start`` unless that is None."""

    def pick(array: Any) -> Any:
        picked = array[index.numpy()].copy() if isinstance(array, np.ndarray) else array[index].clone()
        if start is not None:
            picked[fresh if isinstance(picked, np.ndarray) else torch.from_numpy(fresh)] = start
        return picked

    if isinstance(value, list):
        several = [pick(array) for array in value]
        return Packed(several) if isinstance(value, Packed) else several
    if isinstance(value, dict):
        return {key: pick(array) for key, array in value.items()}
    picked: Held = pick(value)
    return picked
