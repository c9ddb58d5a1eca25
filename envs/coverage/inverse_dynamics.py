"""Features that know what actions change, and forget the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def fit_inverse_dynamics(
    observations: Tensor,
    actions: Tensor,
    next_observations: Tensor,
    *,
    num_features: int = 16,
    hidden: int = 64,
    updates: int = 500,
    batch_size: int = 256,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> nn.Module:
    r"""Learn an encoder :math:`\phi` such that an action can be told from :math:`\phi(s)` and :math:`\phi(s')`.

    What no action changes does not help to tell the action, so noise that the agent cannot influence is left out of the
    features: the reason for learning them so before they are used in an elliptical bonus.

    Args:
        observations: ``(N, q)``.
        actions: Discrete, ``(N,)`` int64, told apart by cross-entropy; or continuous, ``(N, a)``, by squared error.
        next_observations: ``(N, q)``.
        num_features: ``p``.
        hidden: Width of the encoder's and the classifier's hidden layer.
        updates: Adam steps.
        batch_size: Transitions per step.
        learning_rate: Of Adam.
        seed: Of the initial weights and the batches.

    Returns:
        The encoder, ``(r, q) -> (r, p)``, without gradients.

    Raises:
        ValueError: The numbers of observations and actions differ, or there are none.

    Source:
        [Henaff2022]_, section 3; the encoder here is a multilayer perceptron.
    """
    number = observations.shape[0]
    if not number == actions.shape[0] == next_observations.shape[0] or number < 1:
        raise ValueError(
            f"there are {number} observations, {actions.shape[0]} actions and {next_observations.shape[0]} next observations; "
            "expected equally many, at least one"
        )
    discrete = not actions.is_floating_point()
    outputs = int(actions.max()) + 1 if discrete else actions.shape[1]
    rng = torch.Generator().manual_seed(seed)
    width = observations.shape[1]
    encoder = _perceptron(width, hidden, num_features, rng)
    head = _perceptron(2 * num_features, hidden, outputs, rng)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], learning_rate)
    for _ in range(updates):
        batch = torch.randint(number, (batch_size,), generator=rng)
        both = torch.cat([encoder(observations[batch].float()), encoder(next_observations[batch].float())], 1)
        if discrete:
            loss = nn.functional.cross_entropy(head(both), actions[batch])
        else:
            loss = nn.functional.mse_loss(head(both), actions[batch].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encoder.requires_grad_(False)


def _perceptron(inputs: int, hidden: int, outputs: int, rng: torch.Generator) -> nn.Sequential:
    # Skipping torch's own initialisation, which draws from the global generator.
    layers = [nn.utils.skip_init(nn.Linear, *sizes) for sizes in ((inputs, hidden), (hidden, outputs))]
    for layer in layers:
        nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=rng)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])
