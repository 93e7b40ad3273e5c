"""Exact recall from a store of keys and values, without positions."""

from farspan.mixers.recall.chunked import RecallAttention, RecallState
from farspan.mixers.recall.spec import Recall

__all__ = ["Recall", "RecallAttention", "RecallState"]
