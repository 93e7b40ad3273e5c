"""Seconds of one recall layer over a store on disk of random keys: exact, and by its index.

python benchmarks/search_speed.py --tokens 1m
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from farspan.compat import cpu_compute_dtype
from farspan.evaluation.speed import hardware
from farspan.memory.file_store import FileStore
from farspan.memory.scan import attend_store
from farspan.memory.search import Search, attend_found
from farspan.units import parse_length

HEADS, KEY_HEADS, DIM = 9, 3, 64
PIECE = 65_536


def main() -> None:
    """Prints one JSON object a kind of query: seconds of each repeat, page cache warm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", default="1m")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    n_tokens, dtype = parse_length(options.tokens), cpu_compute_dtype()
    torch.manual_seed(0)
    print(json.dumps({"hardware": hardware(), "torch": torch.__version__, "dtype": str(dtype)}))
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore.open(Path(folder) / "layer-00", KEY_HEADS, DIM, indexed=True)
        for start in range(0, n_tokens, PIECE):
            rows = torch.randn(2, 1, min(PIECE, n_tokens - start), KEY_HEADS, DIM).bfloat16()
            store = store.append(rows[0], rows[1])
        for asked in (27, 1):
            q = torch.randn(1, asked, HEADS, DIM).to(dtype)
            tail = torch.randn(2, 1, asked, KEY_HEADS, DIM).to(dtype)
            fork = store.fork().append(tail[0], tail[1])
            for search in (None, Search(exact_below=0)):
                seconds = []
                for _ in range(options.repeats):
                    began = time.perf_counter()
                    if search is None:
                        attend_store(q, fork)
                    else:
                        attend_found(q, fork, search)
                    seconds.append(round(time.perf_counter() - began, 3))
                name = "exact" if search is None else "index"
                print(json.dumps({"asked": asked, "recall": name, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
