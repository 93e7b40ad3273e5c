"""Sequence parallelism: ranks hold consecutive parts of a sequence and share what goes before."""

from farspan.parallel.sequence.shards import Shards, own_slice, split_lengths

__all__ = ["Shards", "own_slice", "split_lengths"]
