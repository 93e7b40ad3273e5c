"""Random chunks and mixers for the property tests of the contract."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from farspan.memory.store import MemoryStore
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.full import FullAttention
from farspan.mixers.full.naive import naive_full
from farspan.mixers.heads import HeadsAttention
from farspan.mixers.heads.naive import naive_heads
from farspan.mixers.infini import InfiniAttention, kernelised
from farspan.mixers.infini.gated_delta import GatedDeltaRule
from farspan.mixers.infini.gated_mean import GatedMeanRule
from farspan.mixers.infini.naive import naive_infini
from farspan.mixers.learned import LearnedAttention
from farspan.mixers.learned.naive import naive_learned
from farspan.mixers.linear import DeltaRule, GatedLinear, KernelAttention, Retention
from farspan.mixers.linear.naive import naive_delta, naive_gla, naive_kernel, naive_retention
from farspan.mixers.moba import MobaAttention
from farspan.mixers.moba.naive import naive_moba
from farspan.mixers.patterns import PatternAttention
from farspan.mixers.patterns.naive import naive_pattern
from farspan.mixers.patterns.pattern import (
    Columns,
    Dilated,
    Every,
    First,
    OwnBlock,
    Pattern,
    Sliding,
    Union,
)
from farspan.mixers.patterns.random import RandomBlocks
from farspan.mixers.recall import RecallAttention
from farspan.mixers.recall.naive import naive_recall
from farspan.mixers.window import WindowAttention
from farspan.mixers.window.naive import naive_window
from farspan.positions.alibi import Alibi
from farspan.positions.base import ScoreMethod
from farspan.positions.dual_chunk import DualChunk
from farspan.positions.rotary import Rotary
from farspan.positions.self_extend import SelfExtend
from farspan.positions.temperature import LogLength

D_MODEL, HEAD = 24, 8
ROTARY = Rotary(HEAD, theta=100.0)
HALF = {"partial_rotary_factor": 0.5}
SHAPE = AttentionShape(D_MODEL, n_heads=4, n_kv_heads=2, head_dim=HEAD)


def by_pair(method: ScoreMethod) -> Rotary:
    return dataclasses.replace(ROTARY, scores=method)


def pattern(of: Pattern, **options: object):
    return lambda: PatternAttention(SHAPE, ROTARY, of, **options), naive_pattern


MIXERS = {
    "full": (lambda: FullAttention(SHAPE, ROTARY), naive_full),
    "full-biased": (
        lambda: FullAttention(dataclasses.replace(SHAPE, bias=True, qk_norm=True), ROTARY),
        naive_full,
    ),
    "window": (lambda: WindowAttention(SHAPE, ROTARY, 5), naive_window),
    "window-1": (lambda: WindowAttention(SHAPE, ROTARY, 1), naive_window),
    "window-sinks": (lambda: WindowAttention(SHAPE, ROTARY, 5, sinks=2), naive_window),
    "window-sinks-unrotated": (lambda: WindowAttention(SHAPE, None, 4, sinks=1), naive_window),
    "full-self-extend": (lambda: FullAttention(SHAPE, by_pair(SelfExtend(3, 4))), naive_full),
    "full-dual-chunk": (
        lambda: FullAttention(SHAPE, by_pair(DualChunk(8, 5)), LogLength(4)),
        naive_full,
    ),
    "full-alibi": (lambda: FullAttention(SHAPE, by_pair(Alibi(2.0))), naive_full),
    "full-partial": (
        lambda: FullAttention(SHAPE, Rotary(HEAD, 100.0, HALF), LogLength(4)),
        naive_full,
    ),
    "window-self-extend": (
        lambda: WindowAttention(SHAPE, by_pair(SelfExtend(2, 3)), 7, temperature=LogLength(3)),
        naive_window,
    ),
    "window-alibi": (lambda: WindowAttention(SHAPE, by_pair(Alibi()), 5), naive_window),
    "recall": (lambda: RecallAttention(SHAPE, 5), naive_recall),
    "strided": pattern(Columns(Sliding(5), Every(3, 0, 1)), temperature=LogLength(3)),
    "strided-query": pattern(Union((Columns(Sliding(3), First(0)), Dilated(None, 2, beyond=3)))),
    "fixed": pattern(Columns(OwnBlock(5), Every(5, 3, 2))),
    "dilated": pattern(Dilated(3, 2), temperature=LogLength(2)),
    "moba": (lambda: MobaAttention(SHAPE, ROTARY, 4, 3, LogLength(4)), naive_moba),
    "learned": (
        lambda: LearnedAttention(SHAPE, ROTARY, block=4, top=4, window=3, pool=2),
        naive_learned,
    ),
    "heads": (
        lambda: HeadsAttention(
            dataclasses.replace(SHAPE, n_heads=6, n_kv_heads=3, qk_norm=True),
            [
                (1, lambda shape: WindowAttention(shape, ROTARY, 3)),
                (1, lambda shape: FullAttention(shape, None)),
                (1, lambda shape: PatternAttention(shape, ROTARY, Dilated(2, 3))),
            ],
        ),
        naive_heads,
    ),
    "infini-linear": (
        lambda: InfiniAttention(SHAPE, ROTARY, 4, kernelised.LinearRule(SHAPE)),
        naive_infini,
    ),
    "infini-delta": (
        lambda: InfiniAttention(SHAPE, ROTARY, 4, kernelised.DeltaRule(SHAPE)),
        naive_infini,
    ),
    "infini-gated-delta": (
        lambda: InfiniAttention(SHAPE, ROTARY, 4, GatedDeltaRule(SHAPE)),
        naive_infini,
    ),
    "infini-gated-mean": (
        lambda: InfiniAttention(SHAPE, ROTARY, 4, GatedMeanRule(SHAPE, 3, 2)),
        naive_infini,
    ),
    "infini-window": (
        lambda: InfiniAttention(SHAPE, ROTARY, 3, kernelised.DeltaRule(SHAPE), window=5),
        naive_infini,
    ),
    "infini-unrotated": (
        lambda: InfiniAttention(SHAPE, None, 5, GatedDeltaRule(SHAPE)),
        naive_infini,
    ),
    "linear": (lambda: KernelAttention(SHAPE, 4), naive_kernel),
    "retention": (lambda: Retention(SHAPE, ROTARY, 4), naive_retention),
    "gla": (lambda: GatedLinear(SHAPE, 4), naive_gla),
    "delta": (lambda: DeltaRule(SHAPE, 4), naive_delta),
    "gated-delta": (lambda: DeltaRule(SHAPE, 8, decaying=True), naive_delta),
}

FROM_START = ("strided", "fixed", "moba", "learned")
"""Mixers with columns or blocks at absolute places, of which other parts have another number."""

VARIANTS = {
    "bigbird": pattern(RandomBlocks(3, window=2, first=1, drawn=2)),
    "columns": pattern(Columns(Sliding(1), Every(4, 3, 1))),
    "dilated-whole": pattern(Dilated(None, 3)),
    "global": pattern(Columns(Sliding(4), First(2))),
    "moba-own": (lambda: MobaAttention(SHAPE, None, 5, 1), naive_moba),
    "learned-unrotated": (
        lambda: LearnedAttention(SHAPE, None, block=3, top=3, window=6, pool=3),
        naive_learned,
    ),
}
"""Other settings of mixers that obey the laws, which are compared with their references alone."""


@dataclass(frozen=True)
class Case:
    """A sequence and where it is cut."""

    x: Tensor
    tokens: Tokens
    cuts: tuple[int, ...]

    def chunks(self) -> list[tuple[Tensor, Tokens]]:
        edges = [0, *self.cuts, self.x.shape[1]]
        return [
            (self.x[:, a:b], self.tokens.slice(a, b)) for a, b in itertools.pairwise(edges) if b > a
        ]


@st.composite
def cases(draw: st.DrawFn, plain: bool | None = None) -> Case:
    """Plain sequences (read, then asked) or packed, padded, interleaved ones."""
    length = draw(st.integers(1, 24))
    batch = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**20))
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, length, D_MODEL, dtype=torch.float64, generator=generator)
    cuts = tuple(sorted(draw(st.sets(st.integers(0, length), max_size=5))))
    if plain is None:
        plain = draw(st.booleans())
    if plain:
        start = draw(st.sampled_from([0, 0, 5000, 10**6]))
        first = draw(st.integers(0, length))
        return Case(x, Tokens.plain(batch, length, start=start, first_asked=first), cuts)
    rows = [draw(_rows(length)) for _ in range(batch)]
    position, document, asked = (torch.tensor(field) for field in zip(*rows, strict=True))
    return Case(x, Tokens(position, document, asked.bool()), cuts)


@st.composite
def _rows(draw: st.DrawFn, length: int) -> tuple[list[int], list[int], list[int]]:
    """Documents one after the other, padding anywhere, read and asked tokens mixed."""
    position, document, asked = [], [], []
    number, place = 0, 0
    for _ in range(length):
        event = draw(st.sampled_from(["token"] * 8 + ["padding", "next"]))
        if event == "next" and place:
            number, place = number + 1, 0
        padding = event == "padding"
        position.append(0 if padding else place)
        document.append(-1 if padding else number)
        asked.append(draw(st.integers(0, 1)))
        place += not padding
    return position, document, asked


def build(name: str) -> tuple[AttentionMixer, object]:
    """The mixer with random weights in float64, and its reference."""
    torch.manual_seed(len(name))
    make, naive = (MIXERS | VARIANTS)[name]
    mixer = make().double()
    with torch.no_grad():  # what starts equal in all heads, or at zero, would hide mistakes
        for parameter in mixer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return mixer, naive


def run(mixer: AttentionMixer, case: Case, state: object = None) -> tuple[Tensor, object]:
    """Chunk by chunk."""
    state = mixer.init_state(case.x.shape[0], dtype=torch.float64) if state is None else state
    parts = []
    for x, tokens in case.chunks():
        y, state = mixer(x, tokens, state)
        parts.append(y)
    return torch.cat(parts, dim=1), state


def tensors(state: object) -> dict[str, Tensor]:
    """All tensors of a state by their path; a memory store counts as its contents."""
    found: dict[str, Tensor] = {}
    if isinstance(state, tuple):
        fields = {str(i): part for i, part in enumerate(state)}
    else:
        fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    for name, value in fields.items():
        if isinstance(value, MemoryStore):
            found[name + ".k"], found[name + ".v"] = value.k_bshd, value.v_bshd
        elif isinstance(value, Tensor):
            found[name] = value
        elif dataclasses.is_dataclass(value) or isinstance(value, tuple):
            found |= {f"{name}.{key}": x for key, x in tensors(value).items()}
    return found
