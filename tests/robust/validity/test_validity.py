"""Validity models: they learn what happens next, notice when it is something else, and their thresholds mean what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from morl.errors import ConfigurationError
from morl.protocols import Experience
from robust.validity import AlwaysValid, EnsembleDisagreement, PredictiveCoding
from robust.validity.base import ALWAYS, monitor_from

SCALES = torch.tensor([1.0, 10.0])


def experience(gain: float, count: int = 800, seed: int = 0, spread: float = 1.0) -> Experience:
    """``s' = s + gain * a * (1, 10)`` with a little noise."""
    rng = torch.Generator().manual_seed(seed)
    s = spread * torch.randn(count, 2, generator=rng)
    a = 2.0 * torch.rand(count, 1, generator=rng) - 1.0
    return Experience(s, a, s + gain * a * SCALES + 0.01 * SCALES * torch.randn(count, 2, generator=rng))


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(i) for i in range(count)]


CODING = PredictiveCoding(hidden=(32,), updates=600, batch_size=64, learning_rate=3e-3)


def test_predictions_and_quantiles():
    fits = CODING.fit([experience(0.5), experience(-0.5)], generators=generators(2))
    thresholds = CODING.thresholds(fits)
    assert len(thresholds) == 1
    monitor = CODING.monitor(2, 1)
    for j, gain in enumerate((0.5, -0.5)):
        parameters = {name: value.unsqueeze(1) for name, value in fits[j].parameters.items()}
        fresh = monitor.errors(parameters, experience(gain, seed=1))
        other = monitor.errors(parameters, experience(-gain, seed=1))
        assert 0.9 < (fresh <= thresholds[0][j]).float().mean() <= 1.0
        # The mean change is as far away as its own size: known states that react in another way.
        assert (other <= thresholds[0][j]).float().mean() < 0.2
        assert float(fresh.mean()) < 1.0 < float(other.mean())


def test_errors_are_the_norm_they_say():
    fit = CODING.fit([experience(0.5)], generators=generators(1))[0]
    parameters = {name: value.unsqueeze(1) for name, value in fit.parameters.items()}
    some = experience(0.5, count=5, seed=3)
    monitor = CODING.monitor(2, 1)
    memory = {
        "previous_observation": some.observations[None],
        "previous_action": some.actions[None],
        "started": torch.ones(1, 5, 1),
    }
    errors = monitor.scores(parameters, memory, some.next_observations[None], torch.zeros(1, 1, 5, 1))[0, 0]
    inputs = (some.inputs - fit.parameters["input_mean"]) / fit.parameters["input_std"]
    network = [fit.parameters[f"network/{i}"][:, 0] for i in range(4)]
    change = monitor.network(network, inputs[None])[0] * fit.parameters["change_std"]
    expected = (some.observations + change - some.next_observations).abs()
    torch.testing.assert_close(errors, expected.sum(-1))
    scaled = (
        replace(CODING, norm="normalised")
        .monitor(2, 1)
        .scores(parameters, memory, some.next_observations[None], torch.zeros(1, 1, 5, 1))[0, 0]
    )
    torch.testing.assert_close(scaled, (expected / fit.parameters["change_std"]).mean(-1))
    # At the start of an episode nothing speaks against anybody.
    start = monitor.memory(1, 5, torch.device("cpu"))
    assert (monitor.scores(parameters, start, some.next_observations[None], torch.zeros(1, 1, 5, 1)) == 0).all()


def test_fits_do_not_depend_on_who_is_fitted_beside():
    alone = CODING.fit([experience(0.5)], generators=generators(1))[0]
    beside = CODING.fit([experience(0.5), experience(0.1)], generators=generators(2))[0]
    for name, value in alone.parameters.items():
        torch.testing.assert_close(value, beside.parameters[name], rtol=1e-4, atol=1e-5)


def test_disagreement_grows_away_from_experience():
    model = EnsembleDisagreement(hidden=(32,), updates=600, batch_size=64, learning_rate=3e-3)
    fit = model.fit([experience(0.5)], generators=generators(1))[0]
    (threshold,) = model.thresholds([fit])[0]
    parameters = {name: value.unsqueeze(1) for name, value in fit.parameters.items()}
    monitor = model.monitor(2, 1)

    def trusted(some: Experience) -> float:
        scores = monitor.scores(parameters, {}, some.observations[None], some.actions[None, None])
        return float((scores <= threshold).float().mean())

    assert trusted(experience(0.5, seed=5)) > 0.85
    assert trusted(experience(0.5, seed=5, spread=8.0)) < 0.2


def test_threshold_search_and_trust_without_doubt():
    fits = AlwaysValid().fit([experience(0.5)] * 2, generators=generators(2))
    assert AlwaysValid().thresholds(fits) == [[ALWAYS, ALWAYS]]
    searched = PredictiveCoding(threshold="search").thresholds(fits)
    assert searched == [[round(0.1 * i, 1)] * 2 for i in range(1, 11)]


@pytest.mark.parametrize("model", [AlwaysValid(), CODING, replace(CODING, norm="normalised"), EnsembleDisagreement()])
def test_monitors_come_back_from_their_configuration(model):
    monitor = model.monitor(3, 2)
    assert monitor_from(monitor.config()) == monitor


@pytest.mark.parametrize(
    "make",
    [
        lambda: PredictiveCoding(quantile=1.1),
        lambda: PredictiveCoding(thresholds_tried=()),
        lambda: PredictiveCoding(thresholds_tried=(-0.1,)),
        lambda: PredictiveCoding(held_out=0.0),
        lambda: EnsembleDisagreement(copies=1),
        lambda: EnsembleDisagreement(updates=0),
    ],
)
def test_settings_that_cannot_be(make):
    with pytest.raises(ConfigurationError, match=r"PredictiveCoding|EnsembleDisagreement"):
        make()
