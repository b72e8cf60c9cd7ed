"""An experiment to its weights: pairs, batches, steps, checkpoints, model card."""
