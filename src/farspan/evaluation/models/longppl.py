"""LongPPL (Fang et al. 2025, arXiv 2410.23771) by the authors' package, for any model here.

Perplexity over the tokens that long context makes likelier by e² or more. The evaluated model
finds these key tokens itself, so that the number needs no second model; the paper has
Llama-3.1-8B find them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from farspan.evaluation.models.base import CellFailedError
from farspan.models.tokenizer import Tokenizer

MOST_TOKENS = 32_768
"""Scores over the whole vocabulary are held for every token: 6 GiB at this length."""

Scores = Callable[[np.ndarray], Tensor]
"""Logits `[T, V]` after each of ids `[T]`, all in sight."""


def long_loss(scores: Scores, device: torch.device, tokenizer: Tokenizer, ids: np.ndarray) -> float:
    """ln LongPPL of a text of more than 4,096 tokens.

    Raises `CellFailedError` if the package is missing, the text is too long, or no token gains.
    """
    if importlib.util.find_spec("longppl") is None:
        raise CellFailedError("LongPPL needs its package: pip install 'farspan[longppl]'")
    if len(ids) > MOST_TOKENS:
        raise CellFailedError(f"LongPPL holds all scores at once; {MOST_TOKENS} tokens at most")
    from longppl.longppl import compute_longppl

    model, reader = _Model(scores, device), _Tokenizer(tokenizer)
    text = tokenizer.decode(ids.tolist())
    found = compute_longppl(text, model, model, reader, reader)
    if found["longppl"] is None:
        raise CellFailedError("no token of the text gains from its long context")
    return float(np.log(found["longppl"]))


class _Model:
    """What the package asks of a transformers model."""

    def __init__(self, scores: Scores, device: torch.device) -> None:
        self.scores, self.device = scores, device

    def __call__(self, input_ids: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.scores(input_ids[0].cpu().numpy())[None])


class _Tokenizer:
    """What the package asks of a transformers tokenizer: ids and the characters of each token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def __call__(self, text: str, **_: Any) -> dict[str, Tensor]:
        ids, starts = self.tokenizer.encode_document(text)
        ends = np.append(starts[1:], len(text))
        return {
            "input_ids": torch.from_numpy(ids.astype(np.int64))[None],
            "offset_mapping": torch.from_numpy(np.stack((starts, ends), 1))[None],
        }
