"""Perplexity on held-out text: what a change of architecture costs short contexts."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder


@torch.inference_mode()
def perplexity(decoder: Decoder, rows_bt: np.ndarray, *, batch: int = 4) -> float:
    """exp of the mean cross-entropy over all next tokens of rows `[B, T]`, every token asked."""
    total, count = 0.0, 0
    for start in range(0, len(rows_bt), batch):
        ids = torch.from_numpy(rows_bt[start : start + batch].astype(np.int64)).to(decoder.device)
        tokens = Tokens.plain(*ids.shape, first_asked=0, device=ids.device)
        features, _ = decoder(ids, tokens, decoder.init_state(len(ids)))
        assert features is not None
        logits = decoder.logits(features[:, :-1]).float()
        total += float(F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"))
        count += ids[:, 1:].numel()
    return float(np.exp(total / count))


def spaced_rows(tokens_t: np.ndarray, n_rows: int, length: int) -> np.ndarray:
    """Rows `[n_rows, length]` at even distances over a token array."""
    starts = np.linspace(0, len(tokens_t) - length, n_rows).astype(np.int64)
    return np.stack([tokens_t[start : start + length] for start in starts])
