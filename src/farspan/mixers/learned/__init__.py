"""Trainable block-sparse attention: compressed, selected and window branches."""

from farspan.mixers.learned.chunked import LearnedAttention
from farspan.mixers.learned.spec import Learned

__all__ = ["Learned", "LearnedAttention"]
