"""What a layer remembers between calls, in the cache that transformers hands around.

Axes: b row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import STATIC_LAYER_TYPE_MAPPING, Cache, CacheLayerMixin

from farspan.errors import RequestError
from farspan.mixers.states import batch_of, select_rows
from farspan.models.config import MODEL_TYPE
from farspan.models.decoder import Decoder, DecoderState


class LayerCache(CacheLayerMixin):
    """One layer's state, and how many tokens a row have passed.

    `DynamicCache(config=...)` makes one for every layer of a farspan model. States are values, so
    beams are rows picked from one; they cannot be cut shorter.
    """

    _layer_type = MODEL_TYPE
    supports_early_init = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        self.state: Any = None
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Not used: a mixer makes its own first state."""

    def update(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Refused: mixers return their next state instead."""
        raise RequestError("a farspan layer keeps a state, not keys and values to append to")

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Tokens that a mask would cover, and where it begins."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens a row that have passed, padding included."""
        return self.length

    def get_max_length(self) -> int:
        """No bound."""
        return -1

    def offload(self) -> None:
        """Nothing: states stay where they are computed."""

    def prefetch(self) -> None:
        """Nothing, as in `offload`."""

    def reset(self) -> None:
        """Before the first token again."""
        self.state, self.length = None, 0

    def crop(self, tokens_to_remove: int) -> None:
        """Refused unless nothing is to be removed."""
        if tokens_to_remove:
            raise RequestError(
                "a farspan cache cannot be cut shorter, since layers fold tokens into their state;"
                " keep a copy.deepcopy of it from before"
            )

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Takes the rows of the beams that go on."""
        self.batch_select_indices(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row `repeats` times."""
        if self.state is not None:
            row_b = torch.arange(self.rows).repeat_interleave(repeats)
            self.state = select_rows(self.state, row_b)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Takes some rows, by index or by truth value."""
        if self.state is not None:
            row_b = indices.nonzero().flatten() if indices.dtype == torch.bool else indices
            self.state = select_rows(self.state, row_b)

    @property
    def rows(self) -> int:
        """Rows of the state."""
        return batch_of(self.state)


# A layer's state is of fixed size or grows by itself, so it serves in either kind of cache.
STATIC_LAYER_TYPE_MAPPING[MODEL_TYPE] = LayerCache


def state_of(cache: Cache | None, decoder: Decoder, batch: int) -> DecoderState:
    """The decoder's state that a cache holds, an empty one for none.

    An empty one is of the dtype in which autocast, if it is on, computes.
    """
    layers = _layers(cache, len(decoder.layers)) if cache is not None else []
    if not layers or layers[0].state is None:
        kind = decoder.device.type
        autocast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        return decoder.init_state(batch, dtype=autocast)
    if layers[0].rows != batch:
        raise RequestError(f"the cache holds {layers[0].rows} rows, {batch} came; use another")
    return DecoderState(tuple(layer.state for layer in layers), layers[0].length)


def keep(cache: Cache, state: DecoderState) -> None:
    """Puts the state after a chunk into the cache."""
    for layer, own in zip(_layers(cache, len(state.layers)), state.layers, strict=True):
        layer.state, layer.length = own, state.length


def _layers(cache: Cache, count: int) -> list[LayerCache]:
    """The cache's layers, which a cache made without a config lacks at first."""
    if not cache.layers:
        cache.layers = [LayerCache() for _ in range(count)]
    layers = [layer for layer in cache.layers if isinstance(layer, LayerCache)]
    if len(cache.layers) != count or len(layers) != count:
        raise RequestError(
            f"the cache is not one of a farspan model of {count} layers; make it with"
            " DynamicCache(config=model.config)"
        )
    return layers
