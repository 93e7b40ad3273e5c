"""Infini-attention and its memory alone, as modules: `y, memory = module(x, memory)`.

Axes: b row, t token of the call, c feature.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor, nn

from farspan.errors import RequestError
from farspan.mixers import infini
from farspan.mixers.base import AttentionShape, Tokens
from farspan.mixers.infini.gated_mean import GatedMeanRule
from farspan.mixers.window.chunked import Kept
from farspan.models.long_context.memory import PersistentMemory, load_memory, other_model
from farspan.positions.rotary import Rotary

D_STATE, COMPRESSION = 64, 8


class PersistentModule(nn.Module, ABC):
    """What has a memory: makes an empty one, checks one that is handed in, loads a saved one.

    `settings` describe the module; with a number drawn at the start, which is saved with the
    weights, they tell its memories from those of others.
    """

    identity: Tensor

    def __init__(self, settings: str) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("identity", torch.randint(2**62, ()))

    @property
    @abstractmethod
    def mixers(self) -> list[infini.InfiniAttention]:
        """The mixers whose states a memory holds, bottom first."""

    def init_memory(self, batch: int = 1) -> PersistentMemory:
        """The memory before the first token."""
        need(batch >= 1, "batch", batch, "at least 1")
        weight = self.mixers[0].qkv.weight
        layers = tuple(
            mixer.init_state(batch, device=weight.device, dtype=weight.dtype)
            for mixer in self.mixers
        )
        length = torch.zeros(batch, dtype=torch.int64, device=weight.device)
        return PersistentMemory(layers, length, f"{self.settings} #{int(self.identity):x}")

    def load_memory(self, path: str | Path) -> PersistentMemory:
        """A memory that was saved; `ValueError` if it is another model's, or damaged."""
        return load_memory(path, self.init_memory())

    def begin(
        self, shape: torch.Size, memory: PersistentMemory | None, mask_bt: Tensor | None
    ) -> tuple[PersistentMemory, Tokens]:
        """The memory to go on from, checked, and what mixers need to know of the call's tokens."""
        empty = self.init_memory(shape[0])
        if memory is None:
            memory = empty
        elif not isinstance(memory, PersistentMemory):
            raise RequestError(
                f"memory: a {type(memory).__name__} came; hand in what the last call returned, or"
                " None"
            )
        if memory.made_by != empty.made_by:
            raise other_model(memory.made_by, empty.made_by)
        for name in ("batch", "dtype", "device"):
            found, wanted = getattr(memory, name), getattr(empty, name)
            need(found == wanted, f"memory's {name}", found, f"{wanted}, as in this call")
        return memory, tokens_of(shape, memory.length_b, checked_mask(mask_bt, shape))

    def end(
        self, memory: PersistentMemory, layers: list[infini.InfiniState], tokens: Tokens
    ) -> PersistentMemory:
        """The memory after the call."""
        length = memory.length_b + tokens.valid_bt.sum(1)
        return PersistentMemory(tuple(layers), length, memory.made_by)


class InfiniAttention(PersistentModule):
    """Local attention and a compressive memory of everything before (Munkhdalai et al. 2024).

    `n_heads` must divide `d_model` into even heads. `rule` is how the memory is written and read:
    `gated_mean` (`d_state` slots of a head's features / `compression_ratio`), or `linear`, `delta`
    or `gated_delta`, which keep head x head numbers and take no `d_state` or `compression_ratio`.
    Tokens see their own segment of `segment` exactly and earlier ones through the memory. Raises
    `ValueError` for settings, inputs and memories that do not fit.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_state: int = D_STATE,
        compression_ratio: int = COMPRESSION,
        dropout: float = 0.1,
        *,
        rule: str = "gated_mean",
        segment: int = 512,
    ) -> None:
        shape = attention_shape(d_model, n_heads)
        made = memory_rule(rule, shape, d_state, compression_ratio)
        need(segment >= 1, "segment", segment, "at least 1 token")
        need(0 <= dropout < 1, "dropout", dropout, "from 0 to below 1")
        name = type(self).__name__
        super().__init__(
            f"{name}(d_model={d_model}, n_heads={n_heads}, d_state={d_state}, "
            f"compression_ratio={compression_ratio}, rule={rule}, segment={segment})"
        )
        self.d_model = d_model
        self.mixer = self.make_mixer(shape, segment, made)
        self.dropout = nn.Dropout(dropout)

    def make_mixer(
        self, shape: AttentionShape, segment: int, rule: infini.MemoryRule
    ) -> infini.InfiniAttention:
        """The mixer, with rotary positions in its local attention."""
        return infini.InfiniAttention(shape, Rotary(shape.head_dim), segment, rule)

    @property
    def mixers(self) -> list[infini.InfiniAttention]:
        """The one there is."""
        return [self.mixer]

    def forward(
        self,
        x: Tensor,
        memory: PersistentMemory | None = None,
        attention_mask: Tensor | None = None,
    ) -> tuple[Tensor, PersistentMemory]:
        """Features `[B, T, d_model]` to the same shape, and the memory after them.

        `attention_mask` `[B, T]` is 0 at padding, which is neither read nor remembered.
        """
        fits = x.ndim == 3 and x.shape[-1] == self.d_model and x.shape[1] > 0
        need(fits, "x's shape", list(x.shape), f"[batch, tokens, {self.d_model}]")
        weight = self.mixer.qkv.weight
        same = x.dtype == weight.dtype or torch.is_autocast_enabled(x.device.type)
        need(same, "x's dtype", x.dtype, f"{weight.dtype}, as the weights")
        memory, tokens = self.begin(x.shape[:2], memory, attention_mask)
        y, state = self.mixer(x, tokens, memory.layers[0])
        return self.dropout(y), self.end(memory, [state], tokens)


class CompressiveMemory(InfiniAttention):
    """The memory alone: every token reads what the segments before its own have left.

    One head of `d_model` features unless `n_heads` is given; `rule`, `segment` and errors as in
    `InfiniAttention`. Tokens of the first segment read nothing.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int,
        compression_ratio: int = COMPRESSION,
        *,
        rule: str = "gated_mean",
        segment: int = 512,
        n_heads: int = 1,
    ) -> None:
        super().__init__(
            d_model, n_heads, d_state, compression_ratio, 0.0, rule=rule, segment=segment
        )

    def make_mixer(
        self, shape: AttentionShape, segment: int, rule: infini.MemoryRule
    ) -> infini.InfiniAttention:
        """The mixer without positions, whose local attention says nothing."""
        return _MemoryAlone(shape, None, segment, rule)


