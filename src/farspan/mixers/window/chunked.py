"""Sliding-window attention with a state of fixed size, and optional attention sinks.

Axes: b row, t token of the chunk, s kept token, h head, d feature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.mixers.attention import (
    attention_flops,
    attention_with_lse,
    causal_attention,
    causal_mask,
    combine,
    masked_attention,
)
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.scores import scored_attention
from farspan.positions.rotary import Rotary, rotate
from farspan.positions.temperature import LogLength


@dataclass(frozen=True)
class Kept:
    """Some tokens' keys and values `[B, S, Hkv, D]` with position and document, int32 `[B, S]`."""

    k_bshd: Tensor
    v_bshd: Tensor
    position_bs: Tensor
    document_bs: Tensor

    def cat(self, other: Kept) -> Kept:
        """These tokens, then the others."""
        if not self.k_bshd.shape[1] and self.k_bshd.dtype == other.k_bshd.dtype:
            return other
        return Kept(
            torch.cat((self.k_bshd, other.k_bshd), dim=1),
            torch.cat((self.v_bshd, other.v_bshd), dim=1),
            torch.cat((self.position_bs, other.position_bs), dim=1),
            torch.cat((self.document_bs, other.document_bs), dim=1),
        )

    def each(self, change: Callable[[Tensor], Tensor]) -> Kept:
        """The same change of every field."""
        return Kept(
            change(self.k_bshd),
            change(self.v_bshd),
            change(self.position_bs),
            change(self.document_bs),
        )

    def last(self, size: int) -> Kept:
        """The last `size` slots."""
        start = max(0, self.k_bshd.shape[1] - size)
        return self.each(lambda x: x[:, start:])

    def last_valid(self, size: int, valid_bs: Tensor) -> Kept:
        """The last `size` slots after moving the invalid ones to the front, as padding."""
        order = torch.argsort(valid_bs.int(), dim=1, stable=True)
        order = order[:, max(0, order.shape[1] - size) :]
        kept = torch.gather(valid_bs, 1, order)
        pick = order[:, :, None, None]
        k, v = (
            torch.gather(x, 1, pick.expand(-1, -1, *x.shape[2:])) * kept[:, :, None, None]
            for x in (self.k_bshd, self.v_bshd)
        )
        return Kept(
            k,
            v,
            torch.gather(self.position_bs, 1, order) * kept,
            torch.where(kept, torch.gather(self.document_bs, 1, order), -1),
        )


@dataclass(frozen=True)
class WindowState:
    """The last `window - 1` tokens, and the first tokens of the document if there are sinks."""

    recent: Kept
    sinks: Kept


def keep_recent(before: Kept, chunk: Kept, size: int, plain: bool) -> Kept:
    """The last `size` valid tokens of what was kept and the chunk."""
    joined = before.cat(chunk)
    return joined.last(size) if plain else joined.last_valid(size, joined.document_bs >= 0)


