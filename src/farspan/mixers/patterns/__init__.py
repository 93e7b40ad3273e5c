"""Fixed attention patterns: strided, fixed, dilated, global, bigbird."""

from farspan.mixers.patterns.chunked import PatternAttention, PatternState
from farspan.mixers.patterns.spec import BigBird, Dilate, Fixed, Global, Strided

__all__ = ["BigBird", "Dilate", "Fixed", "Global", "PatternAttention", "PatternState", "Strided"]
