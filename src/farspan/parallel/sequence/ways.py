"""Which way each kind of mixer is split."""

from __future__ import annotations

from farspan.mixers.base import AttentionMixer
from farspan.mixers.full import FullAttention
from farspan.mixers.infini import InfiniAttention
from farspan.mixers.recall import RecallAttention
from farspan.mixers.window import WindowAttention
from farspan.parallel.sequence.fold import fold
from farspan.parallel.sequence.full import split_full
from farspan.parallel.sequence.infini import split_infini
from farspan.parallel.sequence.recall import split_recall
from farspan.parallel.sequence.shards import Way
from farspan.parallel.sequence.window import split_window

WAYS: dict[type[AttentionMixer], Way] = {
    FullAttention: split_full,
    WindowAttention: split_window,
    RecallAttention: split_recall,
    InfiniAttention: split_infini,
}
"""By exact type: a subclass may keep another state, which only `fold` is sure to carry."""

__all__ = ["WAYS", "fold"]