def nothing_kept(
    batch: int,
    shape: AttentionShape,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Kept:
    """No tokens."""
    k = torch.empty(batch, 0, shape.n_kv_heads, shape.head_dim, device=device, dtype=dtype)
    place = torch.empty(batch, 0, device=device, dtype=torch.int32)
    return Kept(k, k, place, place)


def as_kept(k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens) -> Kept:
    """A chunk in the form it is kept."""
    return Kept(k_bthd, v_bthd, tokens.position_bt.int(), tokens.document_bt.int())


def window_mask(tokens: Tokens, document_bs: Tensor, window: int) -> Tensor:
    """`[B, T, S]`: same document, not later, fewer than `window` valid tokens back."""
    rank = (document_bs >= 0).cumsum(dim=1)
    n_queries = tokens.document_bt.shape[1]
    distance = rank[:, -n_queries:].unsqueeze(2) - rank.unsqueeze(1)
    return causal_mask(tokens, document_bs) & (distance < window)


class WindowAttention(AttentionMixer):
    """Each token sees the last `window` tokens, itself included, and the first `sinks`.

    Sinks are those of StreamingLLM (Xiao et al. 2023); beyond the window their distance counts as
    `window`, so that no rotation unseen in training occurs.
    """

    def __init__(
        self,
        shape: AttentionShape,
        rotary: Rotary | None,
        window: int,
        sinks: int = 0,
        temperature: LogLength | None = None,
    ) -> None:
        if window < 1:
            raise RequestError(f"window({window}): a window holds at least 1 token")
        if not 0 <= sinks < window:
            raise RequestError(f"window({window}, sinks={sinks}): sinks must be 0 to window - 1")
        if sinks and rotary is not None and rotary.scores is not None:
            raise RequestError(
                f"window({window}, sinks={sinks}): sinks have positions of their own, which do not"
                f" go with position {rotary.scores.name}; leave one of them out"
            )
        super().__init__(shape, rotary)
        self.window = window
        self.sinks = sinks
        self.temperature = temperature

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> WindowState:
        """Nothing kept yet."""
        nothing = nothing_kept(batch, self.shape, device, dtype)
        return WindowState(nothing, nothing)

    def attend(
        self, q_bthd: Tensor, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: WindowState
    ) -> tuple[Tensor, WindowState]:
        """Attends within the window and keeps its last tokens."""
        chunk = as_kept(k_bthd, v_bthd, tokens)
        seen = state.recent.cat(chunk)
        if tokens.is_plain:
            recent = seen.last(self.window - 1)
        else:
            recent = seen.last_valid(self.window - 1, seen.document_bs >= 0)
        if self.temperature is not None:
            q_bthd = self.temperature.sharpen(q_bthd, tokens.position_bt, self.window)
        if self.rotary is not None and self.rotary.scores is not None:
            place = seen.position_bs, seen.document_bs
            y = scored_attention(
                q_bthd, seen.k_bshd, seen.v_bshd, *place, self.rotary, window=self.window
            )
            return y, WindowState(recent, state.sinks)
        if self.sinks:
            sinks = state.sinks.cat(chunk)
            y = self._attend_with_sinks(q_bthd, seen, sinks, tokens)
            early = (sinks.position_bs < self.sinks) & (sinks.document_bs >= 0)
            return y, WindowState(recent, sinks.last_valid(self.sinks, early))
        if tokens.is_plain:
            y = causal_attention(q_bthd, seen.k_bshd, seen.v_bshd, window=self.window)
        else:
            mask = window_mask(tokens, seen.document_bs, self.window)
            y = masked_attention(q_bthd, seen.k_bshd, seen.v_bshd, mask)
        return y, WindowState(recent, state.sinks)

    def merge(self, first: WindowState, second: WindowState) -> WindowState:
        """The last tokens of both parts; sinks of the second only where it begins a document."""
        recent = keep_recent(first.recent, second.recent, self.window - 1, plain=False)
        if not self.sinks:
            return WindowState(recent, first.sinks)
        sinks = first.sinks.cat(second.sinks)
        return WindowState(recent, sinks.last_valid(self.sinks, sinks.document_bs >= 0))

    def flops(self, n_tokens: int) -> int:
        """A product with the key and one with the value for each visible pair and head."""
        beyond = max(0, n_tokens - self.window)
        far = beyond * self.sinks - sum(range(max(0, self.sinks - beyond), self.sinks))
        own = 4 * self.shape.n_heads * self.shape.head_dim * far
        return attention_flops(self.shape, n_tokens, self.window) + own

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """Fixed once the window is full: keys, values, position and document a kept token."""
        slots = min(n_tokens, self.window - 1) + min(n_tokens, self.sinks)
        return slots * (2 * self.shape.kv_features * dtype.itemsize + 8)

    def _attend_with_sinks(self, q_bthd: Tensor, seen: Kept, sinks: Kept, tokens: Tokens) -> Tensor:
        """Band and sinks apart, joined through their log-sum-exps; one chunk at a time."""
        beyond = (seen.position_bs >= self.sinks).unsqueeze(1)
        band = attention_with_lse(
            q_bthd,
            seen.k_bshd,
            seen.v_bshd,
            window_mask(tokens, seen.document_bs, self.window) & beyond,
        )
        early = causal_mask(tokens, sinks.document_bs)
        parts = band
        for place in range(self.sinks):
            far = (tokens.position_bt - place - self.window).clamp_min(0)
            q = q_bthd
            if self.rotary is not None:
                q = rotate(q, self.rotary.table(-far, q.dtype))
            here = early & (sinks.position_bs == place).unsqueeze(1)
            parts = combine(parts, attention_with_lse(q, sinks.k_bshd, sinks.v_bshd, here))
        return parts[0]
