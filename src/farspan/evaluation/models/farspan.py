"""Models that farspan runs itself: its own reader and the baselines on the same weights."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from farspan.engine.reading import default_chunk
from farspan.evaluation.models.base import Model, Reply
from farspan.evaluation.models.frame import Frame
from farspan.evaluation.models.longppl import long_loss
from farspan.evaluation.samples import Sample
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder, DecoderState
from farspan.models.load import LoadedModel
from farspan.process import peak_memory_bytes, reset_peak_memory

CUDA_BATCH_TOKENS = 1 << 20
"""Document tokens answered at a time on a GPU; stores and masks of more would crowd it."""

MAX_BATCH = 32


class FarspanModel(Model):
    """A loaded decoder. `frame` is how documents and questions are put to it.

    `limit` is the length beyond which it is not asked, with the reason in `limit_reason`.
    """

    def __init__(
        self,
        name: str,
        model: LoadedModel,
        frame: Frame | None = None,
        *,
        limit: int | None = None,
        limit_reason: str = "",
    ) -> None:
        self.name = name
        self.model = model
        self.frame = frame or Frame.of_dialogue(model.format)
        self.limit, self.limit_reason = limit, limit_reason
        self.identity = model.identity
        self.tokenizer = model.tokenizer
        self.overhead = self.frame.overhead(model.tokenizer)
        self.about: dict[str, Any] = {
            "kind": "farspan",
            "plan": model.plan,
            "dtype": model.dtype,
            "device": str(model.device),
            "weights": model.name,
        }

    def why_not(self, length: int) -> str:
        """See `Model`."""
        return self.limit_reason if self.limit is not None and length > self.limit else ""

    def batch_size(self, length: int) -> int:
        """Rows side by side on a GPU; on a CPU they would only wait for one another."""
        if self.model.device.type == "cpu":
            return 1
        return max(1, min(MAX_BATCH, CUDA_BATCH_TOKENS // length))

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """Documents of equal length are read and answered side by side."""
        documents = [self.frame.document(sample, self.tokenizer) for sample in samples]
        alike: dict[tuple[int, int], list[int]] = {}
        for number, (sample, ids) in enumerate(zip(samples, documents, strict=True)):
            alike.setdefault((len(ids), len(sample.questions)), []).append(number)
        found: dict[int, list[Reply]] = {}
        for numbers in alike.values():
            rows = self._answer_rows(
                [samples[i] for i in numbers], [documents[i] for i in numbers], max_tokens
            )
            found.update(zip(numbers, rows, strict=True))
        return [found[number] for number in range(len(samples))]

    def _answer_rows(
        self, samples: Sequence[Sample], documents: Sequence[np.ndarray], max_tokens: int
    ) -> list[list[Reply]]:
        began = time.perf_counter()
        decoder = self.model.decoder
        state = read_rows(decoder, np.stack(documents), decoder.init_state(len(documents)))
        self._wait()
        reading = (time.perf_counter() - began) / len(samples)
        replies: list[list[Reply]] = [[] for _ in samples]
        for number in range(len(samples[0].questions)):
            began = time.perf_counter()
            asked = [x.questions[number] for x in samples]
            prompts = [self.frame.prompt(question, self.tokenizer) for question in asked]
            stops = self.tokenizer.eos_ids
            written = generate_rows(decoder, prompts, state, stops, max_tokens)
            seconds = (time.perf_counter() - began) / len(samples)
            for row, ids in zip(replies, written, strict=True):
                row.append(Reply(self.tokenizer.decode(ids), reading, seconds, len(ids)))
        return replies

    def losses(self, sample: Sample, places: Sequence[int], span: int) -> list[float]:
        """The spans are asked on forks of the state, so that their tokens get probabilities."""
        decoder = self.model.decoder
        ids = self.frame.document(sample, self.tokenizer)[None]
        first = ids.shape[1] - len(sample.body.ids)
        state = decoder.init_state(1)
        found = []
        for place in places:
            stop = max(first + place - 1, 0)
            state = read_rows(decoder, ids[:, :stop], state)
            found.append(_span_loss(decoder, ids[0, stop : stop + span + 1], state))
        return found

    def long_loss(self, sample: Sample) -> float:
        """See `Model`; all tokens are asked."""
        return long_loss(self._scores, self.model.device, self.tokenizer, sample.body.ids)

    @torch.inference_mode()
    def _scores(self, ids: np.ndarray) -> Tensor:
        """Logits `[T, V]` after each token, in chunks."""
        decoder = self.model.decoder
        state, parts = decoder.init_state(1), []
        for piece in np.array_split(ids, max(1, len(ids) // 2048)):
            row = torch.from_numpy(piece.astype(np.int64))[None].to(decoder.device)
            tokens = Tokens.plain(
                *row.shape, start=state.length, first_asked=0, device=decoder.device
            )
            features, state = decoder(row, tokens, state)
            assert features is not None
            parts.append(decoder.logits(features[0]))
        return torch.cat(parts)

    def peak_bytes(self) -> int:
        """See `Model`."""
        return peak_memory_bytes(str(self.model.device))

    def reset_peak(self) -> None:
        """See `Model`."""
        reset_peak_memory(str(self.model.device))

    def close(self) -> None:
        """See `Model`."""
        del self.model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _wait(self) -> None:
        if self.model.device.type == "cuda":
            torch.cuda.synchronize()


@torch.inference_mode()
def read_rows(decoder: Decoder, ids_bt: np.ndarray, state: DecoderState) -> DecoderState:
    """The state after reading rows of equal length `[B, T]` from where it stands, in chunks."""
    rows, total = ids_bt.shape
    chunk = max(512, default_chunk(decoder.device) // rows)
    while state.length < total:
        stop = min(total, state.length + chunk)
        part = torch.from_numpy(ids_bt[:, state.length : stop].astype(np.int64))
        tokens = Tokens.plain(*part.shape, start=state.length, device=decoder.device)
        _, state = decoder(part.to(decoder.device), tokens, state)
    return state


@torch.inference_mode()
def generate_rows(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    state: DecoderState,
    stop_ids: Sequence[int],
    max_tokens: int,
) -> list[list[int]]:
    """The likeliest continuation of each row's prompt, up to a stop id; `state` stays as it is."""
    written: list[list[int]] = [[] for _ in prompts]
    done = [False] * len(prompts)
    for token_b in islice(_greedy(decoder, prompts, state), max_tokens):
        for row, token in enumerate(token_b):
            done[row] = done[row] or token in stop_ids
            if not done[row]:
                written[row].append(token)
        if all(done):
            break
    return written


