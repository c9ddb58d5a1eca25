"""How far a policy's outputs are from actions that were taken: the losses of supervised policies."""

from __future__ import annotations

from torch import Tensor

from morl.action_spaces import FiniteActions


def choice_errors(outputs: Tensor, stored: Tensor, finite: FiniteActions) -> Tensor:
    """Cross-entropy of choices that were taken; of an action with several components the sum over them.

    Args:
        outputs: Logits, ``(..., S)``.
        stored: Choices (:meth:`~morl.action_spaces.FiniteActions.choices`) as numbers, ``(..., J)``, ``J = 1`` if joint.
        finite: The actions.

    Returns:
        ``(...)``, nats.
    """
    return -finite.total(finite.log_softmax(outputs), finite.stored_index(stored))


def squared_errors(outputs: Tensor, stored: Tensor) -> Tensor:
    """Squared distance of means to actions that were taken, the mean over components.

    Args:
        outputs: Means, ``(..., a)``, in half-widths of the box from its centre (:class:`~morl.action_spaces.BoxActions`).
        stored: Actions in the same units, ``(..., a)``.

    Returns:
        ``(...)``.
    """
    return (outputs - stored).square().mean(-1)
