"""The kinds of stores, and the sizes of their rows: known without loading anything."""

from __future__ import annotations

STORES = ("bf16", "int8", "int4")
BITS = {"bf16": 16, "int8": 8, "int4": 4}
BLOCK = 64
"""Tokens that are quantised together."""

EXACT_BELOW = 262_144
"""Stores of up to so many tokens are scanned whole by every layer."""

VALUE_BYTES = 2
"""Bytes of a number in bfloat16, as scales are too."""


def row_tokens(store: str) -> int:
    """Tokens in a row of a store's files."""
    return 1 if store == "bf16" else BLOCK


def row_bytes(store: str, n_heads: int, head_dim: int, part: int) -> int:
    """Bytes of a row of keys (part 0) or values (part 1); the scales of quantised ones included."""
    features = n_heads * head_dim
    if store == "bf16":
        return features * VALUE_BYTES
    scales = features if part == 0 else BLOCK * n_heads
    return BLOCK * features * BITS[store] // 8 + 2 * scales * VALUE_BYTES
