"""The deepfake monitor."""
