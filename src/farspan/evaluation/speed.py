"""How fast farspan reads, measured as it is used: into a store on disk, in its own process.

One row, as JSON: python -m farspan.evaluation.speed --length 8192 --tokens tokens.npy
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from farspan.evaluation.peers import load_tokens
from farspan.process import peak_memory_bytes

WARM_UP = 2048


def measure_reading(
    length: int,
    tokens_path: str,
    *,
    device: str = "cpu",
    plan: str | None = None,
    position: str | None = None,
    factor: float | None = None,
    model: str = "smollm2",
    repeats: int = 1,
) -> dict[str, Any]:
    """One row for farspan: the median of `repeats` readings in a process of their own.

    Keys as of `peers.measure`, the layer plan and positions. A failure becomes {engine,
    length, skipped}.
    """
    command = [sys.executable, "-m", "farspan.evaluation.speed", "--length", str(length)]
    command += ["--tokens", tokens_path, "--device", device, "--repeats", str(repeats)]
    command += ["--model", model] + (["--plan", plan] if plan else [])
    command += ["--position", position] if position else []
    command += ["--factor", str(factor)] if factor is not None else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"engine": "farspan", "length": length, "skipped": f"failed: {said[-1]}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def read_once(model: Any, tokens: np.ndarray) -> tuple[float, float]:
    """Seconds to read tokens into stores on disk, and seconds a token of decoding after them."""
    import torch

    from farspan.engine.generate import advance
    from farspan.engine.reading import read
    from farspan.memory.file_store import FileStore

    decoder = model.decoder
    config = decoder.config
    with tempfile.TemporaryDirectory(prefix="farspan-bench-") as folder:

        def on_disk(layer: int) -> FileStore:
            return FileStore.open(Path(folder) / f"{layer}", config.n_kv_heads, config.head_dim)

        on_cpu = decoder.device.type == "cpu"
        state = decoder.init_state(1, open_store=on_disk if on_cpu else None)
        began = time.perf_counter()
        state = read(decoder, tokens, state)
        if not on_cpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        state = state.fork()
        _, state = advance(decoder, tokens[:16].tolist(), state)
        began = time.perf_counter()
        for token in tokens[:8].tolist():
            _, state = advance(decoder, [token], state)
        return seconds, (time.perf_counter() - began) / 8


def hardware() -> str:
    """The processor, or the GPU's name, and how many cores there are."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one row as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m farspan.evaluation.speed")
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plan")
    parser.add_argument("--position")
    parser.add_argument("--factor", type=float)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args(arguments)

    import torch

    from farspan import __version__
    from farspan.models.load import load_model

    tokens = load_tokens(options.tokens, max(options.length, WARM_UP))
    model = load_model(
        options.model,
        plan=options.plan,
        device=options.device,
        position=options.position,
        factor=options.factor,
    )
    read_once(model, tokens[:WARM_UP])
    runs = sorted(read_once(model, tokens[: options.length]) for _ in range(options.repeats))
    seconds, decoding = runs[len(runs) // 2]
    row = {
        "engine": "farspan",
        "length": options.length,
        "tokens": options.length,
        "seconds": seconds,
        "spread": runs[-1][0] - runs[0][0],
        "tokens_per_second": options.length / seconds,
        "decode_tokens_per_second": 1 / decoding,
        "peak_memory_bytes": peak_memory_bytes(options.device),
        "version": f"farspan {__version__}, torch {torch.__version__}",
        "threads": torch.get_num_threads(),
        "device": options.device,
        "dtype": model.dtype,
        "plan": model.plan,
        "position": model.position,
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
