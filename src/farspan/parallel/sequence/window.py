"""Window layers: a halo of the last `window - 1` tokens, and the sinks from where they are."""

from __future__ import annotations

from torch import Tensor

from farspan.mixers.base import AttentionMixer, Tokens
from farspan.mixers.window import WindowAttention
from farspan.mixers.window.chunked import Kept, WindowState, as_kept
from farspan.parallel.sequence.kept import gather_kept, recent_before
from farspan.parallel.sequence.shards import Shards, untouched


def split_window(
    shards: Shards, mixer: AttentionMixer, x_btc: Tensor, tokens: Tokens, state: WindowState
) -> tuple[Tensor, WindowState]:
    """The window may be longer than a part: the halo then comes from several ranks."""
    assert isinstance(mixer, WindowAttention)
    q, k, v = mixer.project(x_btc, tokens)
    own = as_kept(k, v, tokens)
    q, recent, after = recent_before(
        shards, q, own, state.recent, mixer.window - 1, tokens.is_plain
    )
    sinks, sinks_after = state.sinks, state.sinks
    if mixer.sinks:
        q, sinks, sinks_after = _sinks(shards, mixer, q, own, state.sinks)
    if not x_btc.shape[1]:
        return untouched(mixer, mixer.out(q.flatten(2))), WindowState(after, sinks_after)
    y = mixer.attend(q, k, v, tokens, WindowState(recent, sinks))[0]
    return mixer.out(y.flatten(2)), WindowState(after, sinks_after)


def _sinks(
    shards: Shards, mixer: WindowAttention, anchor: Tensor, own: Kept, before: Kept
) -> tuple[Tensor, Kept, Kept]:
    """The first tokens of the documents before each part, and behind the whole chunk."""
    early = (own.position_bs < mixer.sinks) & (own.document_bs >= 0)
    lengths = tuple(min(mixer.sinks, length) for length in shards.lengths)
    anchor, every = gather_kept(shards, anchor, own.last_valid(mixer.sinks, early), lengths)
    found = [before]
    for kept in every:
        joined = found[-1].cat(kept)
        found.append(joined.last_valid(mixer.sinks, joined.document_bs >= 0))
    return anchor, found[shards.rank], found[-1]
