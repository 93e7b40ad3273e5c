"""Sliding-window attention with optional sinks."""

from farspan.mixers.window.chunked import WindowAttention, WindowState
from farspan.mixers.window.spec import Window

__all__ = ["Window", "WindowAttention", "WindowState"]
