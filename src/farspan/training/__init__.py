"""The training loop, recipes and checkpoints."""
