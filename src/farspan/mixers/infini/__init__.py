"""Local attention with a compressive memory of everything before."""

from farspan.mixers.infini.chunked import InfiniAttention, InfiniState
from farspan.mixers.infini.memory import Memory, MemoryRule
from farspan.mixers.infini.spec import RULES, Infini

__all__ = ["RULES", "Infini", "InfiniAttention", "InfiniState", "Memory", "MemoryRule"]
