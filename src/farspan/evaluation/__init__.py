"""Measured answers: needles, perplexity, speed."""
