"""Pseudo-fakes made from real faces, and degradations of pictures, as batched torch operations."""
