"""Answering: a prompt and then one token after the other, on a fork of what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from farspan.engine.sampling import Sampler, Sampling
from farspan.memory.scan import AttentionWatch
from farspan.memory.search import Search
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder, DecoderState

Look = Callable[[list[Tensor]], None]
"""Told, after a watched token, where it looked: float32 `[1, T, H, blocks]` a recall layer."""


def generate(
    decoder: Decoder,
    prompt: Sequence[int],
    state: DecoderState,
    *,
    stop_ids: Sequence[int] = (),
    sampling: Sampling | None = None,
    watch_block: int = 64,
    watch_every: int = 1,
    on_look: Look | None = None,
    search: Search | None = None,
) -> Iterator[int]:
    """Yields the ids that follow `prompt`, up to a stop id (not yielded) or the most allowed.

    `state` stays as it is; with `search`, tokens see what it finds in the stores. Texts in
    `sampling.stop` are left to whoever decodes. The prompt runs in one chunk, which is fastest
    when not watched. With `on_look`, every `watch_every`-th answer
    token is watched in blocks of `watch_block` stored tokens as it goes in, which makes an exact
    scan slower; and at the end the prompt's last token once more, since it is what finds the first
    answer token.
    """
    sampling = sampling or Sampling()
    sampler = Sampler(sampling, prompt)
    logits, after = advance(decoder, prompt, state.fork(), search=search)
    asked = after

    def watched(token: int, before: DecoderState) -> tuple[Tensor, DecoderState]:
        assert on_look is not None
        watch = AttentionWatch(watch_block)
        result = advance(decoder, [token], before, watch, search)
        on_look(watch.mass)
        return result

    for i in range(sampling.max_tokens):
        token = sampler.choose(logits).token
        if token in stop_ids:
            break
        sampler.note(token)
        yield token
        if i + 1 < sampling.max_tokens:
            look = on_look is not None and i % watch_every == 0
            if look:
                logits, after = watched(token, after)
            else:
                logits, after = advance(decoder, [token], after, search=search)
    if on_look is not None:
        watched(prompt[-1], asked)


@torch.inference_mode()
def advance(
    decoder: Decoder,
    ids: Sequence[int],
    state: DecoderState,
    watch: AttentionWatch | None = None,
    search: Search | None = None,
) -> tuple[Tensor, DecoderState]:
    """Asks `ids` and returns the scores `[V]`, float32, of the token that follows them.

    They see all of the stores, or what `search` finds in them.
    """
    ids_bt = torch.tensor([list(ids)], device=decoder.device)
    tokens = Tokens.plain(1, len(ids), start=state.length, first_asked=0, device=decoder.device)
    features, state = decoder(ids_bt, replace(tokens, watch=watch, search=search), state)
    assert features is not None
    return decoder.logits(features[:, -1:])[0, 0].float(), state
