"""Finite environments as tables: small ones with exactly known answers, and mo-gymnasium's."""
