"""Needles in a haystack: is one inserted sentence recalled, exactly, at any depth?

The task is RULER's (Hsieh et al. 2024): `niah_single` with one key, `niah_multikey` with more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from farspan.data.corpus import Corpus
from farspan.data.needles import NeedleCase, needle_case
from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.models.chat import DialogueFormat
from farspan.models.decoder import Decoder, DecoderState
from farspan.models.tokenizer import Tokenizer


@dataclass(frozen=True)
class NeedleScore:
    """How many of `total` cases were answered exactly; `wrong` lists the depths missed."""

    haystack: str
    length: int
    keys: int
    right: int
    total: int
    wrong: tuple[float, ...]
    read_seconds: float

    def to_json(self) -> dict[str, object]:
        """As a plain dictionary."""
        return asdict(self)


def read_ids(
    decoder: Decoder, ids_t: Tensor, state: DecoderState, *, chunk: int = 16_384
) -> DecoderState:
    """The state after reading token ids `[T]`, in chunks."""
    for start in range(0, len(ids_t), chunk):
        part = ids_t[start : start + chunk].unsqueeze(0)
        tokens = Tokens.plain(1, part.shape[1], start=state.length, device=ids_t.device)
        _, state = decoder(part, tokens, state)
    return state


@torch.inference_mode()
def answers_exactly(decoder: Decoder, case: NeedleCase, state: DecoderState) -> bool:
    """Whether greedy decoding gives the case's answer, token for token.

    All answer tokens go in at once; each is the arg max after the true ones before it exactly if
    greedy decoding, which would have produced those, produces it.
    """
    question, answer = case.question_ids, case.answer_ids
    ids = torch.from_numpy(np.concatenate((question, answer[:-1]))).to(decoder.device)
    tokens = Tokens.plain(1, len(ids), start=state.length, first_asked=0, device=decoder.device)
    features, _ = decoder(ids.unsqueeze(0), tokens, state.fork())
    assert features is not None
    guess = decoder.logits(features[0, len(question) - 1 :]).argmax(-1)
    return bool((guess.cpu() == torch.from_numpy(answer)).all())


def book_tokens(corpus: Corpus) -> np.ndarray:
    """All tokens of a corpus's books, one after the other, uint16."""
    books = [
        shard.token_t[document.begin : document.end]
        for shard, document in corpus.places
        if document.domain == "book"
    ]
    if not books:
        raise RequestError("the held-out shards have no books to hide needles in")
    return np.concatenate(books)


@torch.inference_mode()
def needle_scores(
    decoder: Decoder,
    tokenizer: Tokenizer,
    format: DialogueFormat,
    books_t: np.ndarray,
    *,
    lengths: tuple[int, ...],
    keys: tuple[int, ...] = (1, 8),
    samples: int = 50,
    seed: int = 0,
    haystack: str = "book",
    chunk: int = 16_384,
    until: float | None = None,
    report: Callable[[NeedleScore], None] = lambda score: None,
) -> Iterator[NeedleScore]:
    """One score per length and number of keys, depths spread evenly from start to end.

    Each sample's haystack starts elsewhere in `books_t` (uint16 `[N]`), which is repeated where it
    is shorter than the length; `haystack="filler"` takes RULER's repeated sentences instead.
    Stops early, with the cases done so far, once `time.monotonic()` passes `until`.
    """
    for length in lengths:
        for n_keys in keys:
            wrong, done, spent = [], 0, 0.0
            for sample in range(samples):
                if until is not None and time.monotonic() > until:
                    break
                depth = sample / max(1, samples - 1)
                hay = None if haystack == "filler" else _haystack(books_t, length, sample, samples)
                case = needle_case(hay, length, n_keys, depth, seed + sample, tokenizer, format)
                ids = torch.from_numpy(case.document_ids).to(decoder.device)
                began = time.monotonic()
                state = read_ids(decoder, ids, decoder.init_state(1), chunk=chunk)
                if ids.is_cuda:
                    torch.cuda.synchronize()
                spent += time.monotonic() - began
                done += 1
                if not answers_exactly(decoder, case, state):
                    wrong.append(round(depth, 3))
            score = NeedleScore(
                haystack,
                length,
                n_keys,
                done - len(wrong),
                done,
                tuple(wrong),
                spent / max(1, done),
            )
            report(score)
            yield score


def _haystack(books_t: np.ndarray, length: int, sample: int, samples: int) -> np.ndarray:
    start = int(len(books_t) * sample / samples)
    return np.resize(np.concatenate((books_t[start:], books_t[:start])), length)
