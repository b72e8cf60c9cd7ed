"""Training of an experiment: pairs, batches, steps, checkpoints, model card."""
