"""farspan: million-token context for language models."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from farspan.models.automodel import hook

if TYPE_CHECKING:
    from farspan.models.long_context import CompressiveMemory, InfiniAttention, LongContextModel

__version__ = "0.1.0"
__all__ = ["CompressiveMemory", "InfiniAttention", "LongContextModel", "__version__"]


hook.install()


def __getattr__(name: str) -> object:
    """The models, imported with torch when they are first named."""
    if name not in __all__:
        raise AttributeError(f"module 'farspan' has no attribute {name!r}")
    return getattr(importlib.import_module("farspan.models.long_context"), name)
