"""Exact recall from a store of keys and values, without positions."""

from farspan.mixers.recall.chunked import RecallAttention, RecallState

__all__ = ["RecallAttention", "RecallState"]
