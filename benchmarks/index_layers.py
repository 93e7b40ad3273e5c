"""Which recall layers may be looked up by an index and still answer as the exact scan does?

Needles and extracted questions about held-out books; what the index would open is emulated on
the device, where the stores lie.

python benchmarks/index_layers.py --corpus PREPARED --base BASE.gguf --adapter READER.safetensors
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from farspan.data.corpus import Corpus
from farspan.data.needles import needle_case
from farspan.data.qa import extract_items, render
from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.evaluation.needles import book_tokens, read_ids
from farspan.memory.scan import fold, late_keys, unfold
from farspan.memory.store import MemoryStore
from farspan.mixers.base import Tokens
from farspan.mixers.recall import chunked as recall
from farspan.models.adapter import load_adapter
from farspan.models.chat import DialogueFormat
from farspan.training.recipes import Base
from farspan.units import parse_length

MEANS, SINKS, RECENT, ROWS, TEXT = 4, 64, 512, 16, 1_500_000


@dataclass(frozen=True)
class Variant:
    """Blocks of `opened` tokens, `prompt` and `share` of the tokens, in recall layers `layers`."""

    name: str
    opened: int = 4
    prompt: float = 0.02
    share: float = 0.02
    layers: tuple[int, ...] = (0, 1, 2, 3)


VARIANTS = (
    Variant("blocks of 16", opened=16),
    Variant("blocks of 4"),
    Variant("prompt 8 %", prompt=0.08),
    Variant("prompt 8 %, answers 4 %", prompt=0.08, share=0.04),
    Variant("exact prompt", prompt=1.0),
    Variant("last layer alone", layers=(3,)),
    Variant("all but the last", layers=(0, 1, 2)),
    Variant("all but the last, blocks of 16", opened=16, layers=(0, 1, 2)),
)


class Emulation:
    """Stands in for the recall layers' attention; without a variant it is the exact one."""

    def __init__(self) -> None:
        self.variant: Variant | None = None
        self.length = self.calls = 0
        self.exact = recall._attend_all
        recall._attend_all = self

    def __call__(self, q: Tensor, store: MemoryStore, tokens: Tokens) -> Tensor:
        """As `recall._attend_all`; counts its calls to know the layer."""
        layer, variant = self.calls % 4, self.variant
        self.calls += 1
        if variant is None or layer not in variant.layers:
            return self.exact(q, store, tokens)
        share = variant.prompt if q.shape[1] > 1 else variant.share
        return self.exact(q, store, tokens) if share >= 1 else self.found(q, store, variant, share)

    def found(self, q_bthd: Tensor, store: MemoryStore, variant: Variant, share: float) -> Tensor:
        """Attention over the blocks of whose means some query expects the most."""
        n_queries, n_heads, d = q_bthd.shape[1:]
        k_sgd, v_sgd, size = store.k_bshd[0], store.v_bshd[0], variant.opened
        whole = self.length // size * size
        q = fold(q_bthd, k_sgd.shape[1])[0].float() * d**-0.5
        means = k_sgd[:whole].float().unflatten(0, (-1, MEANS)).mean(1).bfloat16().float()
        worth = torch.full((whole // MEANS,), -torch.inf, device=q.device)
        for rows in q.split(ROWS, 1):
            score = (rows @ means.permute(1, 2, 0)).log_softmax(-1)
            worth = torch.maximum(worth, score.flatten(0, 1).amax(0))
        seen = torch.zeros(whole // size, dtype=torch.bool, device=q.device)
        best = worth.unflatten(0, (len(seen), -1)).amax(1)
        seen[best.topk(int(share * whole) // size).indices] = True
        seen[: SINKS // size] = seen[-RECENT // size :] = True
        place = (seen.nonzero() * size + torch.arange(size, device=q.device)).flatten()
        place = torch.cat((place, torch.arange(whole, store.length, device=q.device)))
        k, v = (x[place].transpose(0, 1).float() for x in (k_sgd, v_sgd))
        late = late_keys(n_queries, n_heads // k_sgd.shape[1], store.length, place.cpu())
        score = (q @ k.transpose(1, 2)).masked_fill(late.to(q.device), -torch.inf)
        return unfold((score.softmax(-1) @ v).unsqueeze(0), n_queries).to(q_bthd.dtype)


def main() -> None:
    """Prints, for needles and for questions, [asked, same text as exact, right] of each variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tokens", default="1000k")
    parser.add_argument("--needles", type=int, default=50)
    parser.add_argument("--documents", type=int, default=4)
    parser.add_argument("--each", type=int, default=2, help="questions of a kind and document")
    parser.add_argument("--answer-tokens", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=500, help="half of them for needles")
    options = parser.parse_args()
    began, length = time.monotonic(), parse_length(options.tokens)
    base, adapter = Base.load(options.base), load_adapter(options.adapter)
    books = book_tokens(Corpus.load(options.corpus, "held-out"))
    adapter.merge_(base.tensors)
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    decoder = base.decoder(adapter.metadata.plan, options.device).to(dtype).eval()
    tokenizer, format = base.tokenizer, DialogueFormat.from_tokenizer(base.tokenizer)
    emulation, counts = Emulation(), defaultdict(lambda: [0, 0, 0])

    def state_of(ids: np.ndarray):  # type: ignore[no-untyped-def]
        emulation.length, emulation.variant = len(ids), None
        ids_t = torch.from_numpy(ids.astype(np.int64)).to(options.device)
        return read_ids(decoder, ids_t, decoder.init_state(1))

    def compare(kind, prompt, state, most, is_right: Callable[[str], bool]) -> None:  # type: ignore[no-untyped-def]
        exact = None
        for variant in (None, *VARIANTS):
            emulation.variant, emulation.calls = variant, 0
            stop, sampling = tokenizer.eos_ids, Sampling(max_tokens=most)
            ids = list(generate(decoder, prompt, state, stop_ids=stop, sampling=sampling))
            exact = ids if exact is None else exact
            row = counts[kind, "exact" if variant is None else variant.name]
            got = (1, ids == exact, is_right(tokenizer.decode(ids).strip()))
            row[:] = [a + b for a, b in zip(row, got, strict=True)]

    def tell() -> None:
        print(json.dumps({f"{kind}: {name}": x for (kind, name), x in counts.items()}), flush=True)

    with torch.inference_mode():
        for i in range(options.needles):
            if time.monotonic() - began > options.seconds / 2:
                break
            hay = np.resize(np.roll(books, -len(books) * i // options.needles), length)
            depth = i / max(1, options.needles - 1)
            case = needle_case(hay, length, 8, depth, 900 + i, tokenizer, format)
            prompt, most = case.question_ids.tolist(), len(case.answer_ids)
            state = state_of(case.document_ids)
            compare("needle", prompt, state, most, lambda text, case=case: case.number in text)
        tell()
        for i in range(options.documents):
            start = int(max(0, len(books) - length) * (i + 0.5) / options.documents)
            hay, rng, kinds = books[start : start + length], np.random.default_rng(5 + i), {}
            head = tokenizer.encode(format.before_document)
            state = state_of(np.concatenate((head, hay)))
            for item in extract_items(tokenizer.decode(hay.tolist())[:TEXT], "book"):
                kinds.setdefault(item.kind, []).append(item)
            for kind, items in kinds.items():
                for j in rng.permutation(len(items))[: options.each]:
                    if time.monotonic() - began > options.seconds:
                        break
                    wanted = items[int(j)].answer.strip()
                    asked = tokenizer.encode(render(kind, items[int(j)].slots, rng), special=False)
                    prompt = [
                        *tokenizer.encode(format.before_question),
                        *asked,
                        *tokenizer.encode(format.before_answer),
                    ]
                    compare(
                        "question",
                        prompt,
                        state,
                        options.answer_tokens,
                        lambda text, wanted=wanted: bool(text) and wanted.startswith(text[:60]),
                    )
            tell()


if __name__ == "__main__":
    main()
