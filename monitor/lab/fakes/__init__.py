"""Pseudo-fakes made from real faces, and what happens to pictures on their way: batched torch operations."""
