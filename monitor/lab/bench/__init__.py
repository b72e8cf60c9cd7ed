"""Benchmark of the pipeline against a naive loop: speed, memory, time by stage."""
