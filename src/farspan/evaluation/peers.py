"""Peers of `farspan bench read`: other engines that read the same tokens with the same weights.

Each trial is a process of its own, so that its peak memory is its own. An engine is given the
settings that are fastest on this machine, found at a short length. One row, as JSON:

    python -m farspan.evaluation.peers transformers --length 8192 --model-path model.gguf \
        --tokens tokens.npy
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from farspan.errors import RequestError
from farspan.evaluation.requantise import quantised_gguf
from farspan.process import peak_memory_bytes

TUNING_LENGTH = 2048
"""Tokens at which settings are compared, by one reading each after a warm-up."""

_WARM_UP_WHOLE = 4096
_LOADING_SECONDS = 120.0


@dataclass(frozen=True)
class Setting:
    """How an engine runs: number format, tokens a call (0: all at once), fused attention."""

    dtype: str
    chunk: int
    flash_attention: bool | None = None


def _llama_settings(dtype: str) -> tuple[Setting, ...]:
    return tuple(Setting(dtype, chunk, flash) for chunk in (512, 2048) for flash in (True, False))


ENGINES: dict[str, tuple[Setting, ...]] = {
    "transformers": tuple(
        Setting(dtype, chunk) for dtype in ("bfloat16", "float32") for chunk in (0, 2048)
    ),
    "llama.cpp-q4_0": _llama_settings("q4_0"),
    "llama.cpp-q8_0": _llama_settings("q8_0"),
}
"""Every peer with the settings it may choose from."""


@dataclass(frozen=True)
class Job:
    """What is measured: the first `length` of the tokens in a `.npy` file, then decoding.

    `model_path` is a GGUF file, or for transformers also a Hugging Face folder. `time_limit` is
    in seconds of reading: a trial that is estimated to take longer is skipped. `device` is a
    torch device; llama.cpp runs on the CPU only. Reading is timed `repeats` times; the median
    counts.
    """

    length: int
    model_path: str
    tokens_path: str
    threads: int
    decode_tokens: int = 16
    repeats: int = 1
    time_limit: float = 600.0
    device: str = "cpu"


def measure(engine: str, job: Job) -> dict[str, Any]:
    """One row of the benchmark for one peer: speed, peak memory, settings and version.

    Keys: engine, length, tokens, seconds, spread (longest less shortest, in seconds),
    tokens_per_second, decode_tokens_per_second, peak_memory_bytes, version, threads, device,
    dtype, chunk, flash_attention. A peer that cannot run or would take too long gives {engine,
    length, skipped: why}. Raises `RequestError` for an unknown engine and for too few tokens.
    """
    if engine not in ENGINES:
        raise RequestError(f"unknown engine {engine!r}; use one of {', '.join(ENGINES)}")
    load_tokens(job.tokens_path, job.length + job.decode_tokens)
    if reason := _why_not(engine, job):
        return _skipped(engine, job.length, reason)
    if engine.startswith("llama.cpp"):
        quantised = quantised_gguf(job.model_path, engine.removeprefix("llama.cpp-"))
        job = replace(job, model_path=str(quantised))
    tuned = tune(engine, replace(job, length=min(job.length, TUNING_LENGTH), repeats=1))
    if "skipped" in tuned:
        return {**tuned, "length": job.length}
    setting = Setting(tuned["dtype"], tuned["chunk"], tuned["flash_attention"])
    return _trial_process(engine, setting, job)


@functools.cache
def tune(engine: str, job: Job) -> dict[str, Any]:
    """The fastest row of all the engine's settings at this length; a skipped row if none runs."""
    rows = [_trial_process(engine, setting, job) for setting in ENGINES[engine]]
    return max(rows, key=lambda row: row.get("tokens_per_second", 0.0))


def _why_not(engine: str, job: Job) -> str:
    """Why the engine cannot run here at all; empty if it can."""
    ours = engine == "transformers"
    package, extra = ("transformers", "bench") if ours else ("llama_cpp", "llama")
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed; pip install 'farspan[{extra}]'"
    if not ours and (job.device != "cpu" or not Path(job.model_path).is_file()):
        return "llama.cpp is measured on the CPU, with GGUF files only"
    return ""


def _skipped(engine: str, length: int, reason: str) -> dict[str, Any]:
    return {"engine": engine, "length": length, "skipped": reason}


