"""Validity: in which states a policy that was trained in one transition model can be trusted in another."""

from robust.validity.always_valid import AlwaysValid
from robust.validity.base import Fit, Monitor, ValidityModel
from robust.validity.ensemble_disagreement import EnsembleDisagreement
from robust.validity.predictive_coding import PredictiveCoding

__all__ = ["AlwaysValid", "EnsembleDisagreement", "Fit", "Monitor", "PredictiveCoding", "ValidityModel"]
