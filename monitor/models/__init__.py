"""Detectors: registry, weights, model cards."""
