"""Causal attention over the whole context."""

from farspan.mixers.full.chunked import FullAttention, FullState
from farspan.mixers.full.spec import Full

__all__ = ["Full", "FullAttention", "FullState"]
