"""Tokens a second of one layer by pattern, forward and with its backward pass, beside full.

python benchmarks/patterns_speed.py --lengths 4k,16k --json
python benchmarks/patterns_speed.py --device cuda --lengths 4k,64k,1m

Full attention is SDPA (flash on CUDA). On CUDA peers are FlexAttention with the same mask and, if
it is installed, flash-linear-attention's NSA; a peer's row leaves the output projection out.
On the CPU seconds are processor time over the number of threads, as other programs may run beside.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from farspan.compat import cpu_compute_dtype
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.patterns import PatternAttention
from farspan.models.plan import parse_plan
from farspan.positions.rotary import Rotary
from farspan.units import parse_length, show_length

WARM_UP = 256
PASSES = {"forward": False, "forward+backward": True}
PLANS = (
    "full",
    "window(512)",
    "strided",
    "strided(heads=split)",
    "strided(128, anchor=query)",
    "fixed",
    "dilated",
    "global",
    "heads(window(128)|window(1024)|full)",
    "moba",
    "learned",
)


def passes(run: Callable[[Tensor], Tensor], x: Tensor, backward: bool, repeats: int) -> list[float]:
    """Seconds of each pass; before the first some tokens warm up, on CUDA all of them."""
    taken = []
    for part in (x if x.is_cuda else x[:, :WARM_UP], *([x] * repeats)):
        inputs = part.detach().requires_grad_(backward)
        start = _now(x)
        with torch.set_grad_enabled(backward):
            y = run(inputs)
            if backward:
                y.backward(torch.ones_like(y))
        taken.append(_now(x) - start)
    return taken[1:]


def layer(text: str, shape: AttentionShape, x: Tensor) -> AttentionMixer:
    """The mixer that a plan of one layer names."""
    mixer = parse_plan(text, 1).layers[0].build(shape, Rotary(shape.head_dim))
    return mixer.to(x.device, x.dtype)


def whole(mixer: AttentionMixer) -> Callable[[Tensor], Tensor]:
    """The layer over a text in one chunk."""

    def run(x: Tensor) -> Tensor:
        state = mixer.init_state(1, device=x.device, dtype=x.dtype)
        return mixer(x, Tokens.plain(1, x.shape[1], device=x.device), state)[0]

    return run


def flex_peer(mixer: PatternAttention, n: int) -> Callable[[Tensor], Tensor]:
    """FlexAttention with the pattern's own mask over heads of the same shape."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    pattern, shape = mixer.pattern, mixer.shape
    mask = create_block_mask(
        lambda b, h, q, k: pattern.sees(q, k) & (k <= q), None, None, n, n, _compile=True
    )
    flex = torch.compile(flex_attention)

    def run(x: Tensor) -> Tensor:
        q, k, v = (part.transpose(1, 2) for part in mixer.split_heads(x))
        return flex(q, k, v, block_mask=mask, enable_gqa=shape.n_heads != shape.n_kv_heads)

    return run


def nsa_peer(shape: AttentionShape, like: Tensor) -> Callable[[Tensor], Tensor] | None:
    """flash-linear-attention's NSA, 16 blocks of 64 and a window of 512; None without it."""
    try:
        from fla.ops.nsa import parallel_nsa
    except ImportError:
        return None
    mixer = layer("window(512)", shape, like)

    def run(x: Tensor) -> Tensor:
        q, k, v = mixer.split_heads(x)
        gates = [q.new_full(q.shape[:3], 1 / 3) for _ in range(3)]
        return parallel_nsa(q, k, v, *gates, block_counts=16, block_size=64, window_size=512)

    return run


def peers(
    mixer: AttentionMixer, text: str, shape: AttentionShape, x: Tensor
) -> dict[str, Callable[[Tensor], Tensor]]:
    """What else computes the same on this device."""
    if not x.is_cuda:
        return {}
    if isinstance(mixer, PatternAttention):
        return {f"flex {text}": flex_peer(mixer, x.shape[1])}
    nsa = nsa_peer(shape, x) if text == "learned" else None
    return {} if nsa is None else {"fla nsa": nsa}


def measure(args: argparse.Namespace) -> list[dict[str, object]]:
    """One row an engine, length and direction."""
    shape = AttentionShape(args.heads * args.head_dim, args.heads, args.kv_heads, args.head_dim)
    rows: list[dict[str, object]] = []
    for length in (parse_length(text) for text in args.lengths.split(",")):
        x = torch.randn(1, length, shape.d_model).to(args.device, getattr(torch, args.dtype))
        for backward in (PASSES[text] for text in args.passes.split(",")):
            full = None
            for text in args.plans.split(";"):
                mixer = layer(text, shape, x)
                for name, run in {text: whole(mixer), **peers(mixer, text, shape, x)}.items():
                    times = passes(run, x, backward, args.repeats)
                    full = full or statistics.median(times)
                    rows.append(_row(name, length, backward, times, full))
                    if not args.json:
                        print(_line(rows[-1]), flush=True)
    return rows


def _row(
    name: str, length: int, backward: bool, times: list[float], full: float
) -> dict[str, object]:
    middle = statistics.median(times)
    return {
        "engine": name,
        "length": length,
        "pass": list(PASSES)[backward],
        "tokens_per_second": round(length / middle),
        "slowest": round(length / max(times)),
        "fastest": round(length / min(times)),
        "speedup": round(full / middle, 2),
    }


def _line(row: dict[str, object]) -> str:
    length = show_length(int(str(row["length"])))
    return (
        f"| {row['engine']} | {length} | {row['pass']} | {row['tokens_per_second']:,} |"
        f" {row['slowest']:,} to {row['fastest']:,} | {row['speedup']} |"
    )


def _now(x: Tensor) -> float:
    if not x.is_cuda:
        return time.process_time() / torch.get_num_threads()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    """Prints a table, or with --json one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", default="4k,16k,64k")
    parser.add_argument("--plans", default=";".join(PLANS), help="with ; between; the first is 1.0")
    parser.add_argument("--passes", default=",".join(PASSES))
    parser.add_argument("--heads", type=int, default=9)
    parser.add_argument("--kv-heads", type=int, default=3)
    parser.add_argument("--head-dim", type=int, default=64)
    parser.add_argument("--dtype", help="the fastest of the device if left out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.dtype is None:
        fastest = cpu_compute_dtype() if args.device == "cpu" else torch.bfloat16
        args.dtype = str(fastest).removeprefix("torch.")
    torch.manual_seed(0)
    hardware = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    if args.device != "cpu":
        hardware = torch.cuda.get_device_name()
    if not args.json:
        print(f"{hardware}; torch {torch.__version__}; {args.dtype}")
        print("| layer | length | pass | tokens/s | slowest to fastest | times full |")
    rows = measure(args)
    if args.json:
        versions = {"torch": torch.__version__}
        print(json.dumps({"hardware": hardware, "versions": versions, "rows": rows}))


if __name__ == "__main__":
    main()
