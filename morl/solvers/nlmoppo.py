r"""Non-linear multi-objective PPO (NLMOPPO): the gradient of any differentiable utility of the expected return (SER).

By the chain rule, with :math:`v = V^\pi(s_0)`,

.. math:: \nabla_\theta\, u(V^\pi(s_0)) = \sum_j \frac{\partial u}{\partial v_j}(v) \;
    \mathbb{E} \sum_t \nabla_\theta \log \pi(a_t \mid s_t, R^-_t) \, A_j(s_t, R^-_t, a_t),

so that each objective's advantage is weighed by what a bit more of it is worth where the policy is now. The critic says where
that is, as the mean over initial states. Policy and critic see the observation, the discounted reward :math:`R^-_t` accrued
since the start of the episode and, if asked, the point that the utility is measured from.

References:
    W. Röpke, M. Reymond, P. Mannion, D. M. Roijers, A. Nowé, R. Rădulescu, "Divide and Conquer: Provably Unveiling the Pareto
    Front with Multi-Objective Reinforcement Learning", AAMAS 2025 (the policy-gradient oracle, with referents as inputs).

Deviations: advantages are standardised after they were weighed. The published code standardises those of each objective
first, which replaces the gradient by another direction, :math:`u_j / \sigma_j`. Initial states are the latest in which the
member's own episodes began. See also :mod:`morl.solvers.proximal`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morl.errors import CapabilityError
from morl.fields import Count
from morl.functional import scalarised_advantages
from morl.members import Owns, PerMember
from morl.nn.stacked import Selection, select
from morl.policies.mlp import MLPPolicy
from morl.protocols import EnvFactory, Policy, Rows
from morl.solvers.proximal import Proximal, ProximalLearner
from morl.solvers.proximal_engines import Batch
from morl.task import Task, Utility
from morl.transfer import Transfers


@dataclass(frozen=True, kw_only=True)
class NLMOPPO(Proximal):
    """Proximal policy optimisation of any differentiable utility of the expected return, for boxes and finite actions.

    Utility: any scalarization under SER that torch can differentiate, monotone or not. Where it is a minimum (Chebyshev,
    achievement) the gradient is that of the worst objective alone and jumps: prefer
    :class:`~morl.scalarizations.SmoothChebyshev`. The best policy may have to draw its actions: judge it with
    ``evaluation.deterministic: false``. For a utility of single episodes (ESR) use EUPG.
    """

    initial_states: Count = 32
    """Initial states over which the value of a policy is averaged. Default of the reference implementation."""
    sees_referent: bool = False
    """Let networks see the point that the utility is measured from (``ideal_point``), for members whose point moves."""

    def learner_type(self) -> type[NLMOPPOLearner]:
        return NLMOPPOLearner

    def check_problem(self, env: EnvFactory, task: Task) -> None:
        """See :meth:`LeafSolver.check_problem`.

        Raises:
            CapabilityError: Also if the utility has no gradient, or no point to be seen.
        """
        super().check_problem(env, task)
        require_gradient(task.utility, "NLMOPPO")
        if self.sees_referent and task.utility.ideal_point is None:
            raise CapabilityError(
                f"NLMOPPO.sees_referent: {type(task.utility.scalarization).__name__} is measured from no ideal point; leave "
                "sees_referent out, or choose a scalarization such as SmoothChebyshev"
            )


class NLMOPPOLearner(Transfers, ProximalLearner):
    """A live NLMOPPO population."""

    owns: Owns = (PerMember("accrued_scale", goes_with="actor"), PerMember("first_seen"), PerMember("starts"))
    solver: NLMOPPO

    def __init__(self, solver: NLMOPPO, *, env: EnvFactory, task: Task, seed: int, device: torch.device) -> None:
        """Build everything; see :meth:`morl.protocols.Solver.make`."""
        super().__init__(solver, env=env, task=task, seed=seed, device=device)
        self.accrued_scale = torch.ones(self.n, self.m, device=device)
        """Largest accrued reward in a rollout so far, or 1, ``(n, m)``: the unit in which networks see such numbers."""
        self.first_seen = torch.zeros(self.n, solver.initial_states, self.encoder.width, device=device)
        """Encoded observations that the latest episodes of each member began with, ``(n, S, d)``."""
        self.starts = np.zeros(self.n, dtype=np.int64)
        """Episodes that each member has begun, ``(n,)``."""

    # ------------------------------------------------------------------ what networks see

    @property
    def input_width(self) -> int:
        return self.encoder.width + self.m * (2 if self.solver.sees_referent else 1)

    def _more_fields(self) -> dict[str, tuple[int, ...]]:
        return {"accrued": (self.m,), "discount": ()} | ({"referent": (self.m,)} if self.solver.sees_referent else {})

    def _more_values(self, rows: Rows) -> Batch:
        accrued, discount = (
            torch.as_tensor(x[rows], dtype=torch.float32, device=self.device) for x in (self.returns, self.discounts)
        )
        values = {"accrued": accrued, "discount": discount}
        if self.solver.sees_referent:
            values["referent"] = self._referents()[torch.from_numpy(self.row_member[rows]).to(self.device)]
        return values

    def _referents(self) -> Tensor:
        """The point from which each member's utility is measured now, ``(n, m)``, return units."""
        point = self.task.utility.ideal_point
        assert point is not None
        return point.expand(self.n, -1)

    def _inputs(self, steps: Batch, networks: Selection, of: str = "observation") -> Tensor:
        scale = self.accrued_scale[networks].unsqueeze(1)
        accrued = steps["accrued"]
        if of == "next_observation":
            accrued = accrued + steps["discount"] * steps["reward"]
        parts = [super()._inputs(steps, networks, of), accrued / scale]
        if self.solver.sees_referent:
            parts.append(steps["referent"] / scale)
        return torch.cat(parts, -1)

    def _reset_ended(self, rows: Rows) -> None:
        began = rows[self.ended[rows]]
        super()._reset_ended(rows)
        if not len(began):
            return
        assert self.observations is not None
        owners, size = self.row_member[began], self.solver.initial_states
        counts = np.bincount(owners, minlength=self.n)
        # Rows come ordered by member.
        number = np.arange(len(began)) - (np.cumsum(counts) - counts)[owners]
        kept = number >= counts[owners] - size
        places = (self.starts[owners] + number)[kept] % size
        encoded = self.encoder(self.observations[torch.from_numpy(began[kept])])
        self.first_seen[torch.from_numpy(owners[kept]), torch.from_numpy(places)] = encoded
        self.starts += counts

    # ------------------------------------------------------------------ learning

    def start_values(self, members: Selection) -> Tensor:
        """What the critics say of the members' policies, on average over initial states, ``(n', m)``, return units."""
        seen = self.first_seen[members]
        n, size = seen.shape[:2]
        steps = {"observation": seen, "accrued": seen.new_zeros(n, size, self.m)}
        if self.solver.sees_referent:
            steps["referent"] = self._referents()[members].unsqueeze(1).expand(-1, size, -1)
        values = self._values(select(self.critic, members), self._inputs(steps, members), members)
        count = torch.from_numpy(self.starts).to(self.device)[members].clamp(1, size).view(n, 1)
        known = torch.arange(size, device=self.device) < count
        return torch.where(known.unsqueeze(-1), values, 0.0).sum(1) / count

    def _gains(self, advantages: Tensor, steps: Batch, mask: Tensor, members: Selection) -> Tensor:
        del steps
        utility = self.task.utility.select(torch.arange(self.n)[members])
        return scalarised_advantages(advantages, utility.gradient(self.start_values(members)), mask)

    def _improve_members(self, members: list[int]) -> None:
        accrued = self.rollout["accrued"][:, torch.from_numpy(self.rows_of(members))].abs().amax(0)
        largest = accrued.view(len(members), self.rows_per_member, self.m).amax(1)
        super()._improve_members(members)
        # Afterwards: the policy that acted is the one that the ratios refer to.
        self.accrued_scale[members] = torch.maximum(self.accrued_scale[members], largest)

    def policies(self) -> list[Policy]:
        """One snapshot per member."""
        found: list[Policy] = []
        for i in range(self.n):
            parameters, extras = self._snapshot(i)
            scale = self.accrued_scale[i : i + 1].clone()
            extras["accrued_scale"] = scale
            if self.solver.sees_referent:
                extras["referent"] = self._referents()[i : i + 1] / scale
            found.append(
                MLPPolicy(
                    self.spec.observation_space, self.spec.action_space, self.actor_net, self.head, parameters, extras,
                    accrued_gamma=self.gamma,
                )
            )  # fmt: skip
        return found


def require_gradient(utility: Utility, solver: str) -> None:
    """Refuse a utility that torch cannot differentiate.

    Raises:
        CapabilityError: It has no gradient, or the same value everywhere near the points that were tried.
    """
    name, w = type(utility.scalarization).__name__, utility.weights
    try:
        slopes = [utility.gradient(torch.full_like(w, at)) for at in (-1.0, 0.0, 1.0)]
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CapabilityError(
            f"{solver} follows the gradient of the utility, and torch cannot differentiate {name} ({type(error).__name__}); "
            "write it in torch operations, or use SmoothChebyshev"
        ) from error
    if not any(bool((slope != 0).any()) for slope in slopes):
        raise CapabilityError(
            f"{solver} follows the gradient of the utility, and that of {name} is zero everywhere; use one that is not made of "
            "steps, such as SmoothChebyshev"
        )
