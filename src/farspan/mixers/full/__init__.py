"""Causal attention over the whole context."""

from farspan.mixers.full.chunked import FullAttention, FullState

__all__ = ["FullAttention", "FullState"]
