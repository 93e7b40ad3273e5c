"""Retrieval instead of reading: the passages most like the question go into a short prompt."""

from __future__ import annotations

import importlib.util
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from farspan.evaluation.encoder import Passage
from farspan.evaluation.models.base import Model, Reply
from farspan.evaluation.models.catalog import EMBEDDING_PACKAGE
from farspan.evaluation.samples import Question, Sample

PASSAGE_TOKENS, OVERLAP = 256, 64
"""Tokens of a passage, and how many it shares with the next, so that no sentence is lost."""

K1, B = 1.2, 0.75
"""Of BM25 (Robertson et al. 1994), at their usual values."""

EMBEDDING_TOKENS = 256
"""What all-MiniLM-L6-v2 was trained to take at a time."""

_WORD = re.compile(r"\w+")

Rank = Callable[[Sequence[str], str], np.ndarray]
"""Scores of texts for a question, float `[N]`."""


class RetrievalModel(Model):
    """Cuts the body into passages and asks `reader` with the best, in their order."""

    def __init__(self, name: str, reader: Model, rank: Rank, kind: str, passages: int) -> None:
        self.name = name
        self.reader = reader
        self.rank = rank
        self.passages = passages
        self.tokenizer, self.overhead = reader.tokenizer, reader.overhead
        self.identity = f"{kind} {passages}x{PASSAGE_TOKENS}-{OVERLAP} {reader.identity}"
        self.about = {**reader.about, "retrieval": f"{kind}, {passages} of {PASSAGE_TOKENS} tokens"}

    def batch_size(self, length: int) -> int:
        """As many as the reader takes of the short prompts."""
        return self.reader.batch_size(self.passages * PASSAGE_TOKENS)

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """All questions of all samples side by side; retrieval counts as reading."""
        shorts, ranking = [], []
        for sample in samples:
            passages = self._cut(sample.body)
            for question in sample.questions:
                began = time.perf_counter()
                best = self._best(passages, question)
                shorts.append(replace(sample, body=best, questions=(question,)))
                ranking.append(time.perf_counter() - began)
        replies = iter(
            replace(row[0], read_seconds=row[0].read_seconds + seconds)
            for row, seconds in zip(self.reader.answer(shorts, max_tokens), ranking, strict=True)
        )
        return [[next(replies) for _ in sample.questions] for sample in samples]

    def _cut(self, body: Passage) -> list[Passage]:
        starts = range(0, max(len(body.ids) - OVERLAP, 1), PASSAGE_TOKENS - OVERLAP)
        parts = [body.ids[start : start + PASSAGE_TOKENS] for start in starts]
        return [Passage(self.tokenizer.decode(ids.tolist()), ids) for ids in parts]

    def _best(self, passages: Sequence[Passage], question: Question) -> Passage:
        scores = self.rank([passage.text for passage in passages], question.text)
        chosen = np.sort(np.argsort(-scores, kind="stable")[: self.passages])
        ids = np.concatenate([passages[i].ids for i in chosen])
        return Passage("\n".join(passages[i].text for i in chosen), ids)

    def peak_bytes(self) -> int:
        """See `Model`."""
        return self.reader.peak_bytes()

    def reset_peak(self) -> None:
        """See `Model`."""
        self.reader.reset_peak()

    def close(self) -> None:
        """See `Model`."""
        self.reader.close()


def bm25(texts: Sequence[str], question: str) -> np.ndarray:
    """Okapi BM25 of each text for a question."""
    counts = [Counter(_WORD.findall(text.lower())) for text in texts]
    lengths = np.array([sum(count.values()) for count in counts], dtype=float)
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9))
    scores = np.zeros(len(texts))
    for word in set(_WORD.findall(question.lower())):
        times = np.array([count[word] for count in counts], dtype=float)
        holding = np.count_nonzero(times)
        if holding:
            rarity = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            scores += rarity * times * (K1 + 1) / (times + norm)
    return scores


class Embedding:
    """Cosine likeness by all-MiniLM-L6-v2, from the package that carries it; texts are kept."""

    def __init__(self, device: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        spec = importlib.util.find_spec(EMBEDDING_PACKAGE)
        assert spec is not None and spec.origin is not None, "check_name has looked for it"
        folder = Path(spec.origin).parent / "model"
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).to(device).eval()
        self.device = device
        self._texts: Sequence[str] = ()
        self._vectors = np.zeros((0, 0))

    def __call__(self, texts: Sequence[str], question: str) -> np.ndarray:
        """Scores of the texts; those of the document before are not embedded again."""
        if texts != self._texts:
            self._texts, self._vectors = texts, self.embed(texts)
        return self._vectors @ self.embed([question])[0]

    def embed(self, texts: Sequence[str], batch: int = 64) -> np.ndarray:
        """Unit vectors, float32 `[N, 384]`: the mean of the last layer over tokens."""
        import torch

        found = []
        for start in range(0, len(texts), batch):
            inputs = self.tokenizer(
                list(texts[start : start + batch]),
                padding=True,
                truncation=True,
                max_length=EMBEDDING_TOKENS,
                return_tensors="pt",
            ).to(self.device)
            with torch.inference_mode():
                hidden = self.model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            found.append(torch.nn.functional.normalize(mean, dim=-1).float().cpu().numpy())
        return np.concatenate(found)
