"""Tokens a second of one layer's mixer: linear ones beside window and full attention.

python benchmarks/linear_speed.py --length 8192 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time

import torch

from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.registry import MIXERS
from farspan.positions.rotary import Rotary

KINDS = ("full", "window", "linear", "retention", "gla", "delta", "gated_delta")
SHAPE = AttentionShape(d_model=576, n_heads=9, n_kv_heads=3, head_dim=64)


def seconds(mixer: AttentionMixer, x: torch.Tensor, chunk: int) -> float:
    """Time to read `x` in chunks, state carried."""
    state = mixer.init_state(1, device=x.device, dtype=x.dtype)
    start = time.perf_counter()
    for place in range(0, x.shape[1], chunk):
        part = x[:, place : place + chunk]
        tokens = Tokens.plain(1, part.shape[1], start=place, device=x.device)
        _, state = mixer(part, tokens, state)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def main() -> None:
    """Prints a table, or with --json one object; rounds go over all mixers in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=8192)
    parser.add_argument("--chunk", type=int, default=512, help="tokens a call")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    rotary = Rotary(SHAPE.head_dim)
    mixers = {kind: MIXERS[kind]().build(SHAPE, rotary) for kind in KINDS}
    x = torch.randn(1, args.length, SHAPE.d_model).to(args.device, torch.bfloat16)
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(args.repeats + 1):
        for kind, mixer in mixers.items():
            mixer.to(args.device, torch.bfloat16)
            took = seconds(mixer, x, args.chunk)
            if turn:  # the first round warms up
                taken[kind].append(took)
    rows = [
        {
            "engine": kind,
            "length": args.length,
            "tokens_per_second": round(args.length / statistics.median(times)),
            "slowest": round(args.length / max(times)),
            "fastest": round(args.length / min(times)),
        }
        for kind, times in taken.items()
    ]
    hardware = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    if args.device != "cpu":
        hardware = torch.cuda.get_device_name()
    found = {"hardware": hardware, "versions": {"torch": torch.__version__}, "rows": rows}
    if args.json:
        print(json.dumps(found))
        return
    print(f"{hardware}; torch {torch.__version__}; bfloat16, {args.chunk} tokens a call")
    for row in rows:
        print("| {engine} | {tokens_per_second:,} | {slowest:,} to {fastest:,} |".format(**row))


if __name__ == "__main__":
    main()
