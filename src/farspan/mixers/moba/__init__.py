"""Attention to the blocks whose mean key fits the query best."""

from farspan.mixers.moba.chunked import MobaAttention
from farspan.mixers.moba.spec import Moba

__all__ = ["Moba", "MobaAttention"]
