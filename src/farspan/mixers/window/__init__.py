"""Sliding-window attention with optional sinks."""

from farspan.mixers.window.chunked import WindowAttention, WindowState

__all__ = ["WindowAttention", "WindowState"]
