"""What a row will hold, before it is let in."""

from __future__ import annotations

from farspan.memory.store import KeyValueStore, MemoryStore
from farspan.models.decoder import Decoder, DecoderState


def predicted_bytes(decoder: Decoder, tokens: int, start: DecoderState | None) -> int:
    """Bytes in memory of one row that takes `tokens` behind `start`; what is on disk is free."""
    behind = 0 if start is None else start.length
    total = 0
    for i in range(len(decoder.layers)):
        store = getattr(start.layers[i], "store", None) if start is not None else None
        on_disk = isinstance(store, KeyValueStore) and not isinstance(store, MemoryStore)
        n = tokens if on_disk else behind + tokens
        total += decoder.layer(i).mixer.state_bytes(n, decoder.dtype)
    return total
