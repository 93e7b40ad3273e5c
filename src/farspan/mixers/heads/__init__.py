"""Different mixers for the heads of one layer."""

from farspan.mixers.heads.chunked import HeadsAttention, HeadsState

__all__ = ["HeadsAttention", "HeadsState"]
