"""Adam for stacked parameters: every member has its own moments and its own step count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from morl.nn.stacked import Packed, Parameters, Selection, restore_, select
from morl.protocols import State


class PopulationAdam:
    """Adam over tensors whose axis 0 is the population.

    Updating some members leaves the parameters and moments of the others bitwise unchanged. Members may have taken different
    numbers of steps; the bias correction is each member's own.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        max_gradient_norm: float | None = None,
    ) -> None:
        """Attach to parameters, which are updated in place.

        Args:
            parameters: Tensors ``(n, ...)``.
            learning_rate: Step size.
            betas: Decay of the first and second moment.
            eps: Added to the root of the second moment.
            max_gradient_norm: Clip each member's gradient (over all its parameters) to this Euclidean norm.
        """
        self.parameters = parameters
        self.learning_rate, self.betas, self.eps, self.max_gradient_norm = learning_rate, betas, eps, max_gradient_norm
        self.first, self.second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        if isinstance(parameters, Packed):
            self.first, self.second = Packed(self.first), Packed(self.second)
        self.steps = np.zeros(parameters[0].shape[0], dtype=np.int64)
        self.taken = 0
        """Gradient steps of all members together, also of those that are gone."""
        self._fused = parameters[0].device.type in ("cpu", "cuda")

    def step(self, gradients: Parameters, members: Selection | None = None) -> None:
        """Apply one step.

        Args:
            gradients: ``(n', ...)`` for the members that take part, in the order of the parameters.
            members: Which members; all by default.
        """
        if self.max_gradient_norm is not None:
            gradients = _clipped(gradients, self.max_gradient_norm)
        total = len(self.steps)
        chosen = slice(0, total) if members is None else members
        index = chosen if isinstance(chosen, slice) else chosen.numpy()
        counts = self.steps[index] + 1
        self.steps[index] = counts
        self.taken += len(counts)
        groups = (self.parameters, self.first, self.second)
        if isinstance(chosen, slice) and chosen.step in (None, 1) and (len(counts) == 1 or (counts == counts[0]).all()):
            p, m, v = groups if len(counts) == total else [select(group, chosen) for group in groups]
            if all(isinstance(group, Packed) for group in (p, gradients, m, v)):
                p, gradients, m, v = (_in_one(group) for group in (p, gradients, m, v))
            self._apply(p, gradients, m, v, [float(counts[0])] * len(p))
        else:
            each = np.arange(total)[index].tolist()
            p, m, v = ([t[i] for t in group for i in each] for group in groups)
            self._apply(
                p, [g[j] for g in gradients for j in range(len(each))], m, v, counts.astype(float).tolist() * len(gradients)
            )

    def _apply(self, p: list[Tensor], g: list[Tensor], m: list[Tensor], v: list[Tensor], counts: Sequence[float]) -> None:
        # The fused kernel runs over raw memory: it does not look at strides.
        g = [gradient.contiguous() for gradient in g]
        if self._fused:
            steps = {count: torch.full((), count, device=p[0].device) for count in set(counts)}
            torch._fused_adam_(
                p, g, m, v, [], [steps[count] for count in counts],
                lr=self.learning_rate, beta1=self.betas[0], beta2=self.betas[1], weight_decay=0.0, eps=self.eps,
                amsgrad=False, maximize=False,
            )  # fmt: skip
            return
        # This one advances the step counts itself.
        adam(
            p, g, m, v, [], [torch.tensor(count - 1.0) for count in counts],
            foreach=False, fused=False, amsgrad=False, beta1=self.betas[0], beta2=self.betas[1],
            lr=self.learning_rate, weight_decay=0.0, eps=self.eps, maximize=False,
        )  # fmt: skip

    def reset(self, member: int) -> None:
        """Forget the moments and the step count of one member."""
        for tensor in (*self.first, *self.second):
            tensor[member].zero_()
        self.steps[member] = 0

    def reindexed(self, parameters: Parameters, source: Sequence[int], fresh: Sequence[bool]) -> PopulationAdam:
        """The optimiser of a reindexed population.

        Args:
            parameters: The new parameters ``(n', ...)``.
            source: Member whose moments each new member takes over, ``(n',)``.
            fresh: Whether the new member starts with empty moments instead, ``(n',)``.
        """
        other = PopulationAdam(
            parameters,
            learning_rate=self.learning_rate,
            betas=self.betas,
            eps=self.eps,
            max_gradient_norm=self.max_gradient_norm,
        )
        index = torch.as_tensor(list(source), dtype=torch.int64)
        for mine, theirs in ((self.first, other.first), (self.second, other.second)):
            for t, copy in zip(mine, theirs, strict=True):
                copy.copy_(t[index])
        other.steps, other.taken = self.steps[index.numpy()].copy(), self.taken
        for member, is_fresh in enumerate(fresh):
            if is_fresh:
                other.reset(member)
        return other

    def state(self) -> State:
        """Moments and step counts."""
        state: State = {"steps": torch.from_numpy(self.steps.copy()), "taken": torch.tensor(self.taken)}
        for i, (m, v) in enumerate(zip(self.first, self.second, strict=True)):
            state[f"first/{i}"], state[f"second/{i}"] = m, v
        return state

    def load_state(self, state: State) -> None:
        """Restore :meth:`state` in place."""
        self.steps = state["steps"].numpy().copy()
        self.taken = int(state.get("taken", self.steps.sum()))
        for i in range(len(self.parameters)):
            restore_(self.first[i], state[f"first/{i}"])
            restore_(self.second[i], state[f"second/{i}"])


def _in_one(group: Parameters) -> list[Tensor]:
    """The one tensor behind packed parameters."""
    assert isinstance(group, Packed)
    return [group.flat]


def _clipped(gradients: Parameters, norm: float) -> Parameters:
    """Gradients of the members, each scaled to at most a length; the very same where none is longer."""
    n = gradients[0].shape[0]
    if n == 1 and isinstance(gradients, Packed) and gradients.flat.is_cpu:
        length = float(torch.linalg.vector_norm(gradients.flat)) + 1e-6
        if length > norm:
            gradients.flat.mul_(norm / length)
        return gradients
    # One reduction for all parameters of a member: at small widths the number of operations is what costs.
    lengths: Tensor = torch.linalg.vector_norm(torch.cat([g.reshape(n, -1) for g in gradients], 1), dim=1)
    factor = (norm / lengths.add_(1e-6)).clamp_max_(1.0)
    if factor.is_cpu and float(factor.min()) == 1.0:
        return gradients
    spread = {dim: factor.view(n, *[1] * (dim - 1)) for dim in {g.dim() for g in gradients}}
    if isinstance(gradients, Packed):
        for g in gradients:
            g.mul_(spread[g.dim()])
        return gradients
    return [g * spread[g.dim()] for g in gradients]