class _MemoryAlone(infini.InfiniAttention):
    def _local(self, q_bthd: Tensor, seen: Kept, tokens: Tokens) -> Tensor:
        return torch.zeros_like(q_bthd)


def attention_shape(d_model: int, n_heads: int) -> AttentionShape:
    """Heads of equal, even size."""
    need(d_model >= 2, "d_model", d_model, "at least 2")
    fits = n_heads >= 1 and d_model % n_heads == 0 and (d_model // n_heads) % 2 == 0
    need(fits, "n_heads", n_heads, f"a number that divides d_model, {d_model}, into even parts")
    return AttentionShape(d_model, n_heads, n_heads, d_model // n_heads)


def memory_rule(
    rule: str, shape: AttentionShape, d_state: int, compression_ratio: int
) -> infini.MemoryRule:
    """A rule by name; settings that it would ignore are refused."""
    need(rule in infini.RULES, "rule", rule, f"one of {', '.join(infini.RULES)}")
    need(d_state >= 1, "d_state", d_state, "at least 1")
    if rule == "gated_mean":
        fits = compression_ratio >= 1 and shape.head_dim % compression_ratio == 0
        allowed = f"a number that divides the head size, {shape.head_dim}"
        need(fits, "compression_ratio", compression_ratio, allowed)
        return GatedMeanRule(shape, d_state, compression_ratio)
    own = f"{D_STATE} or {shape.head_dim} with rule {rule!r}, whose memory is a head's size squared"
    need(d_state in (D_STATE, shape.head_dim), "d_state", d_state, own)
    own = f"{COMPRESSION} with rule {rule!r}, which does not compress values"
    need(compression_ratio == COMPRESSION, "compression_ratio", compression_ratio, own)
    return infini.RULES[rule](shape)


def checked_mask(mask_bt: Tensor | None, shape: torch.Size) -> Tensor | None:
    """Booleans, or None if nothing is masked."""
    if mask_bt is None:
        return None
    fits = mask_bt.shape == shape
    need(fits, "attention_mask's shape", list(mask_bt.shape), f"{list(shape)}, as the input")
    need(bool(((mask_bt == 0) | (mask_bt == 1)).all()), "attention_mask", "others", "0 and 1")
    keep = mask_bt.bool()
    return None if bool(keep.all()) else keep


def tokens_of(shape: torch.Size, length_b: Tensor, keep_bt: Tensor | None) -> Tokens:
    """A plain chunk where rows stand at the same position and none is padded."""
    starts = length_b.tolist()
    if keep_bt is None and len(set(starts)) == 1:
        return Tokens.plain(*shape, start=starts[0], device=length_b.device)
    if keep_bt is None:
        keep_bt = torch.ones(shape, dtype=torch.bool, device=length_b.device)
    position = (length_b.unsqueeze(1) + keep_bt.cumsum(1) - 1).clamp_min(0)
    document = keep_bt.long() - 1
    return Tokens(position, document, torch.zeros_like(keep_bt))


def need(fits: bool, name: str, value: object, allowed: str) -> None:
    """Raises `RequestError`, a `ValueError`, that names argument, value and what is allowed."""
    if not fits:
        raise RequestError(f"{name} is {value}; allowed is {allowed}")
