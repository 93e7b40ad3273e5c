"""Answering: a prompt and then one token after the other, on a fork of what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.memory.scan import AttentionWatch
from farspan.memory.search import Search
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder, DecoderState

Look = Callable[[list[Tensor]], None]
"""Told, after a watched token, where it looked: float32 `[1, T, H, blocks]` a recall layer."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; temperature 0 takes the most likely one.

    `top_p` keeps the likeliest tokens that together have this probability.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise RequestError(f"max tokens is {self.max_tokens}, must be 1 or more")
        if self.temperature < 0:
            raise RequestError(f"temperature is {self.temperature}, must be 0 or more")
        if not 0 < self.top_p <= 1:
            raise RequestError(f"top-p is {self.top_p}, must be above 0 and at most 1")


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

    `state` stays as it is; with `search`, tokens see what it finds in the stores. The prompt runs
    in one chunk, which is fastest when not watched. With `on_look`, every `watch_every`-th answer
    token is watched in blocks of `watch_block` stored tokens as it goes in, which makes an exact
    scan slower; and at the end the prompt's last token once more, since it is what finds the first
    answer token.
    """
    sampling = sampling or Sampling()
    generator = torch.Generator().manual_seed(sampling.seed)
    logits, after = advance(decoder, prompt, state.fork(), search=search)
    asked = after

    def watched(token: int, before: DecoderState) -> tuple[Tensor, DecoderState]:
        assert on_look is not None
        watch = AttentionWatch(watch_block)
        result = advance(decoder, [token], before, watch, search)
        on_look(watch.mass)
        return result

    for i in range(sampling.max_tokens):
        token = choose(logits, sampling, generator)
        if token in stop_ids:
            break
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


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """One token from scores `[V]`."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    share = torch.softmax(logits.cpu() / sampling.temperature, -1)
    if sampling.top_p < 1:
        ordered, order = share.sort(descending=True)
        before = ordered.cumsum(-1) - ordered
        share = torch.zeros_like(share).scatter(-1, order, ordered * (before < sampling.top_p))
    return int(torch.multinomial(share, 1, generator=generator))
