"""Any causal language model that transformers runs, with its own attention."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from farspan.errors import RequestError
from farspan.evaluation.models.base import CellFailedError, Model, Reply
from farspan.evaluation.models.frame import Frame
from farspan.evaluation.models.longppl import long_loss
from farspan.evaluation.samples import Sample
from farspan.models.huggingface import find_checkpoint
from farspan.models.load import find_device, find_dtype
from farspan.models.tokenizer import Tokenizer
from farspan.process import peak_memory_bytes, reset_peak_memory
from farspan.units import show_length

CHUNK = 8192
"""Tokens a forward pass while a document is read."""


class HuggingFaceModel(Model):
    """`hf:NAME`: a local folder or hub name through transformers' `AutoModelForCausalLM`.

    Lengths beyond the checkpoint's `max_position_embeddings` are left out.
    """

    def __init__(self, name: str, *, device: str = "auto", dtype: str | None = None) -> None:
        import transformers

        self.name = name
        path = find_checkpoint(name.removeprefix("hf:"))
        if not path.is_dir():
            raise RequestError(f"{name} is a file; give a folder, or the file without hf:")
        self.device = find_device(device)
        kind = find_dtype(dtype, self.device)
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=kind)
        self.model = loaded.to(self.device).eval()
        self.tokenizer = Tokenizer.from_folder(path)
        self.frame = Frame.of_message(self.tokenizer)
        self.overhead = self.frame.overhead(self.tokenizer)
        self.limit = getattr(self.model.config, "max_position_embeddings", None)
        self.identity = weights_digest(path)
        self.about = {
            "kind": "transformers",
            "architecture": type(self.model).__name__,
            "dtype": str(kind).removeprefix("torch."),
            "device": str(self.device),
        }

    def why_not(self, length: int) -> str:
        """See `Model`."""
        if self.limit is not None and length > self.limit:
            return f"beyond the {show_length(self.limit)} tokens that the checkpoint is made for"
        return ""

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """Each document is read once; a copy of its cache serves each question."""
        return [self._answer_one(sample, max_tokens) for sample in samples]

    def _answer_one(self, sample: Sample, max_tokens: int) -> list[Reply]:
        began = time.perf_counter()
        ids = self.frame.document(sample, self.tokenizer)
        cache = self._read(ids)
        reading = time.perf_counter() - began
        replies = []
        for number, question in enumerate(sample.questions):
            began = time.perf_counter()
            prompt = self.frame.prompt(question, self.tokenizer)
            last = number == len(sample.questions) - 1
            written = self._generate(prompt, cache if last else copied(cache), max_tokens)
            seconds = time.perf_counter() - began
            text = self.tokenizer.decode(written)
            replies.append(Reply(text, reading, seconds, len(written)))
        return replies

    def losses(self, sample: Sample, places: Sequence[int], span: int) -> list[float]:
        """Reads on from place to place; each span is fed to a copy of the cache."""
        ids = self.frame.document(sample, self.tokenizer)
        first = len(ids) - len(sample.body.ids)
        found, cache, at = [], self._new_cache(), 0
        for place in places:
            stop = max(first + place - 1, 0)
            cache = self._read(ids[at:stop], cache)
            at = stop
            row = self._row(ids[stop : stop + span + 1])
            logits, _ = self._forward(row[:, :-1], copied(cache), keep=span)
            found.append(float(F.cross_entropy(logits[0].float(), row[0, 1:])))
        return found

    def long_loss(self, sample: Sample) -> float:
        """See `Model`."""
        return long_loss(self._scores, self.device, self.tokenizer, sample.body.ids)

    @torch.inference_mode()
    def _scores(self, ids: np.ndarray) -> torch.Tensor:
        return self.model(self._row(ids), use_cache=False).logits[0]

    def _read(self, ids: np.ndarray, cache: Any = None) -> Any:
        cache = self._new_cache() if cache is None else cache
        try:
            for start in range(0, len(ids), CHUNK):
                _, cache = self._forward(self._row(ids[start : start + CHUNK]), cache, keep=1)
        except torch.OutOfMemoryError as error:
            raise CellFailedError(f"out of memory while reading {len(ids):,} tokens") from error
        return cache

    def _generate(self, prompt: Sequence[int], cache: Any, max_tokens: int) -> list[int]:
        """The likeliest continuation, token by token, up to a stop id."""
        row = self._row(np.array(prompt))
        written: list[int] = []
        while len(written) < max_tokens:
            logits, cache = self._forward(row, cache, keep=1)
            token = int(logits[0, -1].argmax())
            if token in self.tokenizer.eos_ids:
                break
            written.append(token)
            row = self._row(np.array([token]))
        return written

    @torch.inference_mode()
    def _forward(self, row: torch.Tensor, cache: Any, keep: int) -> tuple[torch.Tensor, Any]:
        out = self.model(row, past_key_values=cache, use_cache=True, logits_to_keep=keep)
        return out.logits, out.past_key_values

    def _new_cache(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    def _row(self, ids: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(ids.astype(np.int64))[None].to(self.device)

    def peak_bytes(self) -> int:
        """See `Model`."""
        return peak_memory_bytes(str(self.device))

    def reset_peak(self) -> None:
        """See `Model`."""
        reset_peak_memory(str(self.device))

    def close(self) -> None:
        """See `Model`."""
        del self.model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def copied(cache: Any) -> Any:
    """A cache whose growth leaves the other as it is."""
    return deepcopy(cache)


def weights_digest(path: Path) -> str:
    """A hash of a folder's weight and configuration files: names, sizes and first megabytes."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.suffix in (".safetensors", ".bin", ".json"):
            digest.update(f"{file.name} {file.stat().st_size}".encode())
            with open(file, "rb") as stream:
                digest.update(stream.read(1 << 20))
    return digest.hexdigest()
