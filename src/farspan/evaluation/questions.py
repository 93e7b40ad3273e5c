"""Questions whose answers stand in held-out documents: how many are answered word for word."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch

from farspan.data.mixture import ReadRows, RowSampler
from farspan.evaluation.needles import read_ids
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder


@torch.inference_mode()
def question_scores(
    decoder: Decoder, sampler: RowSampler, *, rows: int, row_tokens: int, tail_tokens: int = 768
) -> dict[str, tuple[int, int]]:
    """Right and total answers by kind of question, over rows of the sampler's documents.

    An answer counts when greedy decoding gives every token of it, its end included, with the
    turns before it as they should be.
    """
    found: dict[str, list[bool]] = defaultdict(list)
    for step in range(rows):
        row = sampler.read_batch(step, 1, row_tokens, tail_tokens)
        for kind, right in _row_scores(decoder, row):
            found[kind].append(right)
    return {kind: (sum(right), len(right)) for kind, right in sorted(found.items())}


def _row_scores(decoder: Decoder, row: ReadRows) -> list[tuple[str, bool]]:
    ids = torch.from_numpy(row.token_bt[0]).to(decoder.device)
    first = len(ids) - row.tail_tokens
    state = read_ids(decoder, ids[:first], decoder.init_state(1))
    tokens = Tokens.plain(1, row.tail_tokens, start=first, first_asked=0, device=ids.device)
    features, _ = decoder(ids[None, first:], tokens, state)
    assert features is not None
    guess = decoder.logits(features[0, :-1]).argmax(-1).cpu().numpy()
    tail = row.token_bt[0, first:]
    right = np.concatenate(([False], guess == tail[1:]))
    answer = (row.weight_bt[0, first:] > 0.5).astype(np.int8)
    starts = np.flatnonzero(np.diff(answer, prepend=0) == 1)
    stops = np.flatnonzero(np.diff(answer, append=0) == -1) + 1
    spans = zip(row.turns[0], starts, stops, strict=True)
    return [(turn.kind, bool(right[start:stop].all())) for turn, start, stop in spans]
