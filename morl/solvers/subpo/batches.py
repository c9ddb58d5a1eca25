"""The form of a batch: whole episodes, or, for Markov policies over finite states, how often each state was visited.

Letters used in shapes: ``n`` members of one update, ``E`` episodes of each, ``T`` steps, ``U`` visited states, ``A`` actions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from morl.functional.marginal_gains import marginal_gain_loss
from morl.nn.policy_networks.network import PolicyNetwork
from morl.nn.stacked import Parameters
from morl.solvers.subpo.heads import Head

Batch = dict[str, Tensor]


class BatchForm(ABC):
    """How the episodes of some members become what their gradient step is computed from."""

    seen: ClassVar[str]
    """Field of a store that holds what a policy saw."""
    stored: tuple[int, ...]
    """Its shape."""

    @property
    def names(self) -> tuple[str, ...]:
        """Fields of an episode."""
        return (self.seen, "action", "reward", "value", "mask")

    @abstractmethod
    def store(self, inputs: Tensor) -> Tensor:
        """Network inputs ``(..., c)`` as they are stored."""

    @abstractmethod
    def episodes(self, fields: Batch, normalise: Callable[[Tensor], Tensor]) -> Batch:
        """Stored fields ``(n, E, T, ...)`` with what networks take as ``inputs``; ``normalise`` is for real numbers."""

    @abstractmethod
    def shared(self, episodes: Batch, everybody: Callable[[Tensor], Tensor]) -> Batch:
        """Episodes that all members learn from; ``everybody`` gives each of them a field of all."""

    @abstractmethod
    def outputs(self, network: PolicyNetwork, parameters: Parameters, batch: Batch) -> Tensor:
        """Outputs of a network at the batch's ``inputs``."""

    @abstractmethod
    def at_steps(self, outputs: Tensor, episodes: Batch) -> Tensor:
        """Outputs at every step, ``(n, E, T, ...)``."""

    @abstractmethod
    def batch(self, episodes: Batch, num_actions: int) -> Batch:
        """Credited episodes as a gradient step wants them."""

    @abstractmethod
    def loss_and_entropy(self, head: Head, leaves: Parameters, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Policy loss and mean entropy of each member, both per step, ``(n,)``."""

    @abstractmethod
    def share(self, batch: Batch) -> Tensor:
        """How much each place counts in a mean over steps, shaped like outputs with a last axis of 1."""

    @abstractmethod
    def critic_loss(self, values: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of a critic, ``(n,)``, up to a constant."""


class EpisodeBatch(BatchForm):
    """Whole episodes, which any network takes: ``inputs (n, E, T, d)``; ``action``, ``advantage``, ``count``, ``mask``
    ``(n, E, T[, a])``.
    """

    seen = "input"

    def __init__(self, width: int, *, integral: bool) -> None:
        """Say what is seen.

        Args:
            width: Numbers of a network input.
            integral: Whether they are components of integral observations.
        """
        self.stored, self.integral = (width,), integral

    def store(self, inputs: Tensor) -> Tensor:
        return inputs

    def episodes(self, fields: Batch, normalise: Callable[[Tensor], Tensor]) -> Batch:
        raw = fields["input"].long() if self.integral else fields["input"]
        inputs = normalise(raw.flatten(1, 2)).unflatten(1, raw.shape[1:3])
        return {"inputs": inputs, "action": fields["action"], "mask": fields["mask"]}

    def shared(self, episodes: Batch, everybody: Callable[[Tensor], Tensor]) -> Batch:
        return {name: everybody(part) for name, part in episodes.items()}

    def outputs(self, network: PolicyNetwork, parameters: Parameters, batch: Batch) -> Tensor:
        """See :meth:`BatchForm.outputs`: ``(n, E, T, A)``."""
        return network.unroll(parameters, batch["inputs"])

    def at_steps(self, outputs: Tensor, episodes: Batch) -> Tensor:
        return outputs

    def batch(self, episodes: Batch, num_actions: int) -> Batch:
        return episodes

    def loss_and_entropy(self, head: Head, leaves: Parameters, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        mask = batch["mask"]
        length = mask.sum((1, 2)) / mask.shape[1]
        taken, entropy = head.taken_and_entropy(outputs, leaves, batch["action"])
        loss = marginal_gain_loss(taken, batch["advantage"], mask) / length
        return loss, (batch["count"] * entropy).sum((1, 2)) / mask.sum((1, 2))

    def share(self, batch: Batch) -> Tensor:
        return (batch["count"] / batch["mask"].sum((1, 2))[:, None, None]).unsqueeze(-1)

    def critic_loss(self, values: Tensor, batch: Batch) -> Tensor:
        mask = batch["mask"]
        errors = (values - batch["target"]).square().sum(-1)
        return torch.where(mask, errors, 0.0).sum((1, 2)) / mask.sum((1, 2))


class CountedStates(BatchForm):
    """Visited states, at which policies are evaluated once: ``inputs (1, U, c)``, ``advantages (n, U, A)``, ``visits (n, U)``,
    ``steps (n,)``.
    """

    seen = "state"
    stored = ()

    def __init__(self, sizes: tuple[int, ...], num_states: int) -> None:
        """Say which states there are.

        Args:
            sizes: How many values each component can take.
            num_states: Their product.
        """
        self.sizes, self.num_states = sizes, num_states

    def store(self, inputs: Tensor) -> Tensor:
        """Index of integral observations, ``(..., c)`` -> ``(...)``; the last component counts fastest."""
        state = inputs[..., 0]
        for k, size in enumerate(self.sizes[1:], 1):
            state = state * size + inputs[..., k]
        return state

    def inputs_of(self, states: Tensor) -> Tensor:
        """Undo :meth:`store`."""
        parts = []
        for size in self.sizes[:0:-1]:
            parts.append(states % size)
            states = states // size
        return torch.stack([states, *parts[::-1]], -1)

    def episodes(self, fields: Batch, normalise: Callable[[Tensor], Tensor]) -> Batch:
        """See :meth:`BatchForm.episodes`; ``place`` says which of the visited states each step was in."""
        states, mask = fields["state"].long(), fields["mask"]
        # Steps that did not take place count for one state too many.
        visited = torch.zeros(self.num_states + 1, dtype=torch.bool, device=states.device)
        visited[torch.where(mask, states, self.num_states).flatten()] = True
        found = visited[:-1].nonzero().squeeze(1)
        place = torch.zeros(self.num_states, dtype=torch.int64, device=states.device)
        place[found] = torch.arange(len(found), device=states.device)
        places = place.index_select(0, states.flatten()).view(states.shape)
        return {
            "inputs": self.inputs_of(found).unsqueeze(0), "place": places, "action": fields["action"].long(), "mask": mask,
        }  # fmt: skip

    def shared(self, episodes: Batch, everybody: Callable[[Tensor], Tensor]) -> Batch:
        """See :meth:`BatchForm.shared`; the states are everybody's already."""
        return {name: part if name == "inputs" else everybody(part) for name, part in episodes.items()}

    def outputs(self, network: PolicyNetwork, parameters: Parameters, batch: Batch) -> Tensor:
        """See :meth:`BatchForm.outputs`: ``(n, U, A)``."""
        return network.step(parameters, batch["inputs"], {})[0]

    def at_steps(self, outputs: Tensor, episodes: Batch) -> Tensor:
        members = torch.arange(len(outputs), device=outputs.device).view(-1, 1, 1)
        return outputs[members, episodes["place"]]

    def batch(self, episodes: Batch, num_actions: int) -> Batch:
        """Sum over the visits of each state: credits per action ``(n, U, A)``, visits ``(n, U)``, targets ``(n, U, m)``."""
        n, states = len(episodes["mask"]), episodes["inputs"].shape[1]
        device = episodes["mask"].device
        place = episodes["place"] + torch.arange(n, device=device).view(n, 1, 1) * states
        flat = place.flatten()

        def summed(values: Tensor, index: Tensor, rows: int) -> Tensor:
            return torch.zeros(rows, *values.shape[1:], device=device).index_add_(0, index, values)

        taken = (place * num_actions + episodes["action"]).flatten()
        batch = {
            "inputs": episodes["inputs"],
            "advantages": summed(episodes["advantage"].flatten(), taken, n * states * num_actions).view(n, states, num_actions),
            "visits": summed(episodes["count"].flatten(), flat, n * states).view(n, states),
            "steps": episodes["mask"].sum((1, 2)).to(torch.float32),
        }
        if "target" in episodes:
            counted = episodes["target"].flatten(0, 2) * episodes["count"].flatten().unsqueeze(-1)
            batch["targets"] = summed(counted, flat, n * states).view(n, states, -1)
        return batch

    def loss_and_entropy(self, head: Head, leaves: Parameters, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        log_probs = outputs.log_softmax(-1)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        loss = -(batch["advantages"] * log_probs).sum((1, 2)) / batch["steps"]
        return loss, (batch["visits"] * entropy).sum(1) / batch["steps"]

    def share(self, batch: Batch) -> Tensor:
        return (batch["visits"] / batch["steps"][:, None]).unsqueeze(-1)

    def critic_loss(self, values: Tensor, batch: Batch) -> Tensor:
        """See :meth:`BatchForm.critic_loss`: squared errors summed over the visits, up to a constant."""
        errors = batch["visits"].unsqueeze(-1) * values.square() - 2.0 * values * batch["targets"]
        return errors.sum((1, 2)) / batch["steps"]
