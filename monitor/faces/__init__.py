"""Finds the faces of a frame."""
