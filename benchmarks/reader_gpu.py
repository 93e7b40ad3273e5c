"""What the shipped reader recalls, measured on a GPU: needles, questions, perplexity.

python benchmarks/reader_gpu.py --corpus PREPARED --base BASE.gguf --adapter READER.safetensors
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from farspan.data.corpus import Corpus
from farspan.data.mixture import RowSampler
from farspan.evaluation.needles import book_tokens, needle_scores
from farspan.evaluation.perplexity import perplexity, spaced_rows
from farspan.evaluation.questions import question_scores
from farspan.models.adapter import load_adapter
from farspan.models.chat import DialogueFormat
from farspan.training.recipes import Base

K, M = 1024, 1024 * 1024


def main() -> None:
    """Prints one JSON object a measurement, cheap ones first, within `--seconds`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--lengths", default="131072,1048576")
    parser.add_argument("--keys", default="1,8")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--needles", action="store_true", help="needles alone")
    parser.add_argument("--seconds", type=float, default=500)
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    base = Base.load(options.base)
    adapter = load_adapter(options.adapter)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(json.dumps({"device": name, "torch": torch.__version__, "plan": adapter.metadata.plan}))
    corpus = Corpus.load(options.corpus, "held-out")
    books = book_tokens(corpus)
    format = DialogueFormat.from_tokenizer(base.tokenizer)
    plain = None if options.needles else base.decoder("full", options.device)
    adapter.merge_(base.tensors)
    decoder = base.decoder(adapter.metadata.plan, options.device).eval()
    if plain is not None:
        rows = spaced_rows(books, 64, 2 * K)
        ours, theirs = perplexity(decoder, rows), perplexity(plain, rows)
        print(json.dumps({"perplexity_2k": ours, "base": theirs, "rows": len(rows)}), flush=True)
        sampler = RowSampler(corpus, base.tokenizer, format, seed=7)
        for length, count in ((8 * K, 40), (128 * K, 20)):
            scores = question_scores(decoder, sampler, rows=count, row_tokens=length)
            total = np.sum(list(scores.values()), axis=0).tolist()
            print(json.dumps({"questions": length, "all": total, **scores}), flush=True)
    for haystack in ("book", "filler"):
        lengths = tuple(int(x) for x in options.lengths.split(","))
        for score in needle_scores(
            decoder,
            base.tokenizer,
            format,
            books,
            lengths=lengths if haystack == "book" else lengths[:1],
            keys=tuple(int(x) for x in options.keys.split(",")),
            samples=options.samples,
            haystack=haystack,
            chunk=64 * K,
            until=until,
        ):
            print(json.dumps(score.to_json()), flush=True)


if __name__ == "__main__":
    main()
