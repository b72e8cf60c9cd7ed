"""Ours against the naive loop: speed, memory, where the time goes."""
