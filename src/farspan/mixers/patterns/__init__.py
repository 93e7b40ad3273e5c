"""Fixed attention patterns: strided, fixed, dilated, global."""

from farspan.mixers.patterns.chunked import PatternAttention, PatternState
from farspan.mixers.patterns.spec import Dilate, Fixed, Global, Strided

__all__ = ["Dilate", "Fixed", "Global", "PatternAttention", "PatternState", "Strided"]
