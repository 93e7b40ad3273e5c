"""Decoders, layer plans, checkpoints and tokenizers."""