def _trial_process(engine: str, setting: Setting, job: Job) -> dict[str, Any]:
    """`run_trial` in a process of its own; failures and overruns become skipped rows."""
    command = [sys.executable, "-m", "farspan.evaluation.peers", engine]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in asdict(job).items()]
    command += ["--trial", json.dumps(asdict(setting))]
    limit = (job.repeats + 2) * job.time_limit + _LOADING_SECONDS
    environment = {**os.environ, "OMP_NUM_THREADS": str(job.threads)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return _skipped(engine, job.length, f"stopped after {limit:.0f} s")
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return _skipped(engine, job.length, f"failed: {said[-1]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


class Engine(Protocol):
    """A loaded model. `read` starts afresh; `decode` goes on, one token a call."""

    version: str

    def read(self, tokens: np.ndarray) -> None:
        """Prefill and wait until it is done; only the last token's logits are computed."""

    def decode(self, tokens: np.ndarray) -> None:
        """Feed given tokens one by one, as decoding would, and wait until it is done."""


class TransformersEngine:
    """Full attention by transformers with SDPA and its growing cache."""

    def __init__(self, job: Job, setting: Setting) -> None:
        import torch
        import transformers

        torch.set_num_threads(job.threads)
        self.version = f"transformers {transformers.__version__}, torch {torch.__version__}"
        self.device = torch.device(job.device)
        self.chunk = setting.chunk
        self.model = load_transformers(job.model_path, getattr(torch, setting.dtype))
        self.model.to(self.device).eval()

    def read(self, tokens: np.ndarray) -> None:
        """See `Engine`."""
        from transformers import DynamicCache

        self.cache = DynamicCache(config=self.model.config)
        self._forward(tokens, self.chunk or len(tokens))

    def decode(self, tokens: np.ndarray) -> None:
        """See `Engine`."""
        self._forward(tokens, 1)

    def _forward(self, tokens: np.ndarray, size: int) -> None:
        import torch

        ids_bt = torch.from_numpy(tokens.astype(np.int64))[None].to(self.device)
        with torch.inference_mode():
            for piece_bt in ids_bt.split(size, dim=1):
                self.model(piece_bt, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class LlamaCppEngine:
    """llama.cpp through llama-cpp-python, on the CPU."""

    def __init__(self, job: Job, setting: Setting) -> None:
        from llama_cpp import Llama

        self.version = f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')}"
        self.model = Llama(
            job.model_path,
            n_ctx=job.length + job.decode_tokens,
            n_batch=setting.chunk,
            n_ubatch=setting.chunk,
            n_threads=job.threads,
            n_threads_batch=job.threads,
            flash_attn=bool(setting.flash_attention),
            verbose=False,
        )

    def read(self, tokens: np.ndarray) -> None:
        """See `Engine`."""
        self.model.reset()
        self.model.eval(tokens.tolist())

    def decode(self, tokens: np.ndarray) -> None:
        """See `Engine`."""
        for token in tokens.tolist():
            self.model.eval([token])


def run_trial(engine: str, setting: Setting, job: Job) -> dict[str, Any]:
    """Measure one setting in this process; a row as of `measure`."""
    tokens = load_tokens(job.tokens_path, job.length + job.decode_tokens)
    document, answer = tokens[: job.length], tokens[job.length :]
    make = TransformersEngine if engine == "transformers" else LlamaCppEngine
    model: Engine = make(job, setting)
    if job.length <= _WARM_UP_WHOLE:
        model.read(document)
        model.decode(answer)
    else:
        sizes = min(job.length // 8, 2048), min(job.length // 4, 8192)
        probes = [(size, _seconds(model.read, document[:size])) for size in sizes]
        expected = estimate_seconds(probes, job.length)
        if expected > job.time_limit:
            reason = f"about {expected:.0f} s of reading, over the limit of {job.time_limit:.0f} s"
            return _skipped(engine, job.length, reason)
    times = sorted(_seconds(model.read, document) for _ in range(job.repeats))
    seconds = times[len(times) // 2]
    decoding = _seconds(model.decode, answer)
    return {
        "engine": engine,
        "length": job.length,
        "tokens": len(document),
        "seconds": seconds,
        "spread": times[-1] - times[0],
        "tokens_per_second": len(document) / seconds,
        "decode_tokens_per_second": len(answer) / decoding if len(answer) else None,
        "peak_memory_bytes": peak_memory_bytes(job.device),
        "version": model.version,
        "threads": job.threads,
        "device": job.device,
        **asdict(setting),
    }


def _seconds(call: Any, tokens: np.ndarray) -> float:
    start = time.perf_counter()
    call(tokens)
    return time.perf_counter() - start


def estimate_seconds(probes: Sequence[tuple[int, float]], length: int) -> float:
    """Reading time of a cost a·n + b·n² through two probes (tokens, seconds); b is at least 0."""
    (n_1, t_1), (n_2, t_2) = probes
    quadratic = max(0.0, (t_2 / n_2 - t_1 / n_1) / (n_2 - n_1))
    linear = t_2 / n_2 - quadratic * n_2
    return linear * length + quadratic * length**2


def load_tokens(path: str, count: int) -> np.ndarray:
    """The first `count` token ids of a `.npy` file; `RequestError` where there are fewer."""
    tokens = np.load(path, mmap_mode="r")
    if tokens.ndim != 1 or len(tokens) < count:
        raise RequestError(f"{path} holds {tokens.size} tokens, {count} are needed")
    return np.array(tokens[:count])


def load_transformers(path: str, dtype: Any) -> Any:
    """A causal language model with SDPA from a GGUF file, or from a Hugging Face folder."""
    import transformers

    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": "sdpa"}
    if Path(path).is_dir():
        return transformers.AutoModelForCausalLM.from_pretrained(path, **options)
    from farspan.models.gguf import read_gguf

    shape, tensors, _ = read_gguf(path, dtype)
    config = transformers.AutoConfig.for_model(
        shape.family,
        vocab_size=shape.vocab_size,
        hidden_size=shape.d_model,
        intermediate_size=shape.d_ff,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.n_heads,
        num_key_value_heads=shape.n_kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.context_length,
        rms_norm_eps=shape.norm_eps,
        tie_word_embeddings=shape.tied_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta}
        | dict(shape.rope_scaling),
    )
    kind: Any = transformers.AutoModelForCausalLM._model_mapping[type(config)]
    return kind.from_pretrained(None, config=config, state_dict=tensors, **options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one row as one line of JSON; with `--trial`, of that setting in this process."""
    parser = argparse.ArgumentParser(prog="python -m farspan.evaluation.peers")
    parser.add_argument("engine", choices=list(ENGINES))
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--model-path", required=True)
    parser.add_argument("--tokens-path", "--tokens", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--decode-tokens", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--time-limit", type=float, default=600.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--trial", help=argparse.SUPPRESS)
    options = vars(parser.parse_args(arguments))
    engine, trial = options.pop("engine"), options.pop("trial")
    job = Job(**options)
    try:
        row = (
            run_trial(engine, Setting(**json.loads(trial)), job) if trial else measure(engine, job)
        )
    except RequestError as error:
        parser.error(str(error))
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