def _greedy(
    decoder: Decoder, prompts: Sequence[Sequence[int]], state: DecoderState
) -> Iterator[list[int]]:
    """The next token of every row, without end. Shorter prompts are padded on the left."""
    longest = max(map(len, prompts))
    pad_b = torch.tensor([longest - len(prompt) for prompt in prompts], device=decoder.device)
    rows = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    ids_bt = torch.tensor(rows, device=decoder.device)
    start, padded = state.length, bool(pad_b.any())
    state = state.fork()
    while True:
        offset_t = torch.arange(ids_bt.shape[1], device=decoder.device) + state.length - start
        if padded:
            place_bt = offset_t - pad_b[:, None]
            document = torch.where(place_bt >= 0, 0, -1)
            asked = place_bt >= 0
            tokens = Tokens(place_bt.clamp_min(0) + start, document, asked)
        else:
            tokens = Tokens.plain(
                *ids_bt.shape, start=state.length, first_asked=0, device=decoder.device
            )
        features, state = decoder(ids_bt, tokens, state)
        assert features is not None
        ids_bt = decoder.logits(features[:, -1:]).argmax(-1)
        yield ids_bt[:, 0].tolist()


@torch.inference_mode()
def _span_loss(decoder: Decoder, ids: np.ndarray, state: DecoderState) -> float:
    """Mean cross-entropy of `ids[1:]`, the first being given, on a fork of the state."""
    ids_bt = torch.from_numpy(ids.astype(np.int64))[None].to(decoder.device)
    tokens = Tokens.plain(1, len(ids), start=state.length, first_asked=0, device=decoder.device)
    features, _ = decoder(ids_bt, tokens, state.fork())
    assert features is not None
    logits = decoder.logits(features[0, :-1]).float()
    return float(F.cross_entropy(logits, ids_bt[0, 1:]))
