"""Runs: configuration, evaluation, the driver, run directories with exact checkpoints, plots."""
