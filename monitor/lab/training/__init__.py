"""An experiment to its weights: batches, steps, checkpoints, calibration, model card."""
