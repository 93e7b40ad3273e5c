"""Perplexity beyond the trained length, for each position method, without training.

The same last tokens of a text are scored each time, behind as much of the text as makes up the
length, with full attention. One row a method, one column a length.

python benchmarks/extension.py examples/the-black-arrow.txt.gz --lengths 2k,8k,16k --factor 2
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from farspan import __version__
from farspan.errors import RequestError
from farspan.evaluation.speed import hardware
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder
from farspan.models.load import load_model
from farspan.units import parse_lengths, show_length

METHODS = "default,linear,ntk,dynamic,yarn,proportional(0.75),self_extend,dual_chunk,log_length"
NO_FACTOR = ("default", "proportional(0.75)", "dual_chunk", "log_length")
CHUNK = 512  # tokens whose scores over the vocabulary are held at once


@torch.inference_mode()
def perplexity(decoder: Decoder, ids_t: torch.Tensor, scored: int) -> float:
    """exp of the mean cross-entropy of the last `scored` tokens but the first of them.

    The text is read in one piece: on CPUs fused attention is fastest without a mask.
    """
    ids_t = ids_t.to(decoder.device)
    tokens = Tokens.plain(1, len(ids_t), first_asked=0, device=ids_t.device)
    features, _ = decoder(ids_t.unsqueeze(0), tokens, decoder.init_state(1))
    assert features is not None
    total, targets = 0.0, ids_t[-scored + 1 :]
    for start in range(0, len(targets), CHUNK):
        stop = min(start + CHUNK, len(targets))
        logits = decoder.logits(features[0, start - scored : stop - scored]).float()
        total += float(F.cross_entropy(logits, targets[start:stop], reduction="sum"))
    return math.exp(total / len(targets))


def main() -> None:
    """Prints a table, or with --json one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path, help="a text file, .gz or not, that was not trained on")
    parser.add_argument("--lengths", default="2k,8k,16k")
    parser.add_argument("--methods", default=METHODS, help="separated by commas outside brackets")
    parser.add_argument("--factor", type=float, default=2.0)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--scored", type=int, default=2048, help="tokens that are scored")
    parser.add_argument("--end", type=int, default=65_536, help="where in the text they end")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    lengths = parse_lengths(args.lengths)
    data = args.text.read_bytes()
    text = (gzip.decompress(data) if args.text.suffix == ".gz" else data).decode()
    rows = []
    for method in args.methods.split(","):
        factor = None if method in NO_FACTOR or "(" in method else args.factor
        model = load_model(
            args.model,
            plan="full",
            device=args.device,
            adapter=False,
            position=None if method == "default" else method,
            factor=factor,
        )
        ids = torch.from_numpy(model.tokenizer.encode_document(text)[0].astype("int64"))
        ids = ids[: args.end]
        if len(ids) < max(lengths):
            raise RequestError(f"the text has {len(ids)} tokens, {max(lengths)} are needed")
        for length in lengths:
            began = time.perf_counter()
            found = perplexity(model.decoder, ids[-length:], min(args.scored, length))
            seconds = time.perf_counter() - began
            row = {"method": model.position or "default", "length": length}
            rows.append(row | {"perplexity": found, "tokens_per_second": length / seconds})
            print(f"{row['method']} at {show_length(length)}: {found:.2f}", file=sys.stderr)
    about = f"{hardware()}; farspan {__version__}, torch {torch.__version__}, {model.dtype}"
    if args.json:
        print(json.dumps({"hardware": about, "rows": rows}))
        return
    print(f"{about}; the same {args.scored} tokens of {args.text.name} each time\n")
    print("| positions | " + " | ".join(show_length(n) for n in lengths) + " |")
    print("|---|" + "---|" * len(lengths))
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = [f"{r['perplexity']:.2f}" for r in rows if r["method"] == method]
        print(f"| {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
