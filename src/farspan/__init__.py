"""farspan: million-token context for language models."""

__version__ = "0.1.0"
