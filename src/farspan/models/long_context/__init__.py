"""Models and modules with a memory that is handed from call to call, saved and loaded."""

from farspan.models.long_context.memory import PersistentMemory
from farspan.models.long_context.model import LongContextModel
from farspan.models.long_context.modules import CompressiveMemory, InfiniAttention

__all__ = ["CompressiveMemory", "InfiniAttention", "LongContextModel", "PersistentMemory"]
