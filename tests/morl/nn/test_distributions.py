"""Action distributions against torch.distributions and frequencies."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import AffineTransform, Categorical, Independent, Normal, TanhTransform, TransformedDistribution

from morl.nn.distributions import (
    LOG_STD_MAX,
    LOG_STD_MIN,
    categorical_sample,
    gaussian_entropy,
    gaussian_log_density,
    squashed_log_std,
    tanh_gaussian,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 1000), a=st.integers(1, 4))
def test_squashed_gaussian_agrees_with_torch(seed: int, a: int) -> None:
    outputs, noise = 0.5 * draw(2, 7, 2 * a, seed=seed), 0.5 * draw(2, 7, a, seed=seed + 1)
    scale, offset = draw(a, seed=seed + 2).abs() + 0.5, draw(a, seed=seed + 3)
    actions, log_density = tanh_gaussian(outputs, noise, scale, offset)
    assert (actions - offset).abs().le(scale).all()
    base = Normal(outputs[..., :a], squashed_log_std(outputs[..., a:]).exp())
    reference = TransformedDistribution(base, [TanhTransform(cache_size=1), AffineTransform(offset, scale)])
    unsquashed = base.loc + base.scale * noise
    torch.testing.assert_close(actions, scale * unsquashed.tanh() + offset)
    # The constant 1e-6 in the density bounds it near the corners: it costs up to 1e-6 / (1 - tanh^2).
    slack = float((1e-6 / (scale * (1 - unsquashed.tanh().square()))).sum(-1).max())
    torch.testing.assert_close(log_density, reference.log_prob(actions).sum(-1), rtol=0, atol=2 * slack + 1e-6)


def test_squashed_density_integrates_to_one() -> None:
    outputs = torch.tensor([0.4, -0.3], dtype=torch.float64)
    noise = torch.linspace(-9.0, 9.0, 20_001, dtype=torch.float64).unsqueeze(-1)
    scale, offset = torch.tensor([2.0], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    actions, log_density = tanh_gaussian(outputs.expand(len(noise), 2), noise, scale, offset)
    assert abs(float(torch.trapezoid(log_density.exp(), actions[:, 0])) - 1.0) < 1e-4


def test_saturated_actions_have_a_finite_density_and_gradient() -> None:
    outputs = torch.tensor([[60.0, 0.0], [-60.0, 5.0]], requires_grad=True)
    actions, log_density = tanh_gaussian(outputs, torch.zeros(2, 1), torch.ones(1), torch.zeros(1))
    assert actions[:, 0].tolist() == [1.0, -1.0]
    (gradient,) = torch.autograd.grad(log_density.sum(), outputs)
    assert torch.isfinite(log_density).all()
    assert torch.isfinite(gradient).all()


def test_log_standard_deviation_stays_in_its_range() -> None:
    values = squashed_log_std(torch.tensor([-50.0, 0.0, 50.0]))
    assert values.tolist() == [LOG_STD_MIN, 0.5 * (LOG_STD_MIN + LOG_STD_MAX), LOG_STD_MAX]


@given(seed=st.integers(0, 1000))
def test_gaussian_agrees_with_torch(seed: int) -> None:
    actions, mean, log_std = draw(5, 3, seed=seed), draw(5, 3, seed=seed + 1), draw(5, 3, seed=seed + 2)
    reference = Independent(Normal(mean, log_std.exp()), 1)
    torch.testing.assert_close(gaussian_log_density(actions, mean, log_std), reference.log_prob(actions))
    torch.testing.assert_close(gaussian_entropy(log_std), reference.entropy())


def test_categorical_frequencies() -> None:
    count = 40_000
    logits = draw(3, 5, seed=4)
    uniform = torch.rand(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    samples = categorical_sample(logits.expand(count, 3, 5), uniform)
    assert samples.dtype == torch.int64
    probs = Categorical(logits=logits).probs
    for row in range(3):
        frequencies = torch.bincount(samples[:, row], minlength=5) / count
        # Five standard errors of a binomial frequency.
        assert ((frequencies - probs[row]).abs() < 5 * (probs[row] * (1 - probs[row]) / count).sqrt()).all()


@given(
    logits=st.lists(st.floats(-30.0, 30.0), min_size=1, max_size=6),
    uniform=st.floats(0.0, 1.0, exclude_max=True, width=32),
)
def test_categorical_inverts_the_cumulative_distribution(logits: list[float], uniform: float) -> None:
    tensor = torch.tensor([logits], dtype=torch.float32)
    index = int(categorical_sample(tensor, torch.tensor([uniform], dtype=torch.float32)))
    cumulative = [0.0, *torch.softmax(tensor.double(), -1).cumsum(-1)[0].tolist()]
    assert 0 <= index < len(logits)
    assert cumulative[index] - 1e-5 <= uniform <= cumulative[index + 1] + 1e-5


def test_impossible_choices_are_never_drawn() -> None:
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(5, 5)
    uniform = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0 - 2.0**-24])
    assert categorical_sample(logits, uniform).tolist() == [1, 1, 3, 3, 3]
