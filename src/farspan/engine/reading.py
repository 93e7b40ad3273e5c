"""Reading a document: token ids in chunks into a state that anything can be asked of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder, DecoderState

CPU_CHUNK = 512
"""Tokens a chunk: matrices stay in the cache, and Ctrl-C is heard within a second."""

CUDA_CHUNK = 16_384


@dataclass(frozen=True)
class Progress:
    """How far reading is: tokens of the whole document, and the speed of this run."""

    done: int
    total: int
    tokens_per_second: float

    @property
    def seconds_left(self) -> float:
        """At the speed so far."""
        return (self.total - self.done) / max(self.tokens_per_second, 1e-9)


def default_chunk(device: torch.device) -> int:
    """Tokens to read at a time on a device."""
    return CUDA_CHUNK if device.type == "cuda" else CPU_CHUNK


@torch.inference_mode()
def read(
    decoder: Decoder,
    ids: np.ndarray,
    state: DecoderState,
    *,
    chunk: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_state: Callable[[DecoderState], None] | None = None,
) -> DecoderState:
    """Reads `ids` [T] from where `state` stands to their end, and returns the state there.

    Chunks end at multiples of `chunk` tokens, so that a reading that was interrupted gives the
    state of one that was not. `on_state` is given the state behind each chunk.
    """
    chunk = chunk or default_chunk(decoder.device)
    total, first = len(ids), state.length
    started = time.perf_counter()
    while state.length < total:
        stop = next_stop(state.length, total, chunk)
        state = _read_chunk(decoder, ids[state.length : stop], state)
        if on_state is not None:
            on_state(state)
        if on_progress is not None:
            seconds = max(time.perf_counter() - started, 1e-9)
            on_progress(Progress(stop, total, (stop - first) / seconds))
    return state


def next_stop(length: int, total: int, chunk: int) -> int:
    """Where the chunk that begins at `length` ends."""
    return min(total, (length // chunk + 1) * chunk)


def _read_chunk(decoder: Decoder, ids: np.ndarray, state: DecoderState) -> DecoderState:
    ids_bt = torch.from_numpy(ids.astype(np.int64)).to(decoder.device).unsqueeze(0)
    tokens = Tokens.plain(1, len(ids), start=state.length, device=decoder.device)
    return decoder(ids_bt, tokens, state)[1]
